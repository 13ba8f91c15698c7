/**
 * The layout of a WAL segment. A segment is a preallocated file of zeros that is filled from the front by *batches*; a
 * batch is what one write and one sync made durable together, and consists of one or more *records*:
 *
 *     offset  size  field (little-endian)
 *     0       4     CRC-32 of everything that follows in the record, padding included, seeded (see `recordSeed`)
 *     4       4     payload length, without padding
 *     8       1     record type
 *     9       1     flags: bit 0 = last record of its batch
 *     10      2     magic
 *     12      4     batch number, from 1 in each segment, no gaps
 *     16      …     payload, then zeros up to a multiple of 8 bytes
 *
 * The seed binds a record to its place: bytes of another segment, another batch or another WAL never verify, so neither
 * left-overs nor a client's value that looks like a record can be taken for one.
 */
export const RECORD_HEADER_BYTES = 16;
export const RECORD_ALIGN_BYTES = 8;
export const RECORD_MAGIC = 0x6448;
export const FLAG_LAST_OF_BATCH = 1;
export const FORMAT_VERSION = 1;

export const RecordType = {
  /** First record of each segment. */
  Metadata: 1,
  Entries: 2,
  HardState: 3,
  /** The voter configuration in force from an index on. */
  Configuration: 4,
  /** The log begins behind this index: a snapshot was installed. */
  Snapshot: 5,
} as const;
export type RecordType = (typeof RecordType)[keyof typeof RecordType];

/** CRC-32 (as in zlib) of `bytes`, continued from `seed`. The host supplies it; pure code has none that is fast. */
export type Checksum = (bytes: Uint8Array, seed: number) => number;

/** `nonce` is random per segment; 0 for the metadata record itself, which is what tells the nonce. */
export function recordSeed(segment: number, batch: number, nonce: number): number {
  return (Math.imul(segment, 0x9e3779b1) ^ Math.imul(batch, 0x85ebca77) ^ nonce) >>> 0;
}

export function paddedLength(payloadLength: number): number {
  return (payloadLength + RECORD_ALIGN_BYTES - 1) & -RECORD_ALIGN_BYTES;
}

export function recordLength(payloadLength: number): number {
  return RECORD_HEADER_BYTES + paddedLength(payloadLength);
}

/** The view that all fixed-width fields of `bytes` are read and written through. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const TWO_POW_32 = 0x1_0000_0000;

/** Writes an integer below 2^53 in 8 bytes. */
export function setUint53(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value >>> 0, true);
  view.setUint32(offset + 4, Math.floor(value / TWO_POW_32), true);
}

export function getUint53(view: DataView, offset: number): number {
  return view.getUint32(offset + 4, true) * TWO_POW_32 + view.getUint32(offset, true);
}
