import type { HardState, LogEntry } from '../raft';
import {
  type Checksum,
  FLAG_LAST_OF_BATCH,
  RECORD_HEADER_BYTES,
  RECORD_MAGIC,
  RecordType,
  paddedLength,
  recordLength,
  recordSeed,
  viewOf,
} from './layout';
import {
  type ConfigurationMarker,
  ENTRIES_HEAD_BYTES,
  HARD_STATE_BYTES,
  METADATA_BYTES,
  type SegmentMetadata,
  sizeConfiguration,
  sizeFramedEntry,
  writeConfiguration,
  writeEntriesHead,
  writeFramedEntry,
  writeHardState,
  writeMetadata,
} from './records';

/** Entries records are closed at this size, so that reading one old entry never means reading a whole large batch. */
export const ENTRIES_RECORD_BYTES = 128 * 1024;

/** What one write makes durable, in this order on disk. */
export interface BatchContent {
  readonly metadata: SegmentMetadata | undefined;
  readonly snapshot: ConfigurationMarker | undefined;
  readonly configuration: ConfigurationMarker | undefined;
  /** Runs of consecutive entries; a later run replaces what earlier ones hold from its first index on. */
  readonly runs: readonly (readonly LogEntry[])[];
  readonly hardState: HardState | undefined;
}

/** Where an entries record came to lie, relative to the start of the batch. */
export interface WrittenEntries {
  readonly firstIndex: number;
  readonly count: number;
  readonly firstTerm: number;
  readonly lastTerm: number;
  readonly offset: number;
  readonly length: number;
  /** The entries again, their data being views of the batch's bytes. */
  readonly entries: readonly LogEntry[];
}

export interface EncodedBatch {
  readonly bytes: Uint8Array;
  readonly written: readonly WrittenEntries[];
}

/** Entries of one record, chosen so that it stays near `ENTRIES_RECORD_BYTES`. */
interface Chunk {
  readonly run: readonly LogEntry[];
  readonly from: number;
  readonly to: number;
  readonly bytes: number;
}

function chunksOf(runs: readonly (readonly LogEntry[])[]): Chunk[] {
  const chunks: Chunk[] = [];
  for (const run of runs) {
    let from = 0;
    let bytes = 0;
    for (let i = 0; i < run.length; i += 1) {
      const size = sizeFramedEntry(run[i] as LogEntry); // i < length
      if (i > from && bytes + size > ENTRIES_RECORD_BYTES) {
        chunks.push({ run, from, to: i, bytes });
        from = i;
        bytes = 0;
      }
      bytes += size;
    }
    if (run.length > from) chunks.push({ run, from, to: run.length, bytes });
  }
  return chunks;
}

/**
 * Encodes one batch for its place in a segment.
 *
 * @param allocate gives at least as many bytes as asked for, zeroed or not; they belong to the result from then on
 */
export function encodeBatch(
  content: BatchContent,
  place: { readonly segment: number; readonly batch: number; readonly nonce: number },
  checksum: Checksum,
  allocate: (bytes: number) => Uint8Array,
): EncodedBatch {
  const chunks = chunksOf(content.runs);
  const total = sizeOf(content, chunks);
  const bytes = allocate(total).subarray(0, total);
  const writer = new RecordWriter(bytes, place, checksum);
  const { metadata, snapshot, configuration, hardState } = content;
  if (metadata !== undefined) {
    writeMetadata(writer.view, writer.payload(), metadata);
    writer.close(RecordType.Metadata, METADATA_BYTES);
  }
  if (snapshot !== undefined) writer.marker(RecordType.Snapshot, snapshot);
  if (configuration !== undefined) writer.marker(RecordType.Configuration, configuration);
  const written = chunks.map((chunk) => writer.entries(chunk));
  if (hardState !== undefined) {
    writeHardState(writer.view, writer.payload(), hardState);
    writer.close(RecordType.HardState, HARD_STATE_BYTES);
  }
  return { bytes, written };
}

function sizeOf(content: BatchContent, chunks: readonly Chunk[]): number {
  let total = 0;
  if (content.metadata !== undefined) total += recordLength(METADATA_BYTES);
  if (content.snapshot !== undefined) total += recordLength(sizeConfiguration(content.snapshot));
  if (content.configuration !== undefined) total += recordLength(sizeConfiguration(content.configuration));
  for (const chunk of chunks) total += recordLength(ENTRIES_HEAD_BYTES + chunk.bytes);
  if (content.hardState !== undefined) total += recordLength(HARD_STATE_BYTES);
  if (total === 0) throw new Error('a batch without records');
  return total;
}

class RecordWriter {
  readonly view: DataView;
  private at = 0;

  constructor(
    private readonly bytes: Uint8Array,
    private readonly place: { readonly segment: number; readonly batch: number; readonly nonce: number },
    private readonly checksum: Checksum,
  ) {
    this.view = viewOf(bytes);
  }

  /** Where the next record's payload begins. */
  payload(): number {
    return this.at + RECORD_HEADER_BYTES;
  }

  marker(type: RecordType, marker: ConfigurationMarker): void {
    writeConfiguration(this.view, this.payload(), marker);
    this.close(type, sizeConfiguration(marker));
  }

  entries(chunk: Chunk): WrittenEntries {
    const { run, from, to } = chunk;
    const offset = this.at;
    const start = this.payload();
    const entries: LogEntry[] = [];
    let at = start + ENTRIES_HEAD_BYTES;
    let hasConf = false;
    for (let i = from; i < to; i += 1) {
      const entry = run[i] as LogEntry; // i < run.length
      if (entry.type !== 0) hasConf = true;
      at = writeFramedEntry(this.bytes, at, entry);
      const { term, index, type } = entry;
      entries.push({ term, index, type, data: this.bytes.subarray(at - entry.data.length, at) });
    }
    const first = run[from] as LogEntry; // chunks are not empty
    const last = run[to - 1] as LogEntry;
    const head = { firstIndex: first.index, firstTerm: first.term, lastTerm: last.term, count: to - from, hasConf };
    writeEntriesHead(this.view, start, head);
    this.close(RecordType.Entries, at - start);
    return { ...head, offset, length: this.at - offset, entries };
  }

  /** Completes the record whose payload of `length` bytes has been written. */
  close(type: RecordType, length: number): void {
    const at = this.at;
    const end = at + recordLength(length);
    this.bytes.fill(0, at + RECORD_HEADER_BYTES + length, end);
    this.view.setUint32(at + 4, length, true);
    this.view.setUint8(at + 8, type);
    this.view.setUint8(at + 9, end === this.bytes.length ? FLAG_LAST_OF_BATCH : 0);
    this.view.setUint16(at + 10, RECORD_MAGIC, true);
    this.view.setUint32(at + 12, this.place.batch, true);
    const nonce = type === RecordType.Metadata ? 0 : this.place.nonce;
    const seed = recordSeed(this.place.segment, this.place.batch, nonce);
    this.view.setUint32(at, this.checksum(this.bytes.subarray(at + 4, end), seed), true);
    this.at = end;
  }
}

/** One record found in a segment. */
export interface FoundRecord {
  readonly type: number;
  readonly batch: number;
  readonly last: boolean;
  readonly offset: number;
  /** Header and padding included. */
  readonly length: number;
  readonly payload: Uint8Array;
}

/** The record at `offset`, if its bytes are those of a record of this segment; undefined: they are not. */
export function readRecord(
  bytes: Uint8Array,
  view: DataView,
  offset: number,
  segment: number,
  nonce: number,
  checksum: Checksum,
): FoundRecord | undefined {
  if (offset + RECORD_HEADER_BYTES > bytes.length || view.getUint16(offset + 10, true) !== RECORD_MAGIC) {
    return undefined;
  }
  const payloadLength = view.getUint32(offset + 4, true);
  const start = offset + RECORD_HEADER_BYTES;
  if (payloadLength > bytes.length - start) return undefined;
  const end = start + paddedLength(payloadLength);
  if (end > bytes.length) return undefined;
  const type = view.getUint8(offset + 8);
  const batch = view.getUint32(offset + 12, true);
  const seed = recordSeed(segment, batch, type === RecordType.Metadata ? 0 : nonce);
  if (checksum(bytes.subarray(offset + 4, end), seed) !== view.getUint32(offset, true)) return undefined;
  const last = (view.getUint8(offset + 9) & FLAG_LAST_OF_BATCH) !== 0;
  return { type, batch, last, offset, length: end - offset, payload: bytes.subarray(start, start + payloadLength) };
}
