import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Store } from '../mvcc';
import { currentGeneration, removeOtherGenerations } from './generations';
import { openStore } from './open-store';

/**
 * The trial the store's design rests on, kept: a process answers writes before their commit has resolved and is killed
 * with SIGKILL at an arbitrary moment. What is then found is a prefix of what it did, with the applied index, the
 * revision and the data in agreement, and at least what it had called durable.
 *
 * A child prints `applied I` before it goes on and `durable I` when that is so. Entry i puts key (i mod 50), so that
 * state i is known from i alone. Every 40th entry compacts.
 */
const KEYS = 50;
const COMPACT_EVERY = 40;
const CHILD = join(__dirname, 'testing', 'crash-child.ts');

interface Seen {
  applied: number;
  durable: number;
  defragmented: number;
}

function start(
  directory: string,
  ...more: string[]
): {
  child: ChildProcess;
  seen: Seen;
  until: (condition: (seen: Seen) => boolean) => Promise<void>;
} {
  const child = spawn(
    process.execPath,
    ['-r', join(__dirname, 'testing', 'load-typescript.js'), CHILD, directory, ...more],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const seen: Seen = { applied: 0, durable: 0, defragmented: 0 };
  const waiters = new Set<() => void>();
  if (child.stdout === null) throw new Error('stdout is a pipe');
  createInterface({ input: child.stdout }).on('line', (line) => {
    const [what, index] = line.split(' ');
    if (what === 'applied' || what === 'durable' || what === 'defragmented') seen[what] = Number(index);
    for (const waiter of waiters) waiter();
  });
  const until = (condition: (now: Seen) => boolean): Promise<void> =>
    new Promise((resolve) => {
      const waiter = (): void => {
        if (!condition(seen)) return;
        waiters.delete(waiter);
        resolve();
      };
      waiters.add(waiter);
      waiter();
    });
  return { child, seen, until };
}

function keyOf(entry: number): Uint8Array {
  return new TextEncoder().encode(`key-${entry % KEYS}`);
}

/** Entry i made revision i + 1, unless it compacted. */
function revisionAfter(index: number): number {
  return 1 + index - Math.floor(index / COMPACT_EVERY);
}

function expectStateAt(store: Store, index: number): void {
  expect(store.revision).toBe(revisionAfter(index));
  for (let back = 0; back < KEYS && index - back > 0; back++) {
    const entry = index - back;
    if (entry % COMPACT_EVERY === 0) continue;
    const version = store.latest(keyOf(entry));
    const later = Array.from({ length: back }, (_, i) => entry + 1 + i).some(
      (other) => other % KEYS === entry % KEYS && other % COMPACT_EVERY !== 0,
    );
    if (later) continue;
    expect([version?.modRevision, version?.value[0]]).toEqual([revisionAfter(entry), entry % 251]);
  }
  let revision = Math.max(store.compactRevision, 1);
  for (const slice of store.history(revision + 1, store.revision, 1e9).revisions)
    expect(slice.revision).toBe(++revision);
  expect(revision).toBe(store.revision);
}

describe('a store whose process is killed', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'hexad-crash-'));
  });
  afterEach(() => {
    rmSync(directory, { recursive: true });
  });

  async function open(): Promise<Store> {
    removeOtherGenerations(directory);
    const store = openStore({
      directory: currentGeneration(directory),
      onFatal: (error) => {
        throw error;
      },
    });
    await Promise.resolve();
    return store;
  }

  test('is found with index, revision and data in agreement, and with all that was durable, again and again', async () => {
    let before = 0;
    for (let round = 0; round < 6; round++) {
      const { child, seen, until } = start(directory);
      const goal = before + 300 * (round + 1);
      await until(({ applied }) => applied >= goal);
      // Some rounds wait for a commit to resolve, some are killed wherever they are.
      if (round % 2 === 0) await until(({ durable, applied }) => durable > before && durable < applied);
      child.kill('SIGKILL');
      await once(child, 'close');
      const store = await open();
      const { index } = store.applied;
      expect(index).toBeGreaterThanOrEqual(Math.max(seen.durable, before));
      // A turn that was cut off before it could say so.
      expect(index).toBeLessThanOrEqual(seen.applied + 7);
      expectStateAt(store, index);
      before = index;
      await store.close();
    }
  }, 180_000);

  test('while it is being defragmented is found whole, in one file or the other, wherever the kill falls', async () => {
    let before = 0;
    for (let round = 0; round < 8; round++) {
      const { child, seen, until } = start(directory, 'defragmenting');
      // Kills fall into the first copy of a run or a later one, soon after its beginning or late.
      await until(({ defragmented }) => defragmented >= round % 3);
      const goal = seen.applied + 40 * (round + 1);
      await until(({ applied }) => applied >= goal);
      child.kill('SIGKILL');
      await once(child, 'close');
      const store = await open();
      const { index } = store.applied;
      expect(index).toBeGreaterThanOrEqual(Math.max(seen.durable, before));
      expectStateAt(store, index);
      before = index;
      await store.close();
    }
  }, 180_000);

  test('does answer before the commit: what was answered last is usually not yet durable', async () => {
    const { child, seen, until } = start(directory);
    await until(({ applied, durable }) => applied > 500 && durable > 0);
    await until(({ applied, durable }) => applied > durable);
    expect(seen.applied).toBeGreaterThan(seen.durable);
    child.kill('SIGKILL');
    await once(child, 'close');
  }, 30_000);

  test('a file copied after a clean close opens with the same state', async () => {
    const store = await open();
    store.put(
      { key: keyOf(1), value: Uint8Array.of(1), lease: 0n, prevKv: false, ignoreValue: false, ignoreLease: false },
      { leaseExists: () => false },
    );
    store.setApplied(1, 7);
    await store.close();
    const copy = mkdtempSync(join(tmpdir(), 'hexad-crash-copy-'));
    copyFileSync(join(directory, 'db'), join(copy, 'db'));
    const reopened = openStore({
      directory: copy,
      onFatal: (error) => {
        throw error;
      },
    });
    expect([reopened.applied, reopened.revision]).toEqual([{ index: 1, term: 7 }, 2]);
    await reopened.close();
    rmSync(copy, { recursive: true });
  });
});
