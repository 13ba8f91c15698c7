import { mkdirSync, writeSync } from 'node:fs';
import { resolve } from 'node:path';
import { defragment } from '../defragment';
import { currentGeneration, removeOtherGenerations } from '../generations';
import { LmdbEngine } from '../lmdb-engine';
import { openStore } from '../open-store';

/** Writes entries as crash.test.ts describes until it is killed; with `defragmenting`, in one file after the other. */
const KEYS = 50;
const COMPACT_EVERY = 40;
const ENTRIES_PER_TURN = 7;

const directory = process.argv[2];
if (directory === undefined) throw new Error('usage: crash-child DIRECTORY');
mkdirSync(directory, { recursive: true });
removeOtherGenerations(directory);
const store = openStore({
  directory: currentGeneration(directory),
  flushIntervalMs: 10,
  onFatal: (error) => {
    throw error;
  },
});
const hooks = { leaseExists: () => false };
let durable = -1;

function apply(index: number): void {
  if (index % COMPACT_EVERY === 0) store.compact(store.revision - 5);
  else {
    const key = new TextEncoder().encode(`key-${index % KEYS}`);
    const value = new Uint8Array(1 + (index % 700)).fill(index % 251);
    store.put({ key, value, lease: 0n, prevKv: false, ignoreValue: false, ignoreLease: false }, hooks);
  }
  store.setApplied(index, 1);
}

function turn(): void {
  for (let i = 0; i < ENTRIES_PER_TURN; i++) apply(store.applied.index + 1);
  store.compactSlice(30);
  writeSync(1, `applied ${store.applied.index}\n`);
  if (store.durable.index !== durable) {
    durable = store.durable.index;
    writeSync(1, `durable ${durable}\n`);
  }
  setTimeout(turn, 1);
}

turn();

/** One defragmentation after the other. */
async function keepDefragmenting(storeDir: string): Promise<void> {
  const workerFile = resolve(__dirname, '../../../dist/services/storage/copy-worker.js');
  const { signal } = new AbortController();
  const openEngine = (file: string): LmdbEngine => new LmdbEngine(file);
  for (let count = 1; ; count++) {
    await defragment({ store, storeDir, workerFile, openEngine, signal, pause: () => Promise.resolve() });
    writeSync(1, `defragmented ${count}\n`);
  }
}

if (process.argv[3] === 'defragmenting')
  keepDefragmenting(directory).catch((error: unknown) => {
    writeSync(2, `${String(error)}\n`);
    process.exit(1);
  });
