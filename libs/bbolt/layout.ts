import { BoltError } from './errors';

/** How bbolt lays pages out; all integers are little-endian. */
export const PAGE_BYTES = 4096;
export const PAGE_HEADER_BYTES = 16;
export const ELEMENT_BYTES = 16;
export const BUCKET_HEADER_BYTES = 16;
export const MAGIC = 0xed0cdaed;
export const VERSION = 2;
export const KEY_BYTES_MAX = 32_768;
/** In bbolt 2^31 − 2; etcd has nothing near it, and a broken length must not take the memory of a whole machine. */
export const VALUE_BYTES_MAX = 256 * 1024 * 1024;

export const PageFlag = { BRANCH: 0x01, LEAF: 0x02, META: 0x04, FREELIST: 0x10 } as const;
/** Of a leaf element: its value is a bucket. */
export const BUCKET_FLAG = 0x01;
/** In the meta page: the free pages are not stored; whoever opens the file finds them. */
export const NO_FREELIST = 0xffff_ffff_ffff_ffffn;
/** Count of a freelist page whose first item is the true count. */
export const COUNT_OVERFLOW = 0xffff;

const META_BYTES = 64;
const CHECKED_BYTES = 56;

export interface Meta {
  readonly pageBytes: number;
  readonly rootPage: bigint;
  readonly sequence: bigint;
  readonly freelistPage: bigint;
  /** High-water mark: the number of pages that belong to the database. */
  readonly pages: bigint;
  readonly transaction: bigint;
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** FNV-1a of 64 bits (http://www.isthe.com/chongo/tech/comp/fnv/). */
export function fnv1a64(bytes: Uint8Array): bigint {
  let hash = 0xcbf2_9ce4_8422_2325n;
  for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100_0000_01b3n);
  return hash;
}

export interface PageHeader {
  readonly id: bigint;
  readonly flags: number;
  readonly count: number;
  readonly overflow: number;
}

export function writePageHeader(view: DataView, { id, flags, count, overflow }: PageHeader): void {
  view.setBigUint64(0, id, true);
  view.setUint16(8, flags, true);
  view.setUint16(10, count, true);
  view.setUint32(12, overflow, true);
}

export function readPageHeader(view: DataView): PageHeader {
  return {
    id: view.getBigUint64(0, true),
    flags: view.getUint16(8, true),
    count: view.getUint16(10, true),
    overflow: view.getUint32(12, true),
  };
}

export function encodeMetaPage(id: number, meta: Meta): Uint8Array {
  const page = new Uint8Array(meta.pageBytes);
  const view = viewOf(page);
  writePageHeader(view, { id: BigInt(id), flags: PageFlag.META, count: 0, overflow: 0 });
  const at = PAGE_HEADER_BYTES;
  view.setUint32(at, MAGIC, true);
  view.setUint32(at + 4, VERSION, true);
  view.setUint32(at + 8, meta.pageBytes, true);
  view.setBigUint64(at + 16, meta.rootPage, true);
  view.setBigUint64(at + 24, meta.sequence, true);
  view.setBigUint64(at + 32, meta.freelistPage, true);
  view.setBigUint64(at + 40, meta.pages, true);
  view.setBigUint64(at + 48, meta.transaction, true);
  view.setBigUint64(at + CHECKED_BYTES, fnv1a64(page.subarray(at, at + CHECKED_BYTES)), true);
  return page;
}

export const META_PAGE_BYTES = PAGE_HEADER_BYTES + META_BYTES;

/** Reads the start of a meta page; an error instead of a meta when it is none. */
export function decodeMetaPage(bytes: Uint8Array): Meta | BoltError {
  if (bytes.length < META_PAGE_BYTES) return new BoltError('truncated', 'the file ends within its first page');
  const view = viewOf(bytes);
  const at = PAGE_HEADER_BYTES;
  if (view.getUint32(at, true) !== MAGIC) return new BoltError('not-a-database', 'the file is not a bbolt database');
  const version = view.getUint32(at + 4, true);
  if (version !== VERSION) return new BoltError('bad-version', `bbolt format version ${version} is not supported`);
  if (view.getBigUint64(at + CHECKED_BYTES, true) !== fnv1a64(bytes.subarray(at, at + CHECKED_BYTES)))
    return new BoltError('bad-checksum', 'the checksum of a meta page does not match');
  return {
    pageBytes: view.getUint32(at + 8, true),
    rootPage: view.getBigUint64(at + 16, true),
    sequence: view.getBigUint64(at + 24, true),
    freelistPage: view.getBigUint64(at + 32, true),
    pages: view.getBigUint64(at + 40, true),
    transaction: view.getBigUint64(at + 48, true),
  };
}

/** Lexical order of unsigned bytes. */
export function compareKeys(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}
