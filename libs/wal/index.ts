export { Wal } from './wal';
export { createDirectoryDisk } from './directory-disk';
export type { WalDisk, WalFile } from './disk';
export {
  WalError,
  createHistogram,
  observe,
  type Histogram,
  type WalAppend,
  type WalBootstrap,
  type WalOptions,
  type WalRecovered,
  type WalStats,
} from './types';
