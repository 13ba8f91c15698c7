import { compareBytes, copyBytes, equalBytes, readUint32, readUint64 } from './bytes';
import { type Engine, Table, TABLES } from './engine';
import { CorruptionError, type Environment } from './environment';
import { comparePlaces, decodeBlock, placeOf } from './history-blocks';
import { isMarker, restOf } from './long-keys';
import { decodeRecord, type Place } from './record';
import { openSmall } from './schema';

const TABLE_NAMES = ['latest', 'long', 'history', 'small'] as const;

/** Throws CorruptionError if a row is not what was written there. */
export function verifyRow(table: Table, key: Uint8Array, value: Uint8Array, environment: Environment): void {
  if (table === Table.Small) openSmall(key, value, environment);
  else if (table === Table.History) verifyBlock(key, value, environment);
  else if (isMarker(table, key)) {
    if (value.length !== 8)
      throw new CorruptionError(`the marker of a long key in table ${TABLE_NAMES[table]} is damaged`);
  } else {
    const where = (): string => `the row of key ${keyText(restOf(table, key))}`;
    const record = decodeRecord(value, environment, where);
    const rest = restOf(table, key);
    const own = record.key;
    if (!equalBytes(table === Table.Latest ? own : own.subarray(Math.max(0, own.length - rest.length)), rest))
      throw new CorruptionError(`${where()} is that of key ${keyText(own)}`);
  }
}

function verifyBlock(key: Uint8Array, value: Uint8Array, environment: Environment): void {
  const name = blockName(key);
  let last: Place = { main: readUint64(key, 0), sub: readUint32(key, 8) - 1 };
  for (const bytes of decodeBlock(key, value)) {
    const place = placeOf(decodeRecord(bytes, environment, () => `a version in ${name}`));
    if (comparePlaces(last, place) >= 0) throw new CorruptionError(`${name} is out of order`);
    last = place;
  }
}

export function blockName(key: Uint8Array): string {
  return `history block ${readUint64(key, 0)}.${readUint32(key, 8)}`;
}

/** A key as people may know it: printable, and not too long. */
export function keyText(key: Uint8Array): string {
  let text = '';
  for (const byte of key.subarray(0, 64))
    text +=
      byte >= 0x20 && byte < 0x7f && byte !== 0x22
        ? String.fromCharCode(byte)
        : `\\x${byte.toString(16).padStart(2, '0')}`;
  return `"${text}${key.length > 64 ? '…' : ''}"`;
}

/** Reads everything in the engine, some bytes at a time, and looks whether it is what was written: pages in order, rows by their checksums. */
export class Scrub {
  private tableAt = 0;
  private cursor: Uint8Array | undefined;

  constructor(
    private readonly engine: Engine,
    private readonly environment: Environment,
  ) {}

  /** Goes on for about `bytesMax` bytes, then gives true at the end of a time through. @throws CorruptionError; the next call goes on behind that row */
  slice(bytesMax: number): boolean {
    let left = bytesMax;
    while (left > 0) {
      const table = TABLES[this.tableAt];
      if (table === undefined) {
        this.tableAt = 0;
        return true;
      }
      left -= this.readTable(table, left);
    }
    return false;
  }

  /** Bytes read. */
  private readTable(table: Table, bytesMax: number): number {
    const before = this.cursor;
    const rows = this.engine.scan(table, { start: before });
    let bytes = 0;
    try {
      while (bytes < bytesMax) {
        if (!rows.next()) {
          this.tableAt += 1;
          this.cursor = undefined;
          return bytes;
        }
        const { key, value } = rows;
        bytes += key.length + value.length;
        const order = this.cursor === undefined ? 1 : compareBytes(key, this.cursor);
        if (order === 0 && this.cursor === before) continue;
        this.cursor = copyBytes(key);
        if (order <= 0) throw new CorruptionError(`keys of table ${TABLE_NAMES[table]} are out of order`);
        verifyRow(table, key, value, this.environment);
      }
      return bytes;
    } finally {
      rows.close();
    }
  }
}
