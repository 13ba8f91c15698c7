import { BoltError } from './errors';
import {
  BUCKET_FLAG,
  BUCKET_HEADER_BYTES,
  compareKeys,
  COUNT_OVERFLOW,
  decodeMetaPage,
  ELEMENT_BYTES,
  KEY_BYTES_MAX,
  type Meta,
  META_PAGE_BYTES,
  NO_FREELIST,
  PAGE_HEADER_BYTES,
  PageFlag,
  readPageHeader,
  VALUE_BYTES_MAX,
  viewOf,
} from './layout';
import { PageSet } from './page-set';

/** A file's bytes; `read` gives fewer where the file ends. What it gives is not changed afterwards. */
export interface ByteSource {
  readonly size: number;
  read(offset: number, length: number): Uint8Array;
}

export interface BoltEntry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  /** The value is a bucket's header, and its page when that is inline. */
  readonly isBucket: boolean;
}

const PAGE_SIZES_TRIED = 16;
const PAGE_BYTES_MIN = 1024;
const PAGE_BYTES_MAX = 1 << 20;
/** A tree of 2^64 keys with two in a page is no deeper. */
const DEPTH_MAX = 64;
const NESTING_MAX = 8;
const FREELIST_CHUNK_BYTES = 64 * 1024;

/**
 * A bbolt database that may be damaged. Everything that is followed is checked first; what is wrong is a BoltError. Memory
 * is bounded by the largest page run plus one bit per page.
 */
export class BoltFile {
  /** Of the whole database, without what the file may have behind it. */
  readonly bytes: number;
  readonly transaction: bigint;
  private readonly pageBytes: number;
  private readonly pages: number;

  private constructor(
    private readonly source: ByteSource,
    private readonly meta: Meta,
  ) {
    this.pageBytes = meta.pageBytes;
    this.pages = Number(meta.pages);
    this.bytes = this.pages * this.pageBytes;
    this.transaction = meta.transaction;
  }

  /** Finds the meta page in force. Throws BoltError when there is none, or the file is shorter than it says. */
  static open(source: ByteSource): BoltFile {
    const meta = findMeta(source);
    const { pageBytes, pages } = meta;
    if (pageBytes < PAGE_BYTES_MIN || pageBytes > PAGE_BYTES_MAX || (pageBytes & (pageBytes - 1)) !== 0)
      throw new BoltError('bad-meta', `the meta page names a page size of ${pageBytes} bytes`);
    const held = Math.floor(source.size / pageBytes);
    if (pages > BigInt(held)) {
      throw new BoltError(
        'truncated',
        `the file is truncated: the database has ${pages} pages of ${pageBytes} bytes, the file ${held}`,
      );
    }
    if (pages < 3n) throw new BoltError('bad-meta', `the meta page counts ${pages} pages`);
    return new BoltFile(source, meta);
  }

  /** The root's buckets in order of name. */
  buckets(): Generator<BoltEntry, void> {
    return this.entries(this.meta.rootPage, new PageSet(this.pages));
  }

  /** The rows of a bucket of the root; none if there is no such bucket. */
  *rows(name: Uint8Array): Generator<BoltEntry, void> {
    for (const bucket of this.buckets()) {
      if (!bucket.isBucket || compareKeys(bucket.key, name) !== 0) continue;
      yield* this.rowsOf(bucket, new PageSet(this.pages));
      return;
    }
  }

  /** Reads every page of every bucket and the freelist. Yields each bucket of the root and each of its rows. Throws BoltError. */
  *check(): Generator<{ readonly bucket: Uint8Array; readonly row: BoltEntry | undefined }, void> {
    const seen = new PageSet(this.pages);
    this.checkFreelist(seen);
    for (const bucket of this.entries(this.meta.rootPage, seen)) {
      yield { bucket: bucket.key, row: undefined };
      if (!bucket.isBucket) throw new BoltError('bad-page', 'the root holds something that is no bucket');
      for (const row of this.rowsOf(bucket, seen)) {
        if (row.isBucket) this.checkNested(row, seen, 1);
        yield { bucket: bucket.key, row };
      }
    }
  }

  private checkNested(bucket: BoltEntry, seen: PageSet, depth: number): void {
    if (depth > NESTING_MAX) throw new BoltError('too-deep', 'buckets are nested too deeply');
    for (const row of this.rowsOf(bucket, seen)) if (row.isBucket) this.checkNested(row, seen, depth + 1);
  }

  private rowsOf({ value }: BoltEntry, seen: PageSet): Generator<BoltEntry, void> {
    if (value.length < BUCKET_HEADER_BYTES) throw new BoltError('bad-page', 'a bucket has no complete header');
    const root = viewOf(value).getBigUint64(0, true);
    if (root !== 0n) return this.entries(root, seen);
    return inlineRows(value.subarray(BUCKET_HEADER_BYTES));
  }

  /** All elements below a page in key order. */
  private *entries(root: bigint, seen: PageSet): Generator<BoltEntry, void> {
    const path: { readonly page: Page; next: number }[] = [{ page: this.page(root, seen), next: 0 }];
    let last: Uint8Array | undefined;
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const { page } = top;
      if (top.next === page.count) {
        path.pop();
      } else if (page.isLeaf) {
        const entry = page.leafElement(top.next++);
        if (last !== undefined && compareKeys(last, entry.key) >= 0)
          throw new BoltError('unsorted-keys', `page ${page.id} has a key that is not above the one before it`);
        last = entry.key;
        yield entry;
      } else {
        if (path.length === DEPTH_MAX) throw new BoltError('too-deep', `page ${page.id} lies too deep in its tree`);
        const { key, child } = page.branchElement(top.next++);
        const below = this.page(child, seen);
        if (below.count > 0 && compareKeys(below.firstKey(), key) < 0)
          throw new BoltError('unsorted-keys', `page ${below.id} begins below its key in page ${page.id}`);
        path.push({ page: below, next: 0 });
      }
    }
  }

  /** Reads a page of a tree, once. */
  private page(id: bigint, seen: PageSet): Page {
    const { pageBytes } = this;
    const at = this.inRange(id);
    const header = readPageHeader(viewOf(this.read(at * pageBytes, PAGE_HEADER_BYTES)));
    if (header.id !== id) throw new BoltError('bad-page', `page ${id} says that it is page ${header.id}`);
    if (header.flags !== PageFlag.LEAF && header.flags !== PageFlag.BRANCH)
      throw new BoltError('bad-page', `page ${id} is neither a branch nor a leaf (flags ${header.flags})`);
    this.claim(at, header.overflow, seen);
    const length = (header.overflow + 1) * pageBytes;
    const read = (offset: number, bytes: number): Uint8Array => this.read(at * pageBytes + offset, bytes);
    // Most pages are one; a longer run is read piece by piece.
    const whole = header.overflow === 0 ? read(0, length) : undefined;
    const cached = whole === undefined ? read : (offset: number, n: number) => whole.subarray(offset, offset + n);
    return new Page(String(id), header.flags === PageFlag.LEAF, header.count, length, cached);
  }

  private claim(at: number, overflow: number, seen: PageSet): void {
    if (at + overflow >= this.pages)
      throw new BoltError(
        'page-out-of-range',
        `page ${at} goes on for ${overflow} pages, beyond the last of ${this.pages}`,
      );
    const twice = seen.add(at, overflow + 1);
    if (twice !== undefined) throw new BoltError('page-used-twice', `page ${twice} is used twice`);
  }

  private inRange(id: bigint): number {
    if (id < 2n || id >= this.meta.pages)
      throw new BoltError('page-out-of-range', `page ${id} is referred to, but pages are 2 to ${this.meta.pages - 1n}`);
    return Number(id);
  }

  /** Free pages must be in range and ascending; those in use as well show when a tree comes to them. */
  private checkFreelist(seen: PageSet): void {
    const { freelistPage } = this.meta;
    if (freelistPage === NO_FREELIST) return;
    const at = this.inRange(freelistPage);
    const start = at * this.pageBytes;
    const { flags, count, overflow } = readPageHeader(viewOf(this.read(start, PAGE_HEADER_BYTES)));
    if (flags !== PageFlag.FREELIST) throw new BoltError('bad-page', `page ${at} is not the freelist (flags ${flags})`);
    this.claim(at, overflow, seen);
    const isLong = count === COUNT_OVERFLOW;
    const items = isLong ? viewOf(this.read(start + PAGE_HEADER_BYTES, 8)).getBigUint64(0, true) : BigInt(count);
    const first = PAGE_HEADER_BYTES + (isLong ? 8 : 0);
    if (items * 8n + BigInt(first) > BigInt((overflow + 1) * this.pageBytes))
      throw new BoltError('bad-page', `the freelist counts ${items} pages, more than it can hold`);
    this.checkFreePages(start + first, Number(items), seen);
  }

  private checkFreePages(start: number, count: number, seen: PageSet): void {
    const end = start + count * 8;
    for (let from = start; from < end; from += FREELIST_CHUNK_BYTES) {
      const view = viewOf(this.read(from, Math.min(FREELIST_CHUNK_BYTES, end - from)));
      for (let at = 0; at < view.byteLength; at += 8) this.claim(this.inRange(view.getBigUint64(at, true)), 0, seen);
    }
  }

  private read(offset: number, length: number): Uint8Array {
    const bytes = this.source.read(offset, length);
    if (bytes.length < length)
      throw new BoltError('truncated', `the file is truncated at byte ${offset + bytes.length}`);
    return bytes;
  }
}

/** Of the two meta pages that are sound, the one of the later transaction. The second is where the first's page ends. */
function findMeta(source: ByteSource): Meta {
  const first = decodeMetaPage(source.read(0, META_PAGE_BYTES));
  if (!(first instanceof BoltError)) {
    const second = decodeMetaPage(source.read(first.pageBytes, META_PAGE_BYTES));
    return second instanceof BoltError || second.transaction < first.transaction ? first : second;
  }
  // Without the first page the page size is not known: the second names its own.
  for (let i = 0; i < PAGE_SIZES_TRIED; i++) {
    const at = PAGE_BYTES_MIN << i;
    if (at + META_PAGE_BYTES > source.size) break;
    const second = decodeMetaPage(source.read(at, META_PAGE_BYTES));
    if (!(second instanceof BoltError) && second.pageBytes === at) return second;
  }
  throw first;
}

interface BranchElement {
  readonly key: Uint8Array;
  readonly child: bigint;
}

/** A branch or leaf page, or the page of an inline bucket; every position in it is checked before it is followed. */
class Page {
  constructor(
    readonly id: string,
    readonly isLeaf: boolean,
    readonly count: number,
    private readonly length: number,
    private readonly read: (offset: number, length: number) => Uint8Array,
  ) {
    if (PAGE_HEADER_BYTES + count * ELEMENT_BYTES > length)
      throw new BoltError('bad-page', `page ${id} counts ${count} elements, more than it can hold`);
  }

  leafElement(index: number): BoltEntry {
    const { at, view } = this.element(index);
    const keyBytes = view.getUint32(8, true);
    const valueBytes = view.getUint32(12, true);
    const position = at + view.getUint32(4, true);
    this.checkKey(position, keyBytes, index);
    if (valueBytes > VALUE_BYTES_MAX)
      throw new BoltError('too-large', `element ${index} of page ${this.id} has a value of ${valueBytes} bytes`);
    this.checkInside(position + keyBytes + valueBytes, index);
    const bytes = this.read(position, keyBytes + valueBytes);
    const key = bytes.subarray(0, keyBytes);
    return { key, value: bytes.subarray(keyBytes), isBucket: (view.getUint32(0, true) & BUCKET_FLAG) !== 0 };
  }

  branchElement(index: number): BranchElement {
    const { at, view } = this.element(index);
    const position = at + view.getUint32(0, true);
    const keyBytes = view.getUint32(4, true);
    this.checkKey(position, keyBytes, index);
    return { key: this.read(position, keyBytes), child: view.getBigUint64(8, true) };
  }

  firstKey(): Uint8Array {
    return this.isLeaf ? this.leafElement(0).key : this.branchElement(0).key;
  }

  private element(index: number): { at: number; view: DataView } {
    const at = PAGE_HEADER_BYTES + index * ELEMENT_BYTES;
    return { at, view: viewOf(this.read(at, ELEMENT_BYTES)) };
  }

  private checkKey(position: number, keyBytes: number, index: number): void {
    if (keyBytes === 0 || keyBytes > KEY_BYTES_MAX)
      throw new BoltError('bad-page', `element ${index} of page ${this.id} has a key of ${keyBytes} bytes`);
    if (position < PAGE_HEADER_BYTES + this.count * ELEMENT_BYTES)
      throw new BoltError('bad-page', `the key of element ${index} of page ${this.id} lies in the element table`);
    this.checkInside(position + keyBytes, index);
  }

  private checkInside(end: number, index: number): void {
    if (end > this.length)
      throw new BoltError('bad-page', `element ${index} of page ${this.id} reaches beyond the page`);
  }
}

function* inlineRows(bytes: Uint8Array): Generator<BoltEntry, void> {
  if (bytes.length < PAGE_HEADER_BYTES) throw new BoltError('bad-page', 'an inline bucket has no complete page');
  const { flags, count } = readPageHeader(viewOf(bytes));
  if (flags !== PageFlag.LEAF) throw new BoltError('bad-page', `an inline bucket's page is no leaf (flags ${flags})`);
  const page = new Page('(inline)', true, count, bytes.length, (offset, length) =>
    bytes.subarray(offset, offset + length),
  );
  let last: Uint8Array | undefined;
  for (let index = 0; index < count; index++) {
    const entry = page.leafElement(index);
    if (last !== undefined && compareKeys(last, entry.key) >= 0)
      throw new BoltError('unsorted-keys', 'an inline bucket has a key that is not above the one before it');
    last = entry.key;
    yield entry;
  }
}
