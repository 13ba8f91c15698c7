import { crc32 } from 'node:zlib';
import * as fc from 'fast-check';
import { decodeDeliverBatch, decodeLogEntry, encodeLogEntry } from '../../proto/gen/hexad';
import type { LogEntry } from '../raft';
import { ENTRIES_RECORD_BYTES, type BatchContent, encodeBatch } from './batch';
import { EntryReader, RecordType, scanSegment, sizeLogEntry, sizeVarint, writeLogEntry, writeVarint } from './index';
import { ENTRIES_HEAD_BYTES, readEntries, readEntriesHead } from './records';

const checksum = (bytes: Uint8Array, seed: number): number => crc32(bytes, seed);
const uint53 = fc.oneof(fc.nat(300), fc.maxSafeNat());
const anyEntry: fc.Arbitrary<LogEntry> = fc.record({
  term: uint53,
  index: uint53,
  type: fc.constantFrom(0, 1),
  data: fc.uint8Array({ maxLength: 200 }),
});

function encoded(entry: LogEntry): Uint8Array {
  const bytes = new Uint8Array(sizeLogEntry(entry));
  expect(writeLogEntry(bytes, 0, entry)).toBe(bytes.length);
  return bytes;
}

test('an entry is encoded and decoded as the generated code does it', () => {
  fc.assert(
    fc.property(anyEntry, (entry) => {
      const bytes = encoded(entry);
      expect(Buffer.compare(bytes, encodeLogEntry(entry))).toBe(0);
      const read = new EntryReader(bytes, 0, bytes.length).entry(bytes.length);
      expect({ ...read, data: [...read.data] }).toEqual({ ...entry, data: [...entry.data] });
      expect({ ...decodeLogEntry(bytes), data: [...entry.data] }).toEqual({ ...entry, data: [...entry.data] });
    }),
  );
});

test('any byte string is either an entry or an error, never read out of bounds', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const reader = new EntryReader(bytes, 0, bytes.length);
      try {
        reader.entry(bytes.length);
        expect(reader.at).toBe(bytes.length);
      } catch (error) {
        expect((error as Error).name).toBe('LogEntryFormatError');
      }
    }),
  );
});

test('a varint takes the bytes it says', () => {
  fc.assert(
    fc.property(uint53, (value) => {
      const bytes = new Uint8Array(10);
      const end = writeVarint(bytes, 0, value);
      expect(end).toBe(sizeVarint(value));
      expect(new EntryReader(bytes, 0, end).varint()).toBe(value);
    }),
  );
});

const place = { segment: 3, batch: 1, nonce: 77 };
const metadata = {
  version: 1,
  segment: 3,
  clusterId: 1n,
  memberId: 2n,
  incarnation: (1n << 64n) - 1n,
  nonce: 77,
  previousBatches: 5,
  previousIndex: 2 ** 52,
  previousTerm: 9,
};
const empty: BatchContent = {
  metadata: undefined,
  snapshot: undefined,
  configuration: undefined,
  runs: [],
  hardState: undefined,
};
const allocate = (bytes: number): Uint8Array => new Uint8Array(bytes).fill(0xee);

test('what a batch holds is what a scan of the segment finds', () => {
  const runs = fc.array(fc.array(anyEntry, { minLength: 1, maxLength: 20 }), { maxLength: 4 });
  fc.assert(
    fc.property(runs, fc.nat(64), (lists, gap) => {
      const first = encodeBatch({ ...empty, metadata, runs: lists }, place, checksum, allocate);
      const hardState = { term: 2 ** 50, vote: (1n << 63n) + 1n, commit: 8 };
      const second = encodeBatch({ ...empty, hardState }, { ...place, batch: 2 }, checksum, allocate);
      const segment = new Uint8Array(first.bytes.length + second.bytes.length + gap);
      segment.set(first.bytes);
      segment.set(second.bytes, first.bytes.length);
      const scan = scanSegment(segment, 3, checksum);
      expect(scan.metadata).toEqual(metadata);
      expect(scan.end).toEqual({ kind: 'clean', offset: segment.length - gap });
      const found = scan.records.filter((r) => r.type === RecordType.Entries).flatMap((r) => readEntries(r.payload));
      const all = lists.flat();
      expect(found.map((e) => [e.term, e.index, e.type, [...e.data]])).toEqual(
        all.map((e) => [e.term, e.index, e.type, [...e.data]]),
      );
      const repointed = first.written.flatMap((w) => w.entries);
      expect(repointed.map((e) => [...e.data])).toEqual(all.map((e) => [...e.data]));
    }),
  );
});

test('a scan of any damage never throws and never finds a record that was not written', () => {
  const entries = [1, 2, 3].map((index) => ({ term: 1, index, type: 0, data: new Uint8Array(30).fill(index) }));
  const first = encodeBatch({ ...empty, metadata, runs: [entries] }, place, checksum, allocate);
  const second = encodeBatch({ ...empty, runs: [entries] }, { ...place, batch: 2 }, checksum, allocate);
  const good = new Uint8Array(first.bytes.length + second.bytes.length + 40);
  good.set(first.bytes);
  good.set(second.bytes, first.bytes.length);
  const originals = scanSegment(good, 3, checksum).records.map((r) => Buffer.from(r.payload).toString('hex'));
  const damage = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 10 });
  fc.assert(
    fc.property(damage, fc.nat(good.length), (changes, length) => {
      const bad = good.slice(0, length);
      for (const [at, value] of changes) if (at < length) bad[at] = value;
      const scan = scanSegment(bad, 3, checksum);
      scan.records.forEach((record, i) => {
        expect(Buffer.from(record.payload).toString('hex')).toBe(originals[i]);
      });
    }),
    { numRuns: 500 },
  );
});

test('a record of another segment, batch or WAL does not verify', () => {
  const batch = encodeBatch({ ...empty, metadata }, place, checksum, allocate).bytes;
  expect(scanSegment(batch, 3, checksum).batches).toBe(1);
  expect(scanSegment(batch, 4, checksum).batches).toBe(0);
  const later = encodeBatch(
    { ...empty, hardState: { term: 1, vote: 0n, commit: 0 } },
    { ...place, batch: 2 },
    checksum,
    allocate,
  );
  const foreign = encodeBatch(
    { ...empty, hardState: { term: 1, vote: 0n, commit: 0 } },
    { ...place, batch: 2, nonce: 78 },
    checksum,
    allocate,
  );
  const joined = (tail: Uint8Array): Uint8Array => new Uint8Array([...batch, ...tail]);
  expect(scanSegment(joined(later.bytes), 3, checksum).batches).toBe(2);
  expect(scanSegment(joined(foreign.bytes), 3, checksum).batches).toBe(1);
});

test('large batches are split into records of bounded size, whose tail is a ready DeliverBatch', () => {
  const entries = Array.from({ length: 1000 }, (_, i) => ({
    term: 4,
    index: 9 + i,
    type: 0,
    data: new Uint8Array(500),
  }));
  const { bytes, written } = encodeBatch({ ...empty, metadata, runs: [entries] }, place, checksum, allocate);
  expect(written.length).toBeGreaterThan(3);
  for (const { length } of written) expect(length).toBeLessThanOrEqual(ENTRIES_RECORD_BYTES + 64);
  const record = scanSegment(bytes, 3, checksum).records[1];
  const payload = record?.payload ?? new Uint8Array(0);
  expect(readEntriesHead(payload)).toMatchObject({ firstIndex: 9, firstTerm: 4, lastTerm: 4, hasConf: false });
  const batch = decodeDeliverBatch(payload.subarray(ENTRIES_HEAD_BYTES));
  expect(batch.entries[0]).toMatchObject({ term: 4, index: 9 });
  expect(batch.entries).toHaveLength(written[0]?.count ?? 0);
});
