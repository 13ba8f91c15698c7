import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { BulkLoader } from '../mvcc';
import { nodeEnvironment } from './environment';
import { LmdbEngine } from './lmdb-engine';
import { LATEST } from './open-store';

/** Begins a new store in a directory that has none, to be filled and then opened with `openStore`. */
export function openBulkLoader(directory: string): BulkLoader {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  return new BulkLoader(new LmdbEngine(join(directory, 'db')), nodeEnvironment, LATEST);
}
