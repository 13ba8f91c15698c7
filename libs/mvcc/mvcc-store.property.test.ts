import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { Table } from './engine';
import type { Environment } from './environment';
import type { LatestLimits } from './latest-rows';
import { openMvccStore } from './mvcc-store';
import { SimulatedDisk } from './simulated-engine';
import { type ModelVersion, SlowModel } from './slow-model';
import type { PutRequest, RangeQuery, RequestOp, Store, StoredVersion } from './types';

const NONE = new Uint8Array(0);
const environment: Environment = { crc32, latin1: (bytes) => Buffer.from(bytes).toString('latin1') };
const hooks = { leaseExists: () => true };

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

// Few keys, so that they meet; some longer than the engine takes, with a common beginning.
const LONG = 'x'.repeat(1900);
const KEYS = ['a', 'b', 'ba', 'bb', 'c', LONG, `${LONG}\0`, `${LONG}y`, `${LONG}${LONG}`, `${LONG}${LONG}z`, 'y'];
const MIDDLE_END = `${LONG}${LONG}`;
const key = fc.constantFrom(...KEYS);
const value = fc.constantFrom('', 'u', 'vv', 'www');
const rangeEnd = fc.oneof(fc.constantFrom('', '\0'), key);

type Step =
  | { readonly kind: 'put'; readonly key: string; readonly value: string }
  | { readonly kind: 'delete'; readonly key: string; readonly rangeEnd: string }
  | { readonly kind: 'txn'; readonly puts: readonly (readonly [string, string])[]; readonly guard: string }
  | { readonly kind: 'overwrite'; readonly key: string; readonly times: number }
  | { readonly kind: 'compact'; readonly at: 'anywhere' | 'last tombstone'; readonly fraction: number }
  | { readonly kind: 'slice'; readonly rows: number }
  | { readonly kind: 'startFlush' }
  | { readonly kind: 'sync' }
  | { readonly kind: 'reopen' };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('put' as const), key, value }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('delete' as const), key, rangeEnd }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('txn' as const),
      puts: fc.uniqueArray(fc.tuple(key, value), { selector: ([first]) => first, maxLength: 4 }),
      guard: key,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('overwrite' as const), key, times: fc.integer({ min: 1, max: 40 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('compact' as const),
      at: fc.constantFrom('anywhere' as const, 'last tombstone' as const),
      fraction: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('slice' as const), rows: fc.integer({ min: 1, max: 20 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('startFlush' as const) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('sync' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reopen' as const) }) },
);

function query(overrides: Partial<RangeQuery>): RangeQuery {
  return {
    key: Uint8Array.of(0),
    rangeEnd: Uint8Array.of(0),
    limit: 0,
    revision: 0,
    sortOrder: 0,
    sortTarget: 0,
    keysOnly: false,
    countOnly: false,
    minModRevision: 0,
    maxModRevision: 0,
    minCreateRevision: 0,
    maxCreateRevision: 0,
    ...overrides,
  };
}

/** From "Latest is complete with every commit" to "far behind, and caught up row by row". */
const latestLimits = fc.record({
  rows: fc.integer({ min: 1, max: 8 }),
  bytes: fc.constantFrom(100, 1e9),
  commitsPerRound: fc.integer({ min: 1, max: 4 }),
  rowsPerCommitMin: fc.integer({ min: 1, max: 3 }),
  cacheBytes: fc.constantFrom(0, 1000, 1e9),
});

interface Rig {
  readonly latest: LatestLimits;
  readonly disk: SimulatedDisk;
  store: Store;
  readonly model: SlowModel;
  index: number;
}

function open(disk: SimulatedDisk, latest: LatestLimits): Store {
  const onFatal = (error: unknown): void => {
    throw error;
  };
  return openMvccStore(disk.open(), environment, {
    flushBytes: 1e9,
    flushVersions: 1e9,
    overlayBytesMax: 1e9,
    latest,
    onFatal,
  });
}

function put(putKey: string, putValue: string): PutRequest {
  return {
    key: bytesOf(putKey),
    value: bytesOf(putValue),
    lease: 0n,
    prevKv: false,
    ignoreValue: false,
    ignoreLease: false,
  };
}

const NO_OP: RequestOp = {
  requestRange: undefined,
  requestPut: undefined,
  requestDeleteRange: undefined,
  requestTxn: undefined,
};

/** Puts under the guard "the key exists"; otherwise deletes everything from the guard on. */
function txn(rig: Rig, puts: readonly (readonly [string, string])[], guard: string): void {
  const operands = {
    version: undefined,
    createRevision: 0,
    modRevision: undefined,
    value: undefined,
    lease: undefined,
  };
  rig.store.txn(
    {
      compare: [{ result: 1, target: 1, key: bytesOf(guard), rangeEnd: NONE, ...operands }],
      success: puts.map(([putKey, putValue]) => ({ ...NO_OP, requestPut: put(putKey, putValue) })),
      failure: [{ ...NO_OP, requestDeleteRange: { key: bytesOf(guard), rangeEnd: Uint8Array.of(0), prevKv: false } }],
    },
    hooks,
  );
  if (rig.model.at(guard, rig.model.revision) !== undefined)
    for (const [putKey, putValue] of puts) rig.model.put(putKey, putValue);
  else rig.model.deleteRange(guard, undefined);
}

function write(rig: Rig, current: Step): void {
  const { store, model } = rig;
  if (current.kind === 'put') {
    store.put(put(current.key, current.value), hooks);
    model.put(current.key, current.value);
  } else if (current.kind === 'delete') {
    const { key: from, rangeEnd: end } = current;
    const outcome = store.deleteRange({ key: bytesOf(from), rangeEnd: bytesOf(end), prevKv: false });
    const expected = end === '' ? model.delete(from) : model.deleteRange(from, end === '\0' ? undefined : end);
    expect(outcome.ok && outcome.value.response.deleted).toBe(expected);
  } else if (current.kind === 'txn') txn(rig, current.puts, current.guard);
  model.finish();
  rig.index++;
  rig.store.setApplied(rig.index, 1);
}

async function run(rig: Rig, current: Step): Promise<void> {
  const { store, model } = rig;
  switch (current.kind) {
    case 'put':
    case 'delete':
    case 'txn':
      return write(rig, current);
    case 'overwrite':
      for (let i = 0; i < current.times; i++) write(rig, { kind: 'put', key: current.key, value: String(i) });
      return;
    case 'compact': {
      const tombstone = model.versions.findLast((version) => version.value === undefined);
      const somewhere = Math.floor(current.fraction * (model.revision + 2));
      const revision = current.at === 'anywhere' ? somewhere : (tombstone?.revision ?? somewhere);
      const expected =
        revision <= model.compactRevision ? 'compacted' : revision > model.revision ? 'future-revision' : undefined;
      const outcome = store.compact(revision);
      expect(outcome.ok ? undefined : outcome.error).toBe(expected);
      if (outcome.ok) model.compactRevision = revision;
      store.setApplied(++rig.index, 1);
      return;
    }
    case 'slice':
      store.compactSlice(current.rows);
      return;
    case 'startFlush':
      store.startFlush();
      return;
    case 'sync':
      rig.disk.sync();
      await new Promise((resolve) => setImmediate(resolve));
      return;
    case 'reopen': {
      const flushed = store.flush();
      for (let i = 0; i < 3; i++) {
        rig.disk.sync();
        await new Promise((resolve) => setImmediate(resolve));
      }
      await flushed;
      expect(store.durable).toEqual({ index: rig.index, term: rig.index === 0 ? 0 : 1 });
      rig.disk.crash();
      rig.store = open(rig.disk, rig.latest);
      expect(rig.store.applied.index).toBe(rig.index);
    }
  }
}

/** A version as one line; equal lines, equal versions. */
function line(version: StoredVersion | ModelVersion | undefined): string {
  if (version === undefined) return 'none';
  const isModel = 'revision' in version;
  const text = (part: Uint8Array | string): string => (typeof part === 'string' ? part : environment.latin1(part));
  const place = isModel ? `${version.revision}.${version.sub}` : `${version.modRevision}.${version.sub}`;
  const isDelete = isModel ? version.value === undefined : version.isDelete;
  const name = text(version.key).replaceAll(LONG, 'LONG');
  return `${place} ${name}${isDelete ? ' deleted' : `=${text(version.value ?? '')}`} created ${version.createRevision} version ${version.version}`;
}

const REVISIONS_COMPARED = 16;

/** Every answer, at up to 16 readable revisions, among them the oldest. */
function compareAll({ store, model }: Rig): void {
  expect([store.revision, store.compactRevision]).toEqual([model.revision, model.compactRevision]);
  const first = Math.max(model.compactRevision, 1);
  const stride = Math.ceil((model.revision - first + 1) / REVISIONS_COMPARED);
  for (let revision = first; revision <= model.revision; revision += stride) {
    const outcome = store.range(query({ revision }));
    const expected = model.range('', undefined, revision);
    expect(outcome.ok && outcome.value.kvs.map((kv) => line(kv as StoredVersion))).toEqual(expected.map(line));
    const middle = store.range(query({ key: bytesOf('b'), rangeEnd: bytesOf(MIDDLE_END), revision, limit: 2 }));
    const within = model.range('b', MIDDLE_END, revision);
    expect(middle).toMatchObject({ ok: true, value: { count: within.length, more: within.length > 2 } });
    for (const one of KEYS) expect(line(store.versionAt(bytesOf(one), revision))).toBe(line(model.at(one, revision)));
  }
  const below = store.range(query({ revision: Math.max(model.compactRevision - 1, 0) }));
  if (model.compactRevision > 1) expect(below).toEqual({ ok: false, error: 'compacted' });
  expect(store.range(query({ revision: model.revision + 1 }))).toEqual({ ok: false, error: 'future-revision' });
  compareHistory({ store, model } as Rig);
}

/** What a watch from any readable revision on would see, with the values before. */
function compareHistory({ store, model }: Rig): void {
  const from = Math.max(model.compactRevision, 0);
  const seen: StoredVersion[] = [];
  // Below the compact revision nothing is asked for; at it, tombstones must still be there.
  for (let next = from; next <= model.revision; ) {
    const slice = store.history(next, model.revision, 100);
    expect(slice.next).toBeGreaterThan(next);
    for (const { versions } of slice.revisions) seen.push(...versions);
    next = slice.next;
  }
  expect(seen.map(line)).toEqual(model.versions.filter(({ revision }) => revision >= from).map(line));
  for (const version of seen) {
    const before = version.modRevision - 1;
    const expected = before < model.compactRevision ? undefined : model.at(environment.latin1(version.key), before);
    expect(line(store.previousOf(version))).toBe(line(expected));
  }
}

/** A clean end, after which Latest is complete. */
async function close(rig: Rig): Promise<void> {
  let closed = false;
  const closing = rig.store.close().then(() => {
    closed = true;
  });
  while (!closed) {
    rig.disk.sync();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await closing;
}

async function finishCompaction(rig: Rig): Promise<void> {
  while (!rig.store.compactSlice(3)) await run(rig, { kind: 'sync' });
  await close(rig);
  rig.store = open(rig.disk, rig.latest);
  expect(rig.store.isCompacting).toBe(false);
}

/** Of what is readable no more, nothing is left on the disk. */
function compareRemains({ disk, store, model }: Rig): void {
  const { compactRevision } = model;
  const kept = model.versions.filter((version) => {
    if (version.revision > compactRevision) return true;
    const successor = model.versions.find(
      ({ key: other, revision, sub }) =>
        other === version.key && (revision > version.revision || (revision === version.revision && sub > version.sub)),
    );
    if (successor !== undefined && successor.revision <= compactRevision) return false;
    return version.value !== undefined || version.revision === compactRevision;
  });
  const found = store.history(0, model.revision, 1e9).revisions.flatMap((revision) => revision.versions);
  expect(found.map(line)).toEqual(kept.map(line));
  const last = new Map(kept.map((version) => [version.key, version]));
  const isTooLong = (name: string): boolean => name.length > 1900;
  const engine = disk.open();
  const rows = { short: 0, long: 0, markers: 0 };
  for (const table of [Table.Latest, Table.Long]) {
    for (const cursor = engine.scan(table, {}); cursor.next(); ) {
      const rest = cursor.key.length - (table === Table.Long ? 8 : 0);
      rows[rest > 1900 ? 'markers' : table === Table.Long ? 'long' : 'short']++;
    }
  }
  const names = [...last.keys()];
  expect([rows.short, rows.long]).toEqual([
    names.filter((name) => !isTooLong(name)).length,
    names.filter(isTooLong).length,
  ]);
  if (rows.long === 0) expect(rows.markers).toBe(0);
}

test('answers as the slow model does, through flushes, compactions and crashes', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 60, size: 'max' }),
      latestLimits,
      async (steps, latest) => {
        const disk = new SimulatedDisk();
        disk.autoSync = false;
        const rig: Rig = { latest, disk, store: open(disk, latest), model: new SlowModel(), index: 0 };
        for (const current of steps) await run(rig, current);
        compareAll(rig);
        await run(rig, { kind: 'reopen' });
        compareAll(rig);
        await finishCompaction(rig);
        compareAll(rig);
        compareRemains(rig);
      },
    ),
    { numRuns: 60 },
  );
}, 60_000);

test('a crash leaves exactly what was applied up to the durable index', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 40, size: 'max' }),
      fc.infiniteStream(fc.boolean()),
      latestLimits,
      async (steps, syncs, latest) => {
        const disk = new SimulatedDisk();
        disk.autoSync = false;
        const rig: Rig = { latest, disk, store: open(disk, latest), model: new SlowModel(), index: 0 };
        // The model at each index, as its lists of versions only grow.
        const marks = [{ revision: 1, compactRevision: -1, versions: 0 }];
        for (const current of steps) {
          if (current.kind === 'reopen' || current.kind === 'overwrite') continue;
          await run(rig, current);
          marks[rig.index] = {
            revision: rig.model.revision,
            compactRevision: rig.model.compactRevision,
            versions: rig.model.versions.length,
          };
          rig.store.startFlush();
          if (syncs.next().value) await run(rig, { kind: 'sync' });
        }
        const { index } = rig.store.durable;
        disk.crash();
        rig.store = open(disk, latest);
        expect(rig.store.applied.index).toBe(index);
        const mark = marks[index];
        if (mark === undefined) throw new Error('each index has a mark');
        rig.model.revision = mark.revision;
        rig.model.compactRevision = mark.compactRevision;
        rig.model.versions.length = mark.versions;
        compareAll(rig);
      },
    ),
    { numRuns: 150 },
  );
}, 60_000);
