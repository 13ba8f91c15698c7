import * as fc from 'fast-check';
import { type Engine, TABLES } from '../engine';
import { CorruptionError } from '../environment';
import { plainEnvironment } from '../plain-environment';
import { SimulatedDisk } from '../simulated-engine';
import { openMvccStore } from '../mvcc-store';
import { StoreFixture } from '../store-fixture';
import { CopyInstaller } from './copy-installer';
import { CopyOvertakenError, StoreCopy, type StoreCopyLimits } from './store-copy';
import { TrackedEngine } from './tracked-engine';

const STORE_OPTIONS = {
  flushBytes: 1e9,
  flushVersions: 1e9,
  overlayBytesMax: 1e9,
  latest: { rows: 1, bytes: 1e9, commitsPerRound: 1, rowsPerCommitMin: 1, cacheBytes: 1000 },
  onFatal: (error: unknown) => {
    throw error;
  },
};

/** Everything that an engine holds. */
function dump(engine: Engine): string[] {
  return TABLES.flatMap((table) => {
    const found: string[] = [];
    const rows = engine.scan(table, {});
    while (rows.next())
      found.push(`${table} ${plainEnvironment.latin1(rows.key)} ${plainEnvironment.latin1(rows.value)}`);
    return found;
  });
}

/** An engine of plain rows with commits by hand, and a copy of it. */
class Rig {
  readonly disk = new SimulatedDisk();
  readonly engine = new TrackedEngine(this.disk.open());
  commits = 0;
  private quiet: (() => void)[] = [];
  private underWay: Promise<void> | undefined;
  /** What the engine held after each commit. */
  readonly states: string[][] = [[]];

  write(rows: readonly (readonly [key: number, value: string | undefined])[]): void {
    if (this.underWay !== undefined) return;
    const batch = this.engine.batch();
    for (const [key, value] of rows) {
      const table = TABLES[key % TABLES.length] as (typeof TABLES)[number];
      const bytes = Uint8Array.of(1 + key);
      if (value === undefined) batch.delete(table, bytes);
      else
        batch.put(
          table,
          bytes,
          Uint8Array.from(value, (char) => char.charCodeAt(0)),
        );
    }
    this.underWay = batch.commit().then(() => {
      this.underWay = undefined;
      this.commits += 1;
      this.states.push(dump(this.disk.open()));
      for (const callback of this.quiet.splice(0)) callback();
    });
  }

  async settled(): Promise<void> {
    await this.underWay;
  }

  copy(limits: Partial<StoreCopyLimits>): StoreCopy {
    return new StoreCopy({
      engine: this.engine,
      environment: plainEnvironment,
      limits,
      whenQuiet: (callback) => {
        const run = (): void => callback({ index: this.commits, term: 1 });
        if (this.underWay === undefined) run();
        else this.quiet.push(run);
      },
    });
  }
}

async function install(chunks: readonly Uint8Array[], copy: StoreCopy): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk();
  const installer = new CopyInstaller(disk.open(), plainEnvironment, 100);
  for (const chunk of chunks) await installer.add(chunk);
  if (copy.end === undefined) throw new Error('the copy is not complete');
  await installer.finish(copy.end);
  return disk;
}

const row = fc.tuple(fc.integer({ min: 0, max: 40 }), fc.option(fc.string({ maxLength: 8 }), { nil: undefined }));
const commitRows = fc.array(row, { minLength: 1, maxLength: 12 });

test('a copy made while commits go on is exactly what the store was after one of them', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(commitRows, { maxLength: 6 }),
      fc.array(fc.record({ rows: commitRows, syncNow: fc.boolean(), waits: fc.nat(3) }), { maxLength: 40 }),
      fc.record({ chunkBytes: fc.integer({ min: 24, max: 90 }), lastRoundKeys: fc.integer({ min: 0, max: 4 }) }),
      async (before, during, limits) => {
        const rig = new Rig();
        for (const rows of before) {
          rig.write(rows.map(([key, value]) => [key, value ?? '']));
          await rig.settled();
        }
        const copy = rig.copy({ ...limits, patientRounds: 3 });
        const chunks: Uint8Array[] = [];
        const steps = [...during];
        for (;;) {
          const step = steps.shift();
          if (step !== undefined) {
            rig.disk.autoSync = step.syncNow;
            rig.write(step.rows.map(([key, value]) => [key, value]));
            for (let i = 0; i < step.waits; i += 1) await Promise.resolve();
          }
          rig.disk.autoSync = true;
          const next = copy.next();
          setImmediate(() => rig.disk.sync());
          const chunk = await next;
          if (chunk === undefined) break;
          chunks.push(chunk);
        }
        const { position } = copy.end ?? { position: { index: -1 } };
        expect(dump((await install(chunks, copy)).open())).toEqual(rig.states[position.index]);
      },
    ),
    { numRuns: 400 },
  );
});

test('without the rows that changed meanwhile the copy is not what the store ever was', async () => {
  const rig = new Rig();
  rig.write(Array.from({ length: 40 }, (_, key) => [key, 'old']));
  await rig.settled();
  const copy = rig.copy({ chunkBytes: 40 });
  const chunks = [await copy.next()];
  // The canary: forgets what it is told.
  copy.changed = () => undefined;
  rig.write(Array.from({ length: 40 }, (_, key) => [key, 'new']));
  await rig.settled();
  for (let chunk = await copy.next(); chunk !== undefined; chunk = await copy.next()) chunks.push(chunk);
  const disk = await install(
    chunks.filter((chunk) => chunk !== undefined),
    copy,
  );
  expect(rig.states).not.toContainEqual(dump(disk.open()));
});

test('a chunk that is damaged, lost, repeated or out of order is refused', async () => {
  const rig = new Rig();
  rig.write(Array.from({ length: 40 }, (_, key) => [key, 'value']));
  await rig.settled();
  const copy = rig.copy({ chunkBytes: 60 });
  const chunks: Uint8Array[] = [];
  for (let chunk = await copy.next(); chunk !== undefined; chunk = await copy.next()) chunks.push(chunk);
  const [first, second] = chunks as [Uint8Array, Uint8Array];
  const damaged = second.slice();
  damaged[20] = (damaged[20] ?? 0) ^ 4;
  await expect(install([first, damaged, ...chunks.slice(2)], copy)).rejects.toThrow(CorruptionError);
  await expect(install([first, ...chunks.slice(2)], copy)).rejects.toThrow(CorruptionError);
  await expect(install([first, first, ...chunks.slice(1)], copy)).rejects.toThrow(CorruptionError);
  await expect(install(chunks.slice(0, -1), copy)).rejects.toThrow(/but .* came/);
  await expect(install([first.subarray(0, 5)], copy)).rejects.toThrow(CorruptionError);
});

test('a store that changes more than can be remembered ends the copy with a reason', async () => {
  const rig = new Rig();
  rig.write(Array.from({ length: 40 }, (_, key) => [key, 'value']));
  await rig.settled();
  const copy = rig.copy({ chunkBytes: 60, changedKeysMax: 3 });
  await expect(
    (async () => {
      for (;;) {
        rig.write(Array.from({ length: 40 }, (_, key) => [key, 'other']));
        if ((await copy.next()) === undefined) return;
      }
    })(),
  ).rejects.toThrow(CopyOvertakenError);
});

test('the copy of a store opens as that store at the index it names, history and compaction included', async () => {
  const fixture = new StoreFixture();
  const seen = new Map<number, string[]>();
  const look = (store: StoreFixture['store']): string[] => {
    const at = new StoreFixture();
    at.store = store;
    return [String(store.revision), String(store.compactRevision), at.at(0), ...at.history(store.compactRevision + 1)];
  };
  const put = (i: number): void => {
    fixture.put(`key-${i % 50}`, `value ${i}`);
    seen.set(fixture.store.applied.index, look(fixture.store));
  };
  for (let i = 0; i < 200; i += 1) put(i);
  fixture.store.table('meta').put(Uint8Array.of(1), Uint8Array.of(2));
  fixture.compact(50);
  await fixture.finishCompaction();
  const copy = fixture.store.copy();
  const chunks: Uint8Array[] = [];
  for (let i = 200, chunk = await copy.next(); chunk !== undefined; chunk = await copy.next(), i += 1) {
    chunks.push(chunk);
    put(i);
    fixture.store.startFlush();
  }
  const disk = await install(chunks, copy);
  const copied = openMvccStore(disk.open(), plainEnvironment, STORE_OPTIONS);
  expect(copied.applied).toEqual(copy.end?.position);
  expect(look(copied)).toEqual(seen.get(copied.applied.index));
  expect(copied.table('meta').get(Uint8Array.of(1))).toEqual(Uint8Array.of(2));
});
