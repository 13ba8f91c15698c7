/**
 * hexad.LogEntry by hand: the one encoding of an entry in the WAL, on peer links and in deliveries. Byte for byte what
 * the generated code makes (proto3, ascending fields, defaults left out), at a fraction of its cost.
 */
import type { LogEntry } from '../raft';

const TAG_TERM = 0x08;
const TAG_INDEX = 0x10;
const TAG_TYPE = 0x18;
const TAG_DATA = 0x22;
const NO_DATA = new Uint8Array(0);

export function sizeVarint(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x20_0000) return 3;
  if (value < 0x1000_0000) return 4;
  let bytes = 5;
  for (let rest = Math.floor(value / 0x8_0000_0000); rest > 0; rest = Math.floor(rest / 0x80)) bytes += 1;
  return bytes;
}

/** Writes `value` (an integer below 2^53) at `at` and returns the offset behind it. */
export function writeVarint(target: Uint8Array, at: number, value: number): number {
  let rest = value;
  while (rest >= 0x8000_0000) {
    target[at++] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  while (rest >= 0x80) {
    target[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  target[at++] = rest;
  return at;
}

/** Bytes of the encoded entry, without a length in front. */
export function sizeLogEntry(entry: LogEntry): number {
  let size = 0;
  if (entry.term !== 0) size += 1 + sizeVarint(entry.term);
  if (entry.index !== 0) size += 1 + sizeVarint(entry.index);
  if (entry.type !== 0) size += 1 + sizeVarint(entry.type);
  const length = entry.data.length;
  if (length !== 0) size += 1 + sizeVarint(length) + length;
  return size;
}

/** Writes the encoded entry at `at` and returns the offset behind it; its data ends there. */
export function writeLogEntry(target: Uint8Array, at: number, entry: LogEntry): number {
  if (entry.term !== 0) {
    target[at++] = TAG_TERM;
    at = writeVarint(target, at, entry.term);
  }
  if (entry.index !== 0) {
    target[at++] = TAG_INDEX;
    at = writeVarint(target, at, entry.index);
  }
  if (entry.type !== 0) {
    target[at++] = TAG_TYPE;
    at = writeVarint(target, at, entry.type);
  }
  const length = entry.data.length;
  if (length === 0) return at;
  target[at++] = TAG_DATA;
  at = writeVarint(target, at, length);
  target.set(entry.data, at);
  return at + length;
}

/** Thrown by the decoders on bytes that are no encoding; a checksum has passed before, so this is a broken invariant. */
export class LogEntryFormatError extends Error {
  override readonly name = 'LogEntryFormatError';
}

/** Reads varints; `at` is the next offset. One instance serves a whole sequence of entries. */
export class EntryReader {
  constructor(
    private readonly bytes: Uint8Array,
    public at: number,
    private readonly end: number,
  ) {}

  varint(): number {
    let value = 0;
    let scale = 1;
    for (let read = 0; read < 8; read += 1) {
      if (this.at >= this.end) throw new LogEntryFormatError('truncated varint');
      const byte = this.bytes[this.at++] as number; // in range: checked above
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 0x80;
    }
    throw new LogEntryFormatError('varint beyond 2^53');
  }

  /** Reads the entry that fills the next `length` bytes. Its data is a view of the input. */
  entry(length: number): LogEntry {
    const end = this.at + length;
    if (end > this.end) throw new LogEntryFormatError('truncated entry');
    let term = 0;
    let index = 0;
    let type = 0;
    let data: Uint8Array = NO_DATA;
    while (this.at < end) {
      const tag = this.varint();
      if (tag === TAG_TERM) term = this.varint();
      else if (tag === TAG_INDEX) index = this.varint();
      else if (tag === TAG_TYPE) type = this.varint();
      else if (tag === TAG_DATA) data = this.data(end);
      else throw new LogEntryFormatError(`unknown tag ${tag}`);
    }
    if (this.at !== end) throw new LogEntryFormatError('field passes the end of its entry');
    return { term, index, type, data };
  }

  private data(end: number): Uint8Array {
    const length = this.varint();
    const from = this.at;
    if (from + length > end) throw new LogEntryFormatError('truncated data');
    this.at = from + length;
    return this.bytes.subarray(from, this.at);
  }
}
