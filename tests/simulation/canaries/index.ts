import type { Canary } from './canary';
import { RAFT_CANARIES } from './raft';
import { STORAGE_CANARIES } from './storage';
import { UPGRADE_CANARIES } from './upgrade';
import { WAL_CANARIES } from './wal';
import { WATCH_AND_LEASE_CANARIES } from './watch-and-lease';

/** Every planted defect, by what it does wrong. */
export const CANARIES: Readonly<Record<string, Canary>> = {
  ...RAFT_CANARIES,
  ...WAL_CANARIES,
  ...STORAGE_CANARIES,
  ...UPGRADE_CANARIES,
  ...WATCH_AND_LEASE_CANARIES,
};
