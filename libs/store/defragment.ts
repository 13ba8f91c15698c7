import { rmSync, statfsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Engine, EngineSizes, Store, StoreMove } from '../mvcc';
import { syncDirectory, syncFile } from '../process';
import {
  beginGeneration,
  currentGeneration,
  otherGenerations,
  removeOtherGenerations,
  switchGeneration,
  UncertainSwitchError,
} from './generations';
import { LmdbEngine } from './lmdb-engine';
import { NoSpaceError, noSpaceError } from './no-space';
import { RowCopier, ThreadRowMover } from './row-mover';

export interface DefragmentOptions {
  readonly store: Store;
  readonly storeDir: string;
  /** A script that calls `runRowMover`. */
  readonly workerFile: string;
  /** Opens the new file as the old one is open. */
  readonly openEngine: (file: string) => Engine;
  /** Gives up at the next slice. */
  readonly signal: AbortSignal;
  /** Lets others have their turn after a slice of so many bytes. */
  readonly pause: (bytes: number) => Promise<void>;
}

/** Left free beside the copy, for the log and for what is written while it grows. */
const SPACE_RESERVE_BYTES = 64 * 1024 * 1024;

/**
 * Moves the store into a new file that has no free pages, while reads and writes go on: its rows are copied in slices, the copy
 * is caught up with what has changed meanwhile, and between two commits it takes the store's place.
 * At every moment one of the two files is the store and holds all that is durable: until the pointer is renamed the old one,
 * after that the new one, and nothing is committed to either in between. When it fails, the store is where it was.
 *
 * @throws NoSpaceError, UncertainSwitchError (the process must end then) or another error
 */
export async function defragment(options: DefragmentOptions): Promise<void> {
  const { store, storeDir } = options;
  checkSpace(store, storeDir);
  const source = join(currentGeneration(storeDir), 'db');
  const { name, directory } = beginGeneration(storeDir);
  const move = store.move();
  const mover = new ThreadRowMover(options.workerFile, source, directory);
  try {
    await move.copy(mover, async (bytes) => {
      options.signal.throwIfAborted();
      await options.pause(bytes);
    });
    await takeOver(move, options, name);
  } catch (error) {
    if (error instanceof UncertainSwitchError) throw error;
    move.close();
    await mover.close();
    const cause = noSpaceError(error, storeDir);
    rmSync(directory, { recursive: true, force: true });
    throw cause;
  }
  // The thread is the last to let go of the old file: unmapping a large one takes a while, as does unlinking it.
  await mover.close();
  for (const path of otherGenerations(storeDir)) await rm(path, { recursive: true, force: true });
}

/**
 * The same for a store that nobody has open; the caller holds its lock. Gives the sizes before and after.
 *
 * @throws NoSpaceError, CorruptionError or the system's error; the store is then as it was
 */
export async function defragmentOffline(storeDir: string): Promise<{ before: EngineSizes; after: EngineSizes }> {
  removeOtherGenerations(storeDir);
  const file = join(currentGeneration(storeDir), 'db');
  // What a killed process wrote and did not sync can be read, but only now may it count as durable.
  syncFile(file);
  const source = new LmdbEngine(file);
  const { name, directory } = beginGeneration(storeDir);
  const target = new LmdbEngine(join(directory, 'db'));
  const copier = new RowCopier(source, target);
  let sizes: { before: EngineSizes; after: EngineSizes };
  try {
    syncDirectory(directory);
    await copier.copyAll();
    sizes = { before: source.sizes(), after: target.sizes() };
    await copier.close();
    await switchGeneration(storeDir, name);
  } catch (error) {
    const cause = noSpaceError(error, storeDir);
    if (!(error instanceof UncertainSwitchError)) rmSync(directory, { recursive: true, force: true });
    throw cause;
  }
  removeOtherGenerations(storeDir);
  return sizes;
}

async function takeOver(move: StoreMove, { storeDir, openEngine }: DefragmentOptions, name: string): Promise<void> {
  const engine = openEngine(join(storeDir, name, 'db'));
  try {
    move.check(engine);
    await switchGeneration(storeDir, name);
  } catch (error) {
    await engine.close();
    throw error;
  }
  await move.adopt(engine);
}

function checkSpace(store: Store, storeDir: string): void {
  const { bavail, bsize } = statfsSync(storeDir);
  const free = bavail * bsize;
  const needed = store.sizes().inUse + SPACE_RESERVE_BYTES;
  if (free < needed) throw new NoSpaceError(`a copy of the store takes ${needed} bytes, but only ${free} are free`);
}
