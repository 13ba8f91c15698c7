import { EtcdFileError } from './errors';

const SEPARATOR = 0x5f; // '_'
const TOMBSTONE = 0x74; // 't'
const REVISION_BYTES = 17;
/** Revisions are numbers below 2^53, and a revision has no more operations than this store can count. */
const SUB_MAX = 0xffff_ffff;

export interface RevisionKey {
  readonly main: number;
  readonly sub: number;
  readonly isDelete: boolean;
}

/** main (8 bytes, big-endian) _ sub (8 bytes), and `t` for a tombstone. */
export function revisionKey(main: number, sub: number, isDelete = false): Uint8Array {
  const key = new Uint8Array(REVISION_BYTES + (isDelete ? 1 : 0));
  const view = new DataView(key.buffer);
  view.setBigUint64(0, BigInt(main));
  key[8] = SEPARATOR;
  view.setBigUint64(9, BigInt(sub));
  if (isDelete) key[REVISION_BYTES] = TOMBSTONE;
  return key;
}

/** Throws EtcdFileError; `where` says what was read. */
export function revisionOf(key: Uint8Array, where: string): RevisionKey {
  const isDelete = key.length === REVISION_BYTES + 1 && key[REVISION_BYTES] === TOMBSTONE;
  if ((key.length !== REVISION_BYTES && !isDelete) || key[8] !== SEPARATOR)
    throw new EtcdFileError(`${where} is no revision: ${hex(key)}`);
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
  const sub = view.getBigUint64(9);
  if (sub > BigInt(SUB_MAX)) throw new EtcdFileError(`${where} has sub-revision ${sub}, beyond ${SUB_MAX}`);
  return { main: safe(view.getBigUint64(0), where), sub: Number(sub), isDelete };
}

export function uint64Field(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value));
  return bytes;
}

export function uint64Of(bytes: Uint8Array, where: string): bigint {
  if (bytes.length !== 8) throw new EtcdFileError(`${where} has ${bytes.length} bytes, not 8`);
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getBigUint64(0);
}

/** An integer that is exact as a number. */
export function safe(value: number | bigint, where: string): number {
  if (value < 0 || value > Number.MAX_SAFE_INTEGER)
    throw new EtcdFileError(`${where} is ${value}, which is not from 0 to 2^53 - 1`);
  return Number(value);
}

export function hex(bytes: Uint8Array): string {
  const shown = bytes.subarray(0, 40);
  const text = Array.from(shown, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return bytes.length > shown.length ? `${text}…` : text;
}
