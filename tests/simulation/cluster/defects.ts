import type { RaftCore } from '../../../libs/raft';
import type { Store } from '../../../libs/mvcc';
import type { SimProcess } from '../world/process';

/** A planted defect: what it changes in each process as it starts. Canaries use them; nothing else does. */
export interface Defect {
  /** fdatasync of the WAL does nothing. */
  readonly lostSync?: true;
  /** The WAL's checksums always agree. */
  readonly noChecksum?: true;
  /** What is there at open is not synced. */
  readonly noSyncAtOpen?: true;
  /** The store's commits write the applied index without the data that goes with it. */
  readonly splitCommit?: true;
  /** Proxies propose the newest format of entries that they themselves understand. */
  readonly eagerFormat?: true;
  readonly raft?: (core: RaftCore) => void;
  readonly store?: (store: Store, process: SimProcess) => void;
  /** Spoils code that all members share; returns what undoes it. */
  readonly code?: () => () => void;
}
