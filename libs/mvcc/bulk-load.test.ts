import fc from 'fast-check';
import { BulkLoader } from './bulk-load';
import { openMvccStore } from './mvcc-store';
import { plainEnvironment } from './plain-environment';
import { SimulatedDisk } from './simulated-engine';
import { bytesOf, putRequest, rangeQuery, StoreFixture, textOf } from './store-fixture';
import type { RevisionPlace, Store, StoredVersion } from './types';

const LATEST = { rows: 5, bytes: 1e9, commitsPerRound: 3, rowsPerCommitMin: 1, cacheBytes: 1000 };

function openOn(disk: SimulatedDisk): Store {
  return openMvccStore(disk.open(), plainEnvironment, {
    flushBytes: 1e9,
    flushVersions: 1e9,
    overlayBytesMax: 1e9,
    latest: LATEST,
    onFatal: (error) => {
      throw error;
    },
  });
}

function stored(store: Store, bytesMax: number): StoredVersion[] {
  const all: StoredVersion[] = [];
  let from: RevisionPlace | undefined = { main: 0, sub: 0 };
  while (from !== undefined) {
    const slice = store.versionSlice(from, store.revision, bytesMax);
    all.push(...slice.versions);
    from = slice.next;
  }
  return all;
}

/** Copies what is stored into a new store. */
async function copy(store: Store, bytesMax = 100): Promise<Store> {
  const disk = new SimulatedDisk();
  const loader = new BulkLoader(disk.open(), plainEnvironment, LATEST);
  let last = 0;
  for (const [at, version] of stored(store, bytesMax).entries()) {
    if (at % 5 > 2 && version.modRevision > last) await loader.flush();
    last = version.modRevision;
    loader.append({ ...fields(version), main: version.modRevision });
  }
  await loader.finish(store.revision, store.compactRevision);
  const loaded = openOn(disk);
  while (!loaded.compactSlice(100)) await loaded.flush();
  await loaded.flush();
  return loaded;
}

function fields({ key, value, lease, createRevision, version, sub, isDelete }: StoredVersion) {
  return { key, value, lease, createRevision, version, sub, isDelete };
}

/** All that a client can see: keys at each revision, events with what they replaced, hashes. */
async function visible(store: Store): Promise<unknown> {
  const first = Math.max(1, store.compactRevision);
  const at: unknown[] = [];
  for (let revision = first; revision <= store.revision; revision++) {
    const found = store.range(rangeQuery({ key: '\0', rangeEnd: '\0', revision }));
    at.push(found.ok ? found.value.kvs.map(plain) : found.error);
  }
  const events = store.history(first, store.revision, 1e9).revisions.map(({ revision, versions }) => ({
    revision,
    versions: versions.map((version) => [
      plain(version),
      version.isDelete,
      textOf(store.previousOf(version)?.value ?? bytesOf('')),
    ]),
  }));
  const hash = await store.hashKv(0, () => Promise.resolve());
  return { revision: store.revision, compacted: store.compactRevision, at, events, hash };
}

function plain({
  key,
  value,
  createRevision,
  modRevision,
  version,
  lease,
}:
  | Omit<StoredVersion, 'sub'>
  | {
      key: Uint8Array;
      value: Uint8Array;
      createRevision: number;
      modRevision: number;
      version: number;
      lease: bigint;
    }): unknown {
  return [textOf(key), textOf(value), createRevision, modRevision, version, lease];
}

type Step =
  | { readonly do: 'put'; readonly key: string; readonly value: string; readonly lease: bigint }
  | { readonly do: 'delete'; readonly key: string; readonly rangeEnd: string }
  | { readonly do: 'compact'; readonly back: number; readonly slices: number };

const key = fc.constantFrom('a', 'b', 'c', 'd', 'k'.repeat(2_500), `${'k'.repeat(2_500)}x`);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('put' as const),
      key,
      value: fc.string({ maxLength: 5 }),
      lease: fc.bigInt(0n, 3n),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('delete' as const), key, rangeEnd: fc.constantFrom('', '\0') }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('compact' as const), back: fc.nat(5), slices: fc.nat(3) }) },
);

async function run(steps: readonly Step[]): Promise<StoreFixture> {
  const fixture = new StoreFixture();
  for (const each of steps) {
    if (each.do === 'put') fixture.put(each.key, each.value, { lease: each.lease });
    else if (each.do === 'delete') fixture.delete(each.key, each.rangeEnd);
    else {
      const revision = fixture.store.revision - each.back;
      if (revision > Math.max(1, fixture.store.compactRevision)) fixture.compact(revision);
      // Deleting may be left half done, or not be begun.
      for (let slice = 0; slice < each.slices; slice++) {
        fixture.store.compactSlice(3);
        await fixture.store.flush();
      }
    }
  }
  return fixture;
}

describe('a bulk load', () => {
  test('of what a store holds gives a store that answers the same, however far its compaction has come', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.constantFrom(1, 100, 1e9), async (steps, bytesMax) => {
        const { store } = await run(steps);
        const loaded = await copy(store, bytesMax);
        expect(await visible(loaded)).toEqual(await visible(store));
        expect(loaded.applied).toEqual({ index: 0, term: 0 });
      }),
      { numRuns: 150 },
    );
  }, 60_000);

  test('takes a deletion whose key has no version left', async () => {
    const disk = new SimulatedDisk();
    const loader = new BulkLoader(disk.open(), plainEnvironment, LATEST);
    const nothing = { value: bytesOf(''), lease: 0n, createRevision: 0, version: 0 };
    loader.append({ main: 5, sub: 0, isDelete: true, key: bytesOf('gone'), ...nothing });
    await loader.finish(5, 5);
    const store = openOn(disk);
    expect(store.latest(bytesOf('gone'))).toBeUndefined();
    expect(store.history(5, 5, 1e9).revisions[0]?.versions[0]?.isDelete).toBe(true);
    const put = store.put(putRequest('gone', 'back'), { leaseExists: () => false });
    expect(put.ok && put.value.made?.changes[0]?.version.version).toBe(1);
  });

  test('gives the version before, so that the caller can follow leases', () => {
    const loader = new BulkLoader(new SimulatedDisk().open(), plainEnvironment, LATEST);
    const put = { isDelete: false, key: bytesOf('k'), value: bytesOf('v'), createRevision: 2 };
    expect(loader.append({ ...put, main: 2, sub: 0, version: 1, lease: 7n })).toBeUndefined();
    expect(loader.append({ ...put, main: 3, sub: 0, version: 2, lease: 0n })?.lease).toBe(7n);
  });

  test('refuses versions out of order, and an engine that is not empty', async () => {
    const disk = new SimulatedDisk();
    const loader = new BulkLoader(disk.open(), plainEnvironment, LATEST);
    const put = { isDelete: false, key: bytesOf('k'), value: bytesOf('v'), lease: 0n, createRevision: 2, version: 1 };
    loader.append({ ...put, main: 2, sub: 1 });
    expect(() => loader.append({ ...put, main: 2, sub: 1 })).toThrow('in order');
    await loader.finish(2, -1);
    expect(() => new BulkLoader(disk.open(), plainEnvironment, LATEST)).toThrow('empty engine');
  });
});
