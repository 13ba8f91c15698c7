import { type FoundRecord, readRecord } from './batch';
import { type Checksum, RECORD_ALIGN_BYTES, RECORD_HEADER_BYTES, RECORD_MAGIC, RecordType, viewOf } from './layout';
import { type SegmentMetadata, readMetadata } from './records';

/**
 * How a segment ends:
 * - `clean`: whole batches, then zeros
 * - `torn`: whole batches, then bytes of one write that did not finish; they may be cut off at `offset`
 * - `corrupt`: bad bytes at `offset`, but a valid later batch behind them: what was bad had been synced
 */
export type SegmentEnd =
  | { readonly kind: 'clean'; readonly offset: number }
  | { readonly kind: 'torn'; readonly offset: number; readonly dirtyUntil: number }
  | { readonly kind: 'corrupt'; readonly offset: number; readonly validAt: number };

export interface SegmentScan {
  /** undefined: the segment was never begun (or its first batch is not whole). */
  readonly metadata: SegmentMetadata | undefined;
  /** Whole batches. */
  readonly batches: number;
  /** Records of whole batches, in order. */
  readonly records: readonly FoundRecord[];
  readonly end: SegmentEnd;
}

/** Reads a whole segment. `segment` is its number by file name; payloads of the records are views of `bytes`. */
export function scanSegment(bytes: Uint8Array, segment: number, checksum: Checksum): SegmentScan {
  const view = viewOf(bytes);
  const records: FoundRecord[] = [];
  let metadata: SegmentMetadata | undefined;
  let batches = 0;
  let offset = 0;
  for (;;) {
    const batch = readBatch(bytes, view, offset, segment, batches + 1, metadata, checksum);
    if (batch === undefined) break;
    metadata = batch.metadata;
    for (const record of batch.records) records.push(record);
    offset = batch.end;
    batches += 1;
  }
  return { metadata, batches, records, end: endOf(bytes, view, offset, segment, batches, metadata, checksum) };
}

interface WholeBatch {
  readonly records: readonly FoundRecord[];
  readonly metadata: SegmentMetadata;
  readonly end: number;
}

/** The batch at `offset`, if all of it is there. */
function readBatch(
  bytes: Uint8Array,
  view: DataView,
  offset: number,
  segment: number,
  expected: number,
  known: SegmentMetadata | undefined,
  checksum: Checksum,
): WholeBatch | undefined {
  const records: FoundRecord[] = [];
  let metadata = known;
  let at = offset;
  for (;;) {
    const record = readRecord(bytes, view, at, segment, metadata?.nonce ?? 0, checksum);
    if (record === undefined || record.batch !== expected) return undefined;
    if (record.type === RecordType.Metadata) {
      const found = readMetadata(record.payload);
      if (expected !== 1 || records.length > 0 || found === undefined || found.segment !== segment) return undefined;
      metadata = found;
    }
    if (metadata === undefined) return undefined;
    records.push(record);
    at += record.length;
    if (record.last) return { records, metadata, end: at };
  }
}

function endOf(
  bytes: Uint8Array,
  view: DataView,
  offset: number,
  segment: number,
  batches: number,
  metadata: SegmentMetadata | undefined,
  checksum: Checksum,
): SegmentEnd {
  const dirtyUntil = lastNonZero(bytes, offset) + 1;
  if (dirtyUntil === offset) return { kind: 'clean', offset };
  for (let at = offset + RECORD_ALIGN_BYTES; at + RECORD_HEADER_BYTES <= dirtyUntil; at += RECORD_ALIGN_BYTES) {
    if (view.getUint16(at + 10, true) !== RECORD_MAGIC || view.getUint32(at + 12, true) <= batches + 1) continue;
    // Without the metadata the nonce is unknown: a header that looks right must then do, and errs on the safe side.
    const isLater =
      metadata === undefined
        ? view.getUint32(at + 4, true) <= bytes.length - at - RECORD_HEADER_BYTES
        : readRecord(bytes, view, at, segment, metadata.nonce, checksum) !== undefined;
    if (isLater) return { kind: 'corrupt', offset, validAt: at };
  }
  return { kind: 'torn', offset, dirtyUntil };
}

/** Offset of the last byte at or after `from` that is not zero; `from − 1` when all are. Works in words where it can. */
function lastNonZero(bytes: Uint8Array, from: number): number {
  let at = bytes.length - 1;
  while (at >= from && (bytes.byteOffset + at + 1) % 4 !== 0) {
    if (bytes[at] !== 0) return at;
    at -= 1;
  }
  const wordCount = Math.floor(Math.max(0, at + 1 - from) / 4);
  const words = new Int32Array(bytes.buffer, bytes.byteOffset + at + 1 - 4 * wordCount, wordCount);
  let word = wordCount - 1;
  while (word >= 0 && words[word] === 0) word -= 1;
  at -= 4 * (wordCount - 1 - word);
  while (at >= from && bytes[at] === 0) at -= 1;
  return at;
}
