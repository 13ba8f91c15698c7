import * as fc from 'fast-check';
import { type Engine, TABLES } from '../engine';
import { CorruptionError } from '../environment';
import { openMvccStore } from '../mvcc-store';
import { plainEnvironment } from '../plain-environment';
import { encodeState, EMPTY_STATE, sealSmall, STATE_KEY } from '../schema';
import { SimulatedDisk } from '../simulated-engine';
import { putRequest, rangeQuery, textOf } from '../store-fixture';
import { compareBytes } from '../bytes';
import type { CopiedSlice, MovedRow, RowMover, Store } from '../types';

const OPTIONS = {
  flushBytes: 1e9,
  flushVersions: 1e9,
  overlayBytesMax: 1e9,
  latest: { rows: 1, bytes: 1e9, commitsPerRound: 1, rowsPerCommitMin: 1, cacheBytes: 1000 },
  onFatal: (error: unknown) => {
    throw error;
  },
};

/** The engine that a store writes to, for a mover that reads it by itself. */
function spied(disk: SimulatedDisk): { engine: Engine; store: Store } {
  const engine = disk.open();
  return { engine, store: openMvccStore(engine, plainEnvironment, OPTIONS) };
}

/** Copies a few rows at a time, and lets the test do what it likes before and after it reads. */
class TestMover implements RowMover {
  calls = 0;

  constructor(
    private readonly source: Engine,
    readonly target: Engine,
    private readonly rowsMax: number,
    private readonly meanwhile: () => Promise<void>,
  ) {}

  async copyTable(table: (typeof TABLES)[number], after: Uint8Array | undefined): Promise<CopiedSlice> {
    this.calls++;
    await this.meanwhile();
    const rows = this.source.scan(table, { start: after });
    const batch = this.target.batch();
    let last: Uint8Array | undefined;
    for (let left = this.rowsMax; left > 0 && rows.next(); ) {
      if (after !== undefined && compareBytes(rows.key, after) === 0) continue;
      batch.put(table, rows.key, rows.value);
      last = rows.key;
      left--;
    }
    rows.close();
    await this.meanwhile();
    await batch.commit();
    return { last, bytes: 1 };
  }

  async copyRows(rows: readonly MovedRow[]): Promise<number> {
    this.calls++;
    await this.meanwhile();
    const batch = this.target.batch();
    for (const { table, key: text } of rows) {
      const key = Uint8Array.from(text, (char) => char.charCodeAt(0));
      const value = this.source.get(table, key);
      if (value === undefined) batch.delete(table, key);
      else batch.put(table, key, value);
    }
    await batch.commit();
    return 1;
  }
}

function dump(engine: Engine): string[] {
  return TABLES.flatMap((table) => {
    const found: string[] = [];
    const rows = engine.scan(table, {});
    while (rows.next()) found.push(`${table} ${textOf(rows.key)} ${textOf(rows.value)}`);
    return found;
  });
}

function keysOf(store: Store): string {
  const outcome = store.range(rangeQuery({ key: '\0', rangeEnd: '\0' }));
  return outcome.ok ? outcome.value.kvs.map((kv) => `${textOf(kv.key)}=${textOf(kv.value)}`).join(' ') : outcome.error;
}

const step = fc.record({
  puts: fc.array(fc.tuple(fc.nat(25), fc.string({ maxLength: 6 })), { maxLength: 6 }),
  deletes: fc.boolean(),
  flushes: fc.boolean(),
});

/** A store that is written to by steps, entry by entry. */
class Writing {
  private index = 0;

  constructor(readonly store: Store) {}

  do({ puts, deletes, flushes }: { puts: [number, string][]; deletes: boolean; flushes: boolean }): void {
    const hooks = { leaseExists: () => false };
    for (const [key, value] of puts) this.store.put(putRequest(`key-${key}`, value), hooks);
    const [first] = puts;
    if (deletes && first !== undefined)
      this.store.deleteRange({ key: bytes(`key-${first[0]}`), rangeEnd: bytes(''), prevKv: false });
    if (this.store.revision > 10 && deletes) {
      this.store.compact(this.store.revision - 3);
      this.store.compactSlice(20);
    }
    this.store.setApplied(++this.index, 1);
    if (flushes) this.store.startFlush();
  }
}

function bytes(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

test('a store that moves while it is written to is in its new engine what it was, and goes on there', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 12 }),
      fc.array(step, { maxLength: 60 }),
      fc.integer({ min: 1, max: 9 }),
      async (before, during, rowsMax) => {
        const from = spied(new SimulatedDisk());
        const to = new SimulatedDisk();
        const writing = new Writing(from.store);
        for (const each of before) writing.do(each);
        const steps = [...during];
        const meanwhile = async (): Promise<void> => {
          const next = steps.shift();
          if (next !== undefined) writing.do(next);
          await Promise.resolve();
        };
        const mover = new TestMover(from.engine, to.open(), rowsMax, meanwhile);
        const move = from.store.move();
        await move.copy(mover, meanwhile);
        // Nothing is committed until the move is over.
        expect(dump(mover.target)).toEqual(dump(from.engine));
        writing.do({ puts: [[1, 'held']], deletes: false, flushes: true });
        expect(dump(mover.target)).toEqual(dump(from.engine));
        const old = dump(from.engine);
        const target = to.open();
        move.check(target);
        await move.adopt(target);
        for (const each of steps) writing.do(each);
        writing.do({ puts: [[2, 'later']], deletes: false, flushes: false });
        const seen = [keysOf(from.store), from.store.revision, from.store.applied.index];
        await from.store.flush();
        expect(dump(from.engine)).toEqual(old);
        to.crash();
        const reopened = openMvccStore(to.open(), plainEnvironment, OPTIONS);
        expect([keysOf(reopened), reopened.revision, reopened.applied.index]).toEqual(seen);
      },
    ),
    { numRuns: 300 },
  );
});

test('a move that is given up leaves the store where it is, with commits going on', async () => {
  for (const lastCall of [1, 2, 3, 5, 8, Number.POSITIVE_INFINITY]) {
    const disk = new SimulatedDisk();
    const from = spied(disk);
    const writing = new Writing(from.store);
    for (let i = 0; i < 20; i++) writing.do({ puts: [[i, 'x']], deletes: false, flushes: false });
    await from.store.flush();
    const mover = new TestMover(from.engine, new SimulatedDisk().open(), 3, () => Promise.resolve());
    const move = from.store.move();
    const copying = move.copy(mover, () =>
      mover.calls >= lastCall ? Promise.reject(new Error('given up')) : Promise.resolve(),
    );
    if (lastCall === Number.POSITIVE_INFINITY) await copying;
    else await expect(copying).rejects.toThrow('given up');
    writing.do({ puts: [[3, 'after']], deletes: false, flushes: true });
    move.close();
    await from.store.flush();
    expect(from.store.durable.index).toBe(21);
    disk.crash();
    expect(keysOf(openMvccStore(disk.open(), plainEnvironment, OPTIONS))).toContain('key-3=after');
  }
});

test('a copy that stands at another entry than the store is refused', async () => {
  const from = spied(new SimulatedDisk());
  new Writing(from.store).do({ puts: [[1, 'x']], deletes: false, flushes: false });
  await from.store.flush();
  const move = from.store.move();
  await move.copy(new TestMover(from.engine, new SimulatedDisk().open(), 9, () => Promise.resolve()), () =>
    Promise.resolve(),
  );
  const other = new SimulatedDisk().open();
  expect(() => move.check(other)).toThrow(CorruptionError);
  const batch = other.batch();
  const state = encodeState({ ...EMPTY_STATE, applied: { index: 1, term: 2 } });
  batch.put(TABLES[3] as (typeof TABLES)[number], STATE_KEY, sealSmall(STATE_KEY, state, plainEnvironment));
  await batch.commit();
  expect(() => move.check(other)).toThrow(CorruptionError);
  move.close();
});

test('a move that does not learn of changes would not be a copy of the store', async () => {
  const from = spied(new SimulatedDisk());
  const writing = new Writing(from.store);
  for (let i = 0; i < 20; i++) writing.do({ puts: [[i, 'old']], deletes: false, flushes: false });
  await from.store.flush();
  let calls = 0;
  const mover = new TestMover(from.engine, new SimulatedDisk().open(), 3, () => {
    if (calls < 20) writing.do({ puts: [[calls++, 'new']], deletes: false, flushes: true });
    return Promise.resolve();
  });
  const move = from.store.move();
  // The canary: forgets what it is told.
  Object.assign(move, { changed: () => undefined });
  await move.copy(mover, () => Promise.resolve());
  expect(dump(mover.target)).not.toEqual(dump(from.engine));
  move.close();
});
