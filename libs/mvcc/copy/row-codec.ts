import { CorruptionError, type Environment } from '../environment';
import { TABLES, type Table } from '../engine';

/**
 * A chunk of a copy: CRC-32 of what follows (u32), the chunk's number (u32), then rows: table (u8, top bit: deleted), key
 * length (u16), value length (u32), key, value. All big-endian. The number is under the checksum, so that a chunk that is
 * lost, repeated or out of order is noticed as well as one that is damaged.
 */
const HEAD_BYTES = 8;
const ROW_HEAD_BYTES = 7;
const DELETED = 0x80;

export class ChunkWriter {
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private at = HEAD_BYTES;
  rows = 0;

  /** `bytesMax`: a row is added while it fits, the first one always. */
  constructor(private readonly bytesMax: number) {
    this.bytes = new Uint8Array(bytesMax);
    this.view = new DataView(this.bytes.buffer);
  }

  /** False: the chunk is full and the row is not in it. A row that is larger than a whole chunk is `alone`. */
  add(table: Table, key: Uint8Array, value: Uint8Array | undefined): boolean {
    const size = ROW_HEAD_BYTES + key.length + (value?.length ?? 0);
    if (this.at + size > this.bytesMax) return false;
    this.at = writeRow(this.bytes, this.view, this.at, table, key, value);
    this.rows += 1;
    return true;
  }

  finish(number: number, environment: Environment): Uint8Array {
    return seal(this.bytes.subarray(0, this.at), number, environment);
  }
}

/** A chunk of one row, whatever its size. */
export function chunkOfRow(
  table: Table,
  key: Uint8Array,
  value: Uint8Array | undefined,
  number: number,
  environment: Environment,
): Uint8Array {
  const bytes = new Uint8Array(HEAD_BYTES + ROW_HEAD_BYTES + key.length + (value?.length ?? 0));
  writeRow(bytes, new DataView(bytes.buffer), HEAD_BYTES, table, key, value);
  return seal(bytes, number, environment);
}

function writeRow(
  bytes: Uint8Array,
  view: DataView,
  from: number,
  table: Table,
  key: Uint8Array,
  value: Uint8Array | undefined,
): number {
  view.setUint8(from, value === undefined ? table | DELETED : table);
  view.setUint16(from + 1, key.length);
  view.setUint32(from + 3, value?.length ?? 0);
  let at = from + ROW_HEAD_BYTES;
  bytes.set(key, at);
  at += key.length;
  if (value === undefined) return at;
  bytes.set(value, at);
  return at + value.length;
}

function seal(bytes: Uint8Array, number: number, environment: Environment): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  view.setUint32(4, number);
  view.setUint32(0, environment.crc32(bytes.subarray(4)));
  return bytes;
}

/**
 * Gives each row of the chunk that must be number `number`; value undefined: the row is deleted. The bytes are views.
 *
 * @throws CorruptionError when it is damaged or another chunk
 */
export function readChunk(
  bytes: Uint8Array,
  number: number,
  environment: Environment,
  onRow: (table: Table, key: Uint8Array, value: Uint8Array | undefined) => void,
): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < HEAD_BYTES || view.getUint32(0) !== environment.crc32(bytes.subarray(4)))
    throw new CorruptionError(`chunk ${number} of a store copy is damaged`);
  if (view.getUint32(4) !== number)
    throw new CorruptionError(`chunk ${view.getUint32(4)} of a store copy came in place of ${number}`);
  let rows = 0;
  for (let at = HEAD_BYTES; at < bytes.length; rows += 1) at = readRow(bytes, view, at, onRow);
  return rows;
}

function readRow(bytes: Uint8Array, view: DataView, from: number, onRow: Parameters<typeof readChunk>[3]): number {
  if (from + ROW_HEAD_BYTES > bytes.length) throw new CorruptionError('a row of a store copy is cut off');
  const flags = view.getUint8(from);
  const table = (flags & ~DELETED) as Table;
  const keyAt = from + ROW_HEAD_BYTES;
  const valueAt = keyAt + view.getUint16(from + 1);
  const end = valueAt + view.getUint32(from + 3);
  if (!TABLES.includes(table) || end > bytes.length) throw new CorruptionError('a row of a store copy makes no sense');
  onRow(table, bytes.subarray(keyAt, valueAt), (flags & DELETED) === 0 ? bytes.subarray(valueAt, end) : undefined);
  return end;
}
