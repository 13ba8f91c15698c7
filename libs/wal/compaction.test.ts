import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LogEntry } from '../raft';
import { createDirectoryDisk } from './directory-disk';
import type { WalDisk } from './disk';
import { MemoryDisk } from './testing/memory-disk';
import { bootstrapOfThree, entries, entry, hardState, walOptions } from './testing/wal-options';
import { Wal } from './wal';

const SMALL = { segmentBytes: 8192, firstSegmentBytes: 8192, cacheBytes: 1, readBackBytes: 1 };
let ready = 0;

async function newWal(disk: WalDisk): Promise<Wal> {
  const wal = new Wal(walOptions(disk, SMALL));
  await wal.bootstrap(bootstrapOfThree);
  return wal;
}

async function append(wal: Wal, run: readonly LogEntry[], snapshot?: number): Promise<void> {
  ready += 1;
  const number = ready;
  const conf = bootstrapOfThree.configuration.conf;
  await new Promise<void>((resolve) => {
    wal.onPersisted = (done) => {
      if (done >= number) resolve();
    };
    wal.append({
      number,
      mustSync: true,
      entries: run,
      hardState: hardState(1, 3),
      snapshot: snapshot === undefined ? undefined : { index: snapshot, term: 1, conf },
    });
  });
  // The next segment is prepared behind the sync.
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** Appends entries of a kilobyte up to `last`, each in a write of its own. */
async function fill(wal: Wal, last: number): Promise<void> {
  while (wal.lastIndex < last) await append(wal, [entry(wal.lastIndex + 1, 1, 1000)]);
}

async function read(wal: Wal, index: number): Promise<LogEntry | undefined> {
  for (;;) {
    const found = wal.entries(index, index + 1, 1);
    if (found !== undefined) return found[0];
    await new Promise<void>((resolve) => {
      wal.onLoaded = resolve;
    });
  }
}

async function removed(wal: Wal): Promise<void> {
  while (wal.firstIndexAfterCompaction(wal.firstIndex - 1) === undefined && (wal as unknown as Removing).removing)
    await (wal as unknown as Removing).removing;
}
interface Removing {
  readonly removing: Promise<void> | undefined;
}

test('whole segments go once the index has passed them, and never a part of one', async () => {
  const disk = new MemoryDisk();
  const wal = await newWal(disk);
  await fill(wal, 40);
  const before = disk.files.size;
  wal.compact(3);
  expect([wal.firstIndex, disk.files.size]).toEqual([1, before]);
  wal.compact(20);
  await removed(wal);
  expect(wal.firstIndex).toBeGreaterThan(5);
  expect(wal.firstIndex).toBeLessThanOrEqual(21);
  expect(disk.files.size).toBeLessThan(before);
  expect([wal.term(wal.firstIndex - 1), wal.term(wal.firstIndex - 2)]).toEqual([1, undefined]);
  expect((await read(wal, wal.firstIndex))?.index).toBe(wal.firstIndex);
});

test('a WAL whose old segments are gone opens as it was', async () => {
  const disk = new MemoryDisk();
  const wal = await newWal(disk);
  await fill(wal, 40);
  wal.compact(30);
  await removed(wal);
  disk.crash(() => false);
  const again = new Wal(walOptions(disk, SMALL));
  expect([again.firstIndex, again.lastIndex]).toEqual([wal.firstIndex, 40]);
  expect(again.term(again.firstIndex - 1)).toBe(1);
  expect(again.recovered?.configuration.conf).toEqual(bootstrapOfThree.configuration.conf);
  expect(again.recovered?.hardState.term).toBe(1);
  for (let index = again.firstIndex; index <= 40; index += 1) {
    expect((await read(again, index))?.data).toEqual(entry(index, 1, 1000).data);
  }
  await fill(again, 60);
  expect(again.lastIndex).toBe(60);
});

test('the segment before one that no sync has finished in stays, since it may be the only copy of the vote', async () => {
  const disk = new MemoryDisk();
  const wal = await newWal(disk);
  await fill(wal, 6);
  disk.holdSyncs = true;
  const segments = disk.files.size;
  // Fills the segment and begins the next one with a write that does not end.
  ready += 1;
  wal.append({
    number: ready,
    mustSync: true,
    entries: [entry(7, 1, 8000)],
    hardState: undefined,
    snapshot: undefined,
  });
  wal.compact(6);
  expect([wal.firstIndex, disk.files.size]).toEqual([1, segments]);
  disk.crash(() => false);
  expect(new Wal(walOptions(disk, SMALL)).lastIndex).toBe(6);
});

test('segments before a snapshot record go with it, and the log begins behind it after opening', async () => {
  const disk = new MemoryDisk();
  const wal = await newWal(disk);
  await fill(wal, 20);
  await append(wal, [], 500);
  expect([wal.firstIndex, wal.lastIndex]).toEqual([501, 500]);
  await fill(wal, 540);
  wal.compact(530);
  await removed(wal);
  expect(wal.firstIndex).toBeGreaterThan(501);
  const again = new Wal(walOptions(disk, SMALL));
  expect([again.firstIndex, again.lastIndex]).toEqual([wal.firstIndex, 540]);
});

test('entries that replace others across segments survive the removal of what is before them', async () => {
  const disk = new MemoryDisk();
  const wal = await newWal(disk);
  await fill(wal, 20);
  await append(wal, entries(18, 19, 2, 1000));
  await append(wal, entries(20, 40, 2, 1000));
  wal.compact(30);
  await removed(wal);
  const again = new Wal(walOptions(disk, SMALL));
  expect([again.firstIndex, again.lastIndex, again.term(40)]).toEqual([wal.firstIndex, 40, 2]);
});

test('on a real file system the files are gone', async () => {
  const path = mkdtempSync(join(tmpdir(), 'hexad-wal-'));
  const wal = await newWal(createDirectoryDisk(path));
  while (readdirSync(path).length < 4) await fill(wal, wal.lastIndex + 5);
  const before = readdirSync(path).length;
  wal.compact(wal.lastIndex - 2);
  await wal.close();
  expect(readdirSync(path).length).toBeLessThan(before);
  const again = new Wal(walOptions(createDirectoryDisk(path), SMALL));
  expect([again.firstIndex, again.lastIndex]).toEqual([wal.firstIndex, wal.lastIndex]);
  await again.close();
  rmSync(path, { recursive: true });
});

test('on a full disk terms and votes go on being recorded in what is kept free for them', async () => {
  const disk = new MemoryDisk();
  let now = 0;
  const wal = new Wal(walOptions(disk, { ...SMALL, now: () => now }));
  await wal.bootstrap(bootstrapOfThree);
  await fill(wal, 4);
  disk.prepareError = new Error('ENOSPC');
  while (!wal.isShort) await fill(wal, wal.lastIndex + 1);
  const sizes = [...disk.files.values()].map(({ size }) => size);
  for (let term = 2; term < 10; term += 1) {
    ready += 1;
    const state = hardState(term, 3, 0xa1n);
    wal.append({ number: ready, mustSync: true, entries: [], hardState: state, snapshot: undefined });
    await new Promise((resolve) => setImmediate(resolve));
  }
  // No file has grown, and the votes are there after a crash.
  expect([...disk.files.values()].map(({ size }) => size)).toEqual(sizes);
  disk.crash(() => false);
  expect(new Wal(walOptions(disk, SMALL)).recovered?.hardState).toMatchObject({ term: 9, vote: 0xa1n });
  disk.prepareError = undefined;
  now = 10_000;
  wal.prepareAgain();
  await new Promise((resolve) => setImmediate(resolve));
  expect(wal.isShort).toBe(false);
});

test('entries that wait when a snapshot takes their place are not written behind it', async () => {
  const disk = new MemoryDisk();
  const wal = await newWal(disk);
  await fill(wal, 10);
  disk.holdSyncs = true;
  const work = { mustSync: true, hardState: undefined, snapshot: undefined };
  wal.append({ ...work, number: 1_001, entries: [entry(11, 1)] });
  wal.append({ ...work, number: 1_002, entries: [entry(12, 1), entry(13, 1)] });
  const { conf } = bootstrapOfThree.configuration;
  wal.append({ ...work, number: 1_003, entries: [], snapshot: { index: 500, term: 2, conf } });
  wal.append({ ...work, number: 1_004, entries: entries(501, 503, 2) });
  while (disk.waiting.length > 0) disk.releaseSyncs();
  expect([wal.firstIndex, wal.lastIndex]).toEqual([501, 503]);
  const again = new Wal(walOptions(disk, SMALL));
  expect([again.firstIndex, again.lastIndex, again.term(500)]).toEqual([501, 503, 2]);
});

// Sizes differ so that segments begin now with the one kind of write and now with the other.
test.each([310, 430, 500, 640, 770, 900])(
  'a segment that begins with entries in place of some before it is read, and knows the term before it: %d bytes',
  async (bytes) => {
    const disk = new MemoryDisk();
    const wal = await newWal(disk);
    const terms = new Map([0, 1, 1, 1].map((term, index) => [index, term]));
    const write = async (from: number, term: number): Promise<void> => {
      for (const index of [from, from + 1]) terms.set(index, term);
      await append(wal, [entry(from, term, bytes), entry(from + 1, term, bytes)]);
    };
    for (let index = 4; index < 60; index += 4) {
      await write(index, index);
      await write(index, index + 1);
      await write(index + 2, index + 1);
    }
    for (let target = 6; target < 58; target += 1) {
      wal.compact(target);
      await removed(wal);
      const { firstIndex } = wal;
      expect((await read(wal, firstIndex))?.term).toBe(terms.get(firstIndex));
      const again = new Wal(walOptions(disk, SMALL));
      expect([again.firstIndex, again.term(firstIndex - 1)]).toEqual([firstIndex, terms.get(firstIndex - 1)]);
      expect((await read(again, firstIndex))?.term).toBe(terms.get(firstIndex));
    }
  },
);
