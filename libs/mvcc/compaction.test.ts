import type { SimulatedDisk } from './simulated-engine';
import { op, StoreFixture } from './store-fixture';
import { Table } from './engine';

describe('compaction', () => {
  test('keeps the newest version up to the compact revision and everything after it', async () => {
    const fixture = new StoreFixture();
    for (const value of ['1', '2', '3', '4']) fixture.put('a', value); // revisions 2 to 5
    fixture.compact(4);
    expect([fixture.at(3), fixture.at(4), fixture.at(5)]).toEqual(['compacted', 'a=3', 'a=4']);
    await fixture.finishCompaction();
    expect([fixture.at(3), fixture.at(4), fixture.at(5)]).toEqual(['compacted', 'a=3', 'a=4']);
    expect(fixture.history(0)).toEqual(['4 a=3', '5 a=4']);
  });

  test('answers the same before, during and after physical deletion', async () => {
    const fixture = new StoreFixture();
    for (let i = 0; i < 60; i++) fixture.put(`k${i % 7}`, String(i));
    fixture.delete('k3');
    fixture.compact(50);
    const before = Array.from({ length: 13 }, (_, i) => fixture.at(50 + i));
    while (!fixture.store.compactSlice(4)) {
      await fixture.store.flush();
      expect(Array.from({ length: 13 }, (_, i) => fixture.at(50 + i))).toEqual(before);
    }
    await fixture.store.flush();
    expect(Array.from({ length: 13 }, (_, i) => fixture.at(50 + i))).toEqual(before);
  });

  test('refuses a revision that is compacted already and one of the future', () => {
    const { store } = new StoreFixture();
    expect(store.compact(2)).toEqual({ ok: false, error: 'future-revision' });
    expect(store.compact(1)).toEqual({ ok: true, value: undefined });
    expect(store.compact(1)).toEqual({ ok: false, error: 'compacted' });
    expect(store.compact(0)).toEqual({ ok: false, error: 'compacted' });
  });

  // etcd #18089, #19179: the delete event was lost when the compaction was at its revision.
  test('a tombstone exactly at the compact revision stays, so that a watch from there sees the delete', async () => {
    const fixture = new StoreFixture();
    fixture.put('a', '1'); // 2
    fixture.delete('a'); // 3
    fixture.put('b', '1'); // 4
    fixture.compact(3);
    await fixture.finishCompaction();
    expect(fixture.history(3)).toEqual(['3 a deleted', '4 b=1']);
    fixture.compact(4);
    await fixture.finishCompaction();
    expect(fixture.history(0)).toEqual(['4 b=1']);
    expect(rowCount(fixture.disk, Table.Latest)).toBe(1);
  });

  test('a second compaction deletes the tombstones that the walk of the first has passed at its revision', async () => {
    const fixture = new StoreFixture();
    fixture.put('a', '1'); // 2
    fixture.put('b', '1'); // 3
    // Both in revision 4: the walk stops between the two tombstones.
    fixture.delete('a', 'c');
    fixture.put('c', '1'); // 5
    fixture.compact(4);
    expect(fixture.store.compactSlice(3)).toBe(false);
    fixture.compact(5);
    await fixture.finishCompaction();
    expect(fixture.history(0)).toEqual(['5 c=1']);
  });

  test('a tombstone that is made, compacted and deleted between two commits leaves no row', async () => {
    const fixture = new StoreFixture();
    fixture.put('a', '1'); // 2
    await fixture.store.flush();
    fixture.delete('a'); // 3
    fixture.put('b', '1'); // 4
    fixture.compact(4);
    await fixture.finishCompaction();
    expect([rowCount(fixture.disk, Table.Latest), fixture.history(0)]).toEqual([1, ['4 b=1']]);
  });

  test('a key that is made anew over a compacted tombstone is stored the same whether that was deleted yet or not', async () => {
    const rows = async (finishFirst: boolean): Promise<Uint8Array | undefined> => {
      const fixture = new StoreFixture();
      fixture.put('a', '1');
      fixture.delete('a');
      fixture.put('b', '1');
      fixture.compact(4);
      if (finishFirst) await fixture.finishCompaction();
      fixture.put('a', '2');
      await fixture.store.flush();
      return fixture.disk.open().get(Table.Latest, Uint8Array.of(0x61));
    };
    expect(await rows(true)).toEqual(await rows(false));
  });

  test('goes on after a crash where it was', async () => {
    const fixture = new StoreFixture();
    for (let i = 0; i < 100; i++) fixture.put('a', String(i));
    fixture.compact(101);
    fixture.store.compactSlice(30);
    await fixture.store.flush();
    fixture.store.compactSlice(30);
    fixture.crash();
    expect([fixture.store.compactRevision, fixture.store.isCompacting]).toEqual([101, true]);
    expect(fixture.history(0)).toHaveLength(71);
    await fixture.finishCompaction();
    expect(fixture.history(0)).toEqual(['101 a=99']);
  });

  test('after a crash at any slice of a compaction the revision is that of what is there, and the next write goes on from it', async () => {
    for (let slices = 0; slices < 16; slices++) {
      const fixture = new StoreFixture();
      for (let i = 0; i < 30; i++) fixture.put(`k${i % 4}`, String(i));
      fixture.delete('k', 'l');
      fixture.compact(fixture.store.revision);
      for (let slice = 0; slice < slices; slice++) {
        fixture.store.compactSlice(3);
        if (slice % 3 === 1) fixture.put('late', String(slice));
        await fixture.store.flush();
      }
      await fixture.store.flush();
      const durable = { revision: fixture.store.revision, index: fixture.store.applied.index, keys: fixture.at(0) };
      fixture.put('late', 'lost');
      fixture.store.compactSlice(3);
      fixture.crash();
      const { revision, applied } = fixture.store;
      expect({ revision, index: applied.index, keys: fixture.at(0) }).toEqual(durable);
      fixture.put('next', '1');
      expect(fixture.history(durable.revision + 1)).toEqual([`${durable.revision + 1} next=1`]);
    }
  });

  // etcd #17780: the revision went back when the last write had been compacted away before a crash.
  test('the revision does not go back after a crash when the newest revision left nothing behind', async () => {
    const fixture = new StoreFixture();
    fixture.put('a', '1'); // 2
    fixture.delete('a'); // 3
    fixture.put('b', '1'); // 4
    fixture.delete('b'); // 5
    fixture.compact(5);
    await fixture.finishCompaction();
    fixture.crash();
    expect([fixture.store.revision, fixture.at(0)]).toEqual([5, '']);
  });

  // etcd #18667
  test('a transaction with a range at a compacted revision fails as a whole, before anything changes', () => {
    const fixture = new StoreFixture();
    for (const value of ['1', '2', '3']) fixture.put('a', value);
    fixture.compact(3);
    const outcome = fixture.store.txn(
      { compare: [], success: [op.put('b', '1'), op.range({ key: 'a', revision: 2 })], failure: [] },
      fixture.hooks,
    );
    expect(outcome).toEqual({ ok: false, error: 'compacted' });
    expect([fixture.store.revision, fixture.at(0)]).toEqual([4, 'a=3']);
  });
});

function rowCount(disk: SimulatedDisk, table: Table): number {
  const rows = disk.open().scan(table, {});
  let count = 0;
  while (rows.next()) count++;
  return count;
}
