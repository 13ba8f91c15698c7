export { openBulkLoader } from './bulk-load';
export { nodeEnvironment } from './environment';
export { LmdbEngine } from './lmdb-engine';
export { openStore, type StoreFileOptions } from './open-store';
export { defragment, type DefragmentOptions, defragmentOffline } from './defragment';
export {
  beginGeneration,
  currentGeneration,
  POINTER_FILE,
  pointerTo,
  removeOtherGenerations,
  switchGeneration,
  UncertainSwitchError,
} from './generations';
export { runRowMover } from './row-mover';
export { isNoSpace, NoSpaceError, noSpaceError } from './no-space';
export type { Patience } from './patient-batch';
