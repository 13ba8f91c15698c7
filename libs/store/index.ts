export { openBulkLoader } from './bulk-load';
export { nodeEnvironment } from './environment';
export { LmdbEngine } from './lmdb-engine';
export { openStore, type StoreFileOptions } from './open-store';
export { beginGeneration, currentGeneration, POINTER_FILE, pointerTo, removeOtherGenerations } from './generations';
