import type { Engine } from './engine';
import { openMvccStore } from './mvcc-store';
import { plainEnvironment } from './plain-environment';
import { SimulatedDisk } from './simulated-engine';
import { bytesOf, putRequest, StoreFixture, textOf } from './store-fixture';

const pause = (): Promise<void> => Promise.resolve();

describe('small tables', () => {
  test('are read through the overlay, scanned in order and kept apart', async () => {
    const fixture = new StoreFixture();
    const lease = fixture.store.table('lease');
    const rows = (start?: string, end?: string): string =>
      lease
        .scan(start === undefined ? undefined : bytesOf(start), end === undefined ? undefined : bytesOf(end))
        .map(([key, value]) => `${textOf(key)}=${textOf(value)}`)
        .join(' ');
    lease.put(bytesOf('b'), bytesOf('1'));
    lease.put(bytesOf('d'), bytesOf('1'));
    fixture.store.table('leaseKeys').put(bytesOf('b'), bytesOf('other'));
    fixture.applied(undefined);
    await fixture.store.flush();
    lease.put(bytesOf('a'), bytesOf('2'));
    lease.put(bytesOf('d'), bytesOf('2'));
    fixture.applied(undefined);
    fixture.store.startFlush();
    lease.put(bytesOf('c'), bytesOf('3'));
    lease.delete(bytesOf('b'));
    fixture.applied(undefined);
    expect(rows()).toBe('a=2 c=3 d=2');
    expect(rows('b', 'd')).toBe('c=3');
    expect(rows('d', 'b')).toBe('');
    expect([lease.get(bytesOf('b')), lease.get(bytesOf('d'))]).toEqual([undefined, bytesOf('2')]);
    await fixture.store.flush();
    fixture.crash();
    expect(
      fixture.store
        .table('lease')
        .scan()
        .map(([key]) => textOf(key)),
    ).toEqual(['a', 'c', 'd']);
  });

  test('keep a copy of what they are given', () => {
    const fixture = new StoreFixture();
    const value = bytesOf('1');
    fixture.store.table('meta').put(bytesOf('k'), value);
    value[0] = 0;
    expect(fixture.store.table('meta').get(bytesOf('k'))).toEqual(bytesOf('1'));
  });
});

describe('commits', () => {
  test('durable follows applied only when the commit has resolved, with the index of its start', async () => {
    const fixture = new StoreFixture();
    fixture.disk.autoSync = false;
    fixture.put('a', '1');
    fixture.store.startFlush();
    fixture.put('a', '2');
    expect([fixture.store.applied.index, fixture.store.durable.index]).toEqual([2, 0]);
    fixture.disk.sync();
    await new Promise((resolve) => setImmediate(resolve));
    expect(fixture.store.durable.index).toBe(1);
    fixture.crash();
    expect([fixture.store.applied.index, fixture.at(0)]).toEqual([1, 'a=1']);
  });

  test('repeated writes of a key within a generation are one row', async () => {
    const fixture = new StoreFixture();
    for (let i = 0; i < 100; i++) fixture.put('a', String(i));
    await fixture.store.flush();
    // The key, one block of history, the state.
    expect(fixture.disk.counters).toMatchObject({ commits: 1, puts: 3, deletes: 0 });
  });

  test('never cut an entry in two', () => {
    const fixture = new StoreFixture();
    fixture.put('a', '1');
    fixture.store.put(putRequest('b', '1'), fixture.hooks);
    fixture.store.startFlush();
    expect(fixture.disk.counters.commits).toBe(0);
    fixture.applied(undefined);
    fixture.store.startFlush();
    expect(fixture.disk.counters.commits).toBe(1);
  });

  test('an applied index that goes down is a broken invariant', () => {
    const { store } = new StoreFixture();
    store.setApplied(5, 1);
    expect(() => store.setApplied(4, 1)).toThrow(/applied position goes up/);
    expect(() => store.setApplied(6, 0)).toThrow(/applied position goes up/);
  });

  test('nothing to commit, nothing committed', async () => {
    const fixture = new StoreFixture();
    await fixture.store.flush();
    fixture.store.startFlush();
    expect(fixture.disk.counters.commits).toBe(0);
  });
});

describe('hashKv', () => {
  function filled(): StoreFixture {
    const fixture = new StoreFixture();
    for (let i = 0; i < 30; i++) fixture.put(`k${i % 4}`, String(i));
    fixture.delete('k1');
    fixture.put('k1', 'again', { lease: 9n });
    return fixture;
  }

  test('is the same whatever has been committed and deleted physically', async () => {
    const one = filled();
    one.compact(20);
    const other = filled();
    await other.store.flush();
    other.compact(10);
    await other.finishCompaction();
    other.compact(20);
    await other.finishCompaction();
    for (const revision of [20, 25, 0]) {
      const hash = await one.store.hashKv(revision, pause);
      expect(hash).toMatchObject({
        ok: true,
        value: { compactRevision: 20, hashRevision: revision || one.store.revision },
      });
      expect(await other.store.hashKv(revision, pause)).toEqual(hash);
    }
  });

  test('differs when one byte differs', async () => {
    const one = filled();
    const other = filled();
    one.put('z', 'a');
    other.put('z', 'b');
    expect(await one.store.hashKv(0, pause)).not.toEqual(await other.store.hashKv(0, pause));
  });

  test('refuses what is compacted or in the future', async () => {
    const fixture = filled();
    fixture.compact(20);
    expect(await fixture.store.hashKv(19, pause)).toEqual({ ok: false, error: 'compacted' });
    expect(await fixture.store.hashKv(99, pause)).toEqual({ ok: false, error: 'future-revision' });
  });

  test('is what etcd 3.4.23 answers for the same history', async () => {
    // Puts foo=bar, foo=baz, x=1, then deletes x: revisions 2 to 5.
    const fixture = new StoreFixture();
    fixture.put('foo', 'bar');
    fixture.put('foo', 'baz');
    fixture.put('x', '1');
    fixture.delete('x');
    expect(await fixture.store.hashKv(0, pause)).toEqual({
      ok: true,
      value: { hash: ETCD_HASH, compactRevision: -1, hashRevision: 5 },
    });
    fixture.compact(4);
    expect(await fixture.store.hashKv(0, pause)).toMatchObject({
      value: { hash: ETCD_HASH_COMPACTED, compactRevision: 4 },
    });
  });
});

const ETCD_HASH = 629404502;
const ETCD_HASH_COMPACTED = 1275009229;

describe('a disk that does not keep up or fails', () => {
  const latest = { rows: 1, bytes: 1e9, commitsPerRound: 1, rowsPerCommitMin: 1, cacheBytes: 1000 };
  const noTimer = { flushBytes: 1000, flushVersions: 1e9, overlayBytesMax: 3000, latest };

  test('makes the store overloaded until enough is durable', async () => {
    const disk = new SimulatedDisk();
    disk.autoSync = false;
    const store = openMvccStore(disk.open(), plainEnvironment, { ...noTimer, onFatal: () => undefined });
    let index = 0;
    while (!store.overloaded) {
      store.put(putRequest(`k${index}`, 'v'), { leaseExists: () => false });
      store.setApplied(++index, 1);
    }
    let isWritable = false;
    const writable = store.whenWritable().then(() => {
      isWritable = true;
    });
    await new Promise(setImmediate);
    expect(isWritable).toBe(false);
    disk.autoSync = true;
    disk.sync();
    await writable;
    await store.flush();
    expect([store.overloaded, store.durable.index]).toEqual([false, index]);
  });

  test('a commit that fails is reported once, fails whoever waits, and is not tried again', async () => {
    const engine = new SimulatedDisk().open();
    let commits = 0;
    const failing: Engine = {
      get: (table, key) => engine.get(table, key),
      scan: (table, range) => engine.scan(table, range),
      sizes: () => engine.sizes(),
      close: () => engine.close(),
      batch: () => ({
        put: () => undefined,
        append: () => undefined,
        delete: () => undefined,
        commit: () => Promise.reject(new Error(`disk full ${++commits}`)),
      }),
    };
    const fatal: unknown[] = [];
    const store = openMvccStore(failing, plainEnvironment, { ...noTimer, onFatal: (error) => fatal.push(error) });
    store.put(putRequest('a', '1'), { leaseExists: () => false });
    store.setApplied(1, 1);
    await expect(store.flush()).rejects.toThrow('disk full 1');
    store.put(putRequest('b', '1'), { leaseExists: () => false });
    store.setApplied(2, 1);
    store.startFlush();
    await expect(store.flush()).rejects.toThrow('disk full 1');
    expect([fatal.length, commits, store.durable.index]).toEqual([1, 1, 0]);
  });
});
