import fc from 'fast-check';
import { copyBytes } from './bytes';
import { type Engine, Table } from './engine';
import { CorruptionError } from './environment';
import { openMvccStore } from './mvcc-store';
import { plainEnvironment } from './plain-environment';
import { encodeState, EMPTY_STATE, NewerFormatError, SCHEMA_VERSION, sealSmall, STATE_KEY } from './schema';
import { SimulatedDisk } from './simulated-engine';
import { bytesOf, rangeQuery, StoreFixture } from './store-fixture';
import type { Store } from './types';

function open(engine: Engine): Store {
  const onFatal = (error: unknown): void => {
    throw error;
  };
  return openMvccStore(engine, plainEnvironment, {
    flushBytes: 1e9,
    flushVersions: 1e9,
    overlayBytesMax: 1e9,
    latest: { rows: 1, bytes: 1e9, commitsPerRound: 1, rowsPerCommitMin: 1, cacheBytes: 1000 },
    onFatal,
  });
}

/** A disk with a few versions on it, one of whose rows gets one bit turned over. */
async function damaged(table: Table, bit: number): Promise<Engine> {
  const fixture = new StoreFixture();
  for (const value of ['1', '2', '3']) fixture.put('a', `value ${value}`, { lease: 5n });
  fixture.store.table('meta').put(bytesOf('k'), bytesOf('v'));
  fixture.put('b', 'x');
  await fixture.store.flush();
  const engine = fixture.disk.open();
  const rows = engine.scan(table, {});
  rows.next();
  const value = copyBytes(rows.value);
  const byte = Math.floor(bit / 8) % value.length;
  value[byte] = (value[byte] as number) ^ (1 << (bit % 8));
  const batch = engine.batch();
  batch.put(table, rows.key, value);
  await batch.commit();
  return engine;
}

test.each([
  ['a last version', Table.Latest, (store: Store) => store.range(rangeQuery({ key: 'a' }))],
  [
    'a last version in a scan',
    Table.Latest,
    (store: Store) => store.range(rangeQuery({ key: 'a', rangeEnd: '\0', sortOrder: 2 })),
  ],
  ['history', Table.History, (store: Store) => store.history(2, 9, 1e9)],
])('a turned bit in %s is named as corruption', async (_name, table, read) => {
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: 2000 }), async (bit) => {
      const store = open(await damaged(table, bit));
      expect(() => read(store)).toThrow(CorruptionError);
    }),
  );
});

test('a turned bit in the state row keeps the store from opening', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: 500 }), async (bit) => {
      const engine = await damaged(Table.Small, bit);
      expect(() => open(engine)).toThrow(CorruptionError);
    }),
  );
});

test('a turned bit in a small table is named as corruption', async () => {
  const fixture = new StoreFixture();
  fixture.store.table('lease').put(bytesOf('k'), bytesOf('v'));
  fixture.put('a', '');
  await fixture.store.flush();
  const engine = fixture.disk.open();
  const batch = engine.batch();
  const key = Uint8Array.of(1, ...bytesOf('k'));
  batch.put(Table.Small, key, sealSmall(key, bytesOf('w'), plainEnvironment).fill(0, 0, 1));
  await batch.commit();
  expect(() => open(engine).table('lease').get(bytesOf('k'))).toThrow(CorruptionError);
  expect(() => open(engine).table('lease').scan()).toThrow(CorruptionError);
});

test('a version that is missing from history is named as corruption', async () => {
  const fixture = new StoreFixture();
  for (const value of ['1', '2', '3']) fixture.put('a', value);
  await fixture.store.flush();
  const engine = fixture.disk.open();
  const rows = engine.scan(Table.History, {});
  const batch = engine.batch();
  while (rows.next()) batch.delete(Table.History, rows.key);
  await batch.commit();
  expect(() => open(engine).range(rangeQuery({ key: 'a', revision: 2 }))).toThrow(
    'version 3.0 is missing from history',
  );
});

test('a store of a later format version is refused by name', async () => {
  const disk = new SimulatedDisk();
  const engine = disk.open();
  const state = encodeState(EMPTY_STATE);
  state[0] = SCHEMA_VERSION + 1;
  const batch = engine.batch();
  batch.put(Table.Small, STATE_KEY, sealSmall(STATE_KEY, state, plainEnvironment));
  await batch.commit();
  expect(() => open(engine)).toThrow(NewerFormatError);
});
