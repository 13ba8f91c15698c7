import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import type { LogEntry } from '../raft';
import { createDirectoryDisk } from './directory-disk';
import { MemoryDisk } from './testing/memory-disk';
import { bootstrapOfThree, entries, entry, hardState, walOptions } from './testing/wal-options';
import { type WalOptions } from './types';
import { Wal } from './wal';

async function newWal(disk: MemoryDisk, changes: Partial<WalOptions> = {}): Promise<Wal> {
  const wal = new Wal(walOptions(disk, changes));
  await wal.bootstrap(bootstrapOfThree);
  return wal;
}

let ready = 0;

/** Appends and waits for the sync. */
async function append(wal: Wal, run: readonly LogEntry[], state = hardState(1, 3)): Promise<void> {
  ready += 1;
  const number = ready;
  await new Promise<void>((resolve) => {
    wal.onPersisted = (done) => {
      if (done >= number) resolve();
    };
    wal.append({ number, mustSync: true, entries: run, hardState: state, snapshot: undefined });
  });
}

/** Reads lo ≤ index < hi, from memory or disk. */
async function readAll(wal: Wal, lo: number, hi: number): Promise<LogEntry[]> {
  const found: LogEntry[] = [];
  for (let next = lo; next < hi; ) {
    const some = wal.entries(next, hi, 100_000);
    if (some === undefined) {
      await new Promise<void>((resolve) => {
        wal.onLoaded = resolve;
      });
      continue;
    }
    found.push(...some);
    next += some.length;
  }
  return found;
}

function plain(list: readonly LogEntry[]): unknown[] {
  return list.map(({ term, index, type, data }) => ({ term, index, type, data: Buffer.from(data).toString('hex') }));
}

test('a new WAL holds its bootstrap, and again after it was opened anew', async () => {
  const disk = new MemoryDisk();
  await newWal(disk);
  const wal = new Wal(walOptions(disk));
  expect(wal.recovered?.hardState).toEqual(bootstrapOfThree.hardState);
  expect(wal.recovered?.configuration.conf).toEqual(bootstrapOfThree.configuration.conf);
  expect([wal.firstIndex, wal.lastIndex, wal.term(3), wal.term(4)]).toEqual([1, 3, 1, undefined]);
  expect(plain(await readAll(wal, 1, 4))).toEqual(plain(bootstrapOfThree.entries));
});

test('everything that waits shares one write and one sync', async () => {
  const disk = new MemoryDisk();
  const wal = await newWal(disk);
  const before = disk.syncs;
  disk.holdSyncs = true;
  const persisted: number[] = [];
  wal.onPersisted = (number) => persisted.push(number);
  for (let i = 0; i < 10; i += 1) {
    wal.append({
      number: 100 + i,
      mustSync: true,
      entries: [entry(4 + i, 1)],
      hardState: undefined,
      snapshot: undefined,
    });
  }
  expect(disk.syncs - before).toBe(1);
  disk.releaseSyncs();
  expect(persisted).toEqual([100]);
  expect(disk.syncs - before).toBe(2);
  disk.releaseSyncs();
  expect(persisted).toEqual([100, 109]);
  expect(disk.syncs - before).toBe(2);
});

test('a commit index alone causes no write, and is stored when the WAL is closed', async () => {
  const disk = new MemoryDisk();
  const wal = await newWal(disk);
  const before = disk.syncs;
  wal.append({ number: 1, mustSync: false, entries: [], hardState: hardState(1, 99), snapshot: undefined });
  expect(disk.syncs).toBe(before);
  await wal.close();
  expect(new Wal(walOptions(disk)).recovered?.hardState.commit).toBe(99);
});

test('entries that replace a suffix are what is read, from memory, from disk and after opening', async () => {
  const disk = new MemoryDisk();
  const wal = await newWal(disk, { cacheBytes: 1, readBackBytes: 1 });
  await append(wal, entries(4, 20, 1));
  await append(wal, entries(10, 12, 2));
  await append(wal, entries(13, 15, 2));
  await append(wal, entries(12, 13, 3));
  const expected = plain([
    ...bootstrapOfThree.entries,
    ...entries(4, 9, 1),
    ...entries(10, 11, 2),
    ...entries(12, 13, 3),
  ]);
  expect(wal.lastIndex).toBe(13);
  expect(plain(await readAll(wal, 1, 14))).toEqual(expected);
  expect([9, 10, 11, 12, 13, 14].map((i) => wal.term(i))).toEqual([1, 2, 2, 3, 3, undefined]);
  const again = new Wal(walOptions(disk));
  expect(again.lastIndex).toBe(13);
  expect(plain(await readAll(again, 1, 14))).toEqual(expected);
  expect([9, 10, 11, 12, 13, 14].map((i) => again.term(i))).toEqual([1, 2, 2, 3, 3, undefined]);
});

test('the log goes on in prepared segments, and reads across them', async () => {
  const disk = new MemoryDisk();
  const wal = await newWal(disk, { cacheBytes: 1000 });
  for (let i = 0; i < 60; i += 1) await append(wal, entries(4 + i * 10, 13 + i * 10, 1, 300));
  expect(disk.files.size).toBeGreaterThan(4);
  for (const file of disk.files.values()) expect(file.size).toBeLessThanOrEqual(64 * 1024);
  const expected = plain([...bootstrapOfThree.entries, ...entries(4, 603, 1, 300)]);
  expect(plain(await readAll(wal, 1, 604))).toEqual(expected);
  expect(plain(await readAll(new Wal(walOptions(disk)), 1, 604))).toEqual(expected);
});

test('what a killed process wrote and did not sync is durable before it counts as part of the log', async () => {
  const disk = new MemoryDisk();
  const wal = await newWal(disk);
  disk.holdSyncs = true;
  wal.append({ number: 1, mustSync: true, entries: entries(4, 9, 1), hardState: undefined, snapshot: undefined });
  // The process dies with the sync under way; the next one finds the bytes in the page cache.
  disk.waiting.length = 0;
  expect(new Wal(walOptions(disk)).lastIndex).toBe(9);
  disk.crash(() => false);
  expect(new Wal(walOptions(disk)).lastIndex).toBe(9);
});

test('what is read back ends before a write that is still under way', async () => {
  const disk = new MemoryDisk();
  await append(await newWal(disk), entries(4, 9, 1));
  // A file whose writes arrive when the test says so, as those of the thread pool may come after a read that began later.
  const late: (() => void)[] = [];
  const open = disk.open.bind(disk);
  disk.open = (name) => {
    const file = open(name);
    const write = file.write.bind(file);
    file.write = (...args) => void late.push(() => write(...args));
    return file;
  };
  // Opened anew, it has nothing in memory.
  const wal = new Wal(walOptions(disk));
  wal.append({ number: 1, mustSync: true, entries: entries(10, 12, 1), hardState: undefined, snapshot: undefined });
  expect(late).toHaveLength(1);
  expect(plain(await readAll(wal, 4, 10))).toEqual(plain(entries(4, 9, 1)));
});

test('the configuration and all conf entries are found at open', async () => {
  const disk = new MemoryDisk();
  const wal = await newWal(disk);
  await append(wal, [entry(4, 1), entry(5, 1, 8, 1), entry(6, 1)]);
  const conf = { voters: [1n], votersOutgoing: [2n, 3n], learners: [4n], learnersNext: [5n] };
  wal.setConfiguration({ index: 5, term: 1, conf });
  await append(wal, [entry(7, 1, 8, 1), entry(8, 1)]);
  await append(wal, [entry(8, 2, 8, 1), entry(9, 2)]);
  const again = new Wal(walOptions(disk));
  expect(again.recovered?.configuration).toEqual({ index: 5, term: 1, conf });
  expect(again.recovered?.confEntries.map(({ index, term }) => [index, term])).toEqual([
    ...[1, 2, 3, 5].map((index) => [index, 1]),
    [7, 1],
    [8, 2],
  ]);
});

test('an entry larger than a segment is kept', async () => {
  const disk = new MemoryDisk();
  const wal = await newWal(disk, { cacheBytes: 1 });
  await append(wal, [entry(4, 1, 1_572_864), entry(5, 1)]);
  await append(wal, [entry(6, 1)]);
  const again = new Wal(walOptions(disk));
  expect(plain(await readAll(again, 4, 7))).toEqual(plain([entry(4, 1, 1_572_864), entry(5, 1), entry(6, 1)]));
});

test('while no segment can be prepared, the active one grows, with a warning', async () => {
  const disk = new MemoryDisk();
  disk.prepareError = new Error('ENOSPC');
  const warnings: string[] = [];
  await MemoryDisk.prototype.prepare.call(
    Object.assign(disk, { prepareError: undefined }),
    '0000000000000001.wal',
    4096,
  );
  disk.prepareError = new Error('ENOSPC');
  const wal = await newWal(disk, { onWarning: (message) => warnings.push(message) });
  for (let i = 0; i < 30; i += 1) await append(wal, entries(4 + i, 4 + i, 1, 1000));
  expect(warnings).toEqual(['cannot prepare a WAL segment']);
  expect(new Wal(walOptions(disk)).lastIndex).toBe(33);
});

test('a failed sync and a failed write end the process and are not tried again', async () => {
  for (const fault of ['syncError', 'writeError'] as const) {
    const disk = new MemoryDisk();
    const fatal: string[] = [];
    const wal = await newWal(disk, { onFatal: (error) => fatal.push(error.message) });
    disk[fault] = new Error('EIO');
    const before = disk.syncs;
    wal.append({ number: 1, mustSync: true, entries: [entry(4, 1)], hardState: undefined, snapshot: undefined });
    wal.append({ number: 2, mustSync: true, entries: [entry(5, 1)], hardState: undefined, snapshot: undefined });
    disk.releaseSyncs();
    expect(fatal).toHaveLength(1);
    expect(fatal[0]).toContain('EIO');
    expect(disk.syncs - before).toBe(1);
  }
});

test('a WAL of another cluster or another member is refused by name', async () => {
  const disk = new MemoryDisk();
  await newWal(disk);
  expect(() => new Wal(walOptions(disk, { clusterId: 7n }))).toThrow(
    /cluster ID mismatch: .*belongs to cluster c1, not 7/,
  );
  expect(() => new Wal(walOptions(disk, { memberId: 7n }))).toThrow(
    /member ID mismatch: .*belongs to member a1, not 7/,
  );
});

test('a batch that is torn at any byte is cut off, and the log goes on in its place', async () => {
  const disk = new MemoryDisk();
  const wal = await newWal(disk);
  await append(wal, entries(4, 6, 1));
  const file = disk.open('0000000000000001.wal');
  const before = file.readAll();
  await append(wal, entries(7, 8, 1), hardState(2, 5));
  const after = file.readAll();
  let end = after.length;
  while (after[end - 1] === 0) end -= 1;
  let start = 0;
  while (before[start] === after[start]) start += 1;
  for (let cut = start; cut < end; cut += 1) {
    const torn = after.slice();
    torn.fill(0, cut);
    file.durable = torn;
    file.losePower(() => false);
    const warnings: string[] = [];
    const opened = new Wal(walOptions(disk, { onWarning: (message) => warnings.push(message) }));
    expect([cut, opened.lastIndex, opened.recovered?.hardState.term]).toEqual([cut, 6, 1]);
    expect(warnings).toEqual(cut === start ? [] : ['cut off a write that had not finished']);
    expect(Buffer.compare(file.readAll(), before)).toBe(0);
  }
});

test('any flipped bit is noticed: refused before the last batch, cut off in it', async () => {
  const disk = new MemoryDisk();
  const wal = await newWal(disk);
  const file = disk.open('0000000000000001.wal');
  const used = (): number => {
    const bytes = file.readAll();
    let end = bytes.length;
    while (bytes[end - 1] === 0) end -= 1;
    return end;
  };
  await append(wal, entries(4, 5, 1));
  const lastBatchAt = Math.ceil(used() / 8) * 8;
  await append(wal, entries(6, 6, 1));
  const good = file.readAll();
  const end = used();
  for (let at = 0; at < end; at += 1) {
    for (const bit of [1, 16, 128]) {
      const bad = good.slice();
      bad[at] = (bad[at] as number) ^ bit;
      file.durable = bad;
      file.losePower(() => false);
      const open = (): Wal => new Wal(walOptions(disk));
      if (at < lastBatchAt) expect(open).toThrow(/0000000000000001\.wal is corrupt: bad bytes at offset \d+, but/);
      else expect([at, open().lastIndex]).toEqual([at, 5]);
    }
  }
});

test('bad bytes, a missing file or a shortened file in an earlier segment are refused', async () => {
  const build = async (): Promise<MemoryDisk> => {
    const disk = new MemoryDisk();
    const wal = await newWal(disk);
    for (let i = 0; i < 40; i += 1) await append(wal, entries(4 + i * 10, 13 + i * 10, 1, 300));
    return disk;
  };
  const flipped = await build();
  const first = flipped.open('0000000000000001.wal');
  let end = first.size;
  while (first.visible[end - 1] === 0) end -= 1;
  first.visible[end - 20] = 0xff ^ (first.visible[end - 20] as number);
  expect(() => new Wal(walOptions(flipped))).toThrow(
    /0000000000000001\.wal is corrupt.*0000000000000002\.wal was begun/,
  );

  const zeroed = await build();
  zeroed.open('0000000000000002.wal').visible.fill(0);
  expect(() => new Wal(walOptions(zeroed))).toThrow(/0000000000000002\.wal is corrupt.*follows/);

  const missing = await build();
  missing.files.delete('0000000000000002.wal');
  expect(() => new Wal(walOptions(missing))).toThrow(/segment 0000000000000002\.wal is missing/);
});

test('after any crash the log has every persisted entry, and nothing that was not appended', async () => {
  const step = fc.record({
    back: fc.integer({ min: 0, max: 3 }),
    count: fc.integer({ min: 0, max: 5 }),
    bytes: fc.integer({ min: 0, max: 3000 }),
    wait: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 40 }),
      fc.infiniteStream(fc.boolean()),
      async (steps, keep) => {
        const disk = new MemoryDisk();
        const wal = await newWal(disk, { cacheBytes: 4000 });
        disk.holdSyncs = true;
        let term = 1;
        let last = 3;
        let number = 0;
        let persisted = 0;
        const model = new Map<number, LogEntry>(bootstrapOfThree.entries.map((e) => [e.index, e]));
        const snapshots: LogEntry[][] = [[...model.values()]];
        wal.onPersisted = (done) => {
          persisted = done;
        };
        for (const { back, count, bytes, wait } of steps) {
          if (back > 0 && last - back >= 3) {
            term += 1;
            for (let i = last - back + 1; i <= last; i += 1) model.delete(i);
            last -= back;
          }
          const run =
            count === 0 && back > 0
              ? entries(last + 1, last + 1, term, bytes)
              : entries(last + 1, last + count, term, bytes);
          for (const e of run) model.set(e.index, e);
          last += run.length;
          number += 1;
          snapshots.push([...model.values()].sort((a, b) => a.index - b.index));
          wal.append({ number, mustSync: true, entries: run, hardState: hardState(term, 3), snapshot: undefined });
          if (wait) disk.releaseSyncs();
        }
        const bits = keep[Symbol.iterator]();
        disk.crash(() => bits.next().value === true);
        const opened = new Wal(walOptions(disk, { cacheBytes: 1 }));
        const found = plain(await readAll(opened, 1, opened.lastIndex + 1));
        // Whole batches survive, so the log is as it was after some Ready at or after the last that was persisted.
        const possible = snapshots.slice(persisted).map((s) => JSON.stringify(plain(s)));
        expect(possible).toContain(JSON.stringify(found));
        expect(opened.recovered?.hardState.term).toBeGreaterThanOrEqual(snapshots[persisted]?.at(-1)?.term ?? 1);
      },
    ),
    { numRuns: 150 },
  );
});

describe('on a real directory', () => {
  let path: string;
  beforeEach(() => {
    path = mkdtempSync(join(tmpdir(), 'hexad-wal-'));
  });
  afterEach(() => rmSync(path, { recursive: true }));

  test('segments are prepared with a spare, survive reopening, and a foreign file is left alone', async () => {
    writeFileSync(join(path, 'lock'), '');
    const wal = new Wal(walOptions(createDirectoryDisk(path)));
    await wal.bootstrap(bootstrapOfThree);
    for (let i = 0; i < 30; i += 1) await append(wal, entries(4 + i * 10, 13 + i * 10, 1, 300), hardState(1, 4 + i));
    const expected = plain(await readAll(wal, 1, 304));
    await wal.close();
    const names = readdirSync(path).sort();
    expect(names).toContain('lock');
    const spare = names.filter((name) => name.endsWith('.wal')).at(-1) ?? '';
    expect(readFileSync(join(path, spare)).every((byte) => byte === 0)).toBe(true);
    const again = new Wal(walOptions(createDirectoryDisk(path)));
    expect(plain(await readAll(again, 1, 304))).toEqual(expected);
    expect(again.recovered?.hardState.commit).toBe(33);
    await again.close();
  });
});
