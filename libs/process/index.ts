export { lockDirectory } from './directory-lock';
export { StartError } from './start-error';
export {
  type DataProcessContext,
  EXIT_REMOVED,
  EXIT_RESTART,
  runProcess,
  type ProcessContext,
  type RunningProcess,
} from './run-process';
export { createLogger, isLogLevel, type Logger, setLogLevel } from './logger';
export { parseAddress, formatAddress } from './address';
export { introspectionHandlers } from './introspection';
export { healthHandlers } from './health';
export { renameDurably, syncDirectory, writeDurably } from './durable-file';
export { syncFile } from './sync-file';
