import { BoltError } from './errors';
import {
  BUCKET_FLAG,
  BUCKET_HEADER_BYTES,
  compareKeys,
  encodeMetaPage,
  KEY_BYTES_MAX,
  PAGE_BYTES,
  PAGE_HEADER_BYTES,
  PageFlag,
  VALUE_BYTES_MAX,
  viewOf,
  writePageHeader,
} from './layout';
import { type Element, elementBytes, fillPage } from './pages';

/** A key and its value, at most 32,768 and 256 Mi bytes; the key is not empty. */
export type BoltRow = readonly [key: Uint8Array, value: Uint8Array];

/** A bucket of the database's root. `rows` is asked once in each pass and must give the same rows, ascending by key. */
export interface BoltBucket {
  readonly name: Uint8Array;
  rows(): Iterable<BoltRow>;
}

/** What the first pass finds and the second starts from. */
export interface BoltPlan {
  readonly rootPage: number;
  readonly pages: number;
  /** Of the whole file. */
  readonly bytes: number;
}

const META_PAGES = 2;
const FREELIST_PAGE = 2;
const NO_BYTES = new Uint8Array(0);
/** As in bbolt: a bucket up to a quarter of a page lies in its parent. */
const INLINE_BYTES_MAX = PAGE_BYTES / 4;
const CHECK_EVERY_ROWS = 16;

/**
 * First pass: how large the file will be and where its root is. Yields now and then, so that the caller can let others
 * go on. Throws BoltError for rows that no bbolt database can hold.
 */
export function* planBoltFile(buckets: readonly BoltBucket[]): Generator<undefined, BoltPlan> {
  const pages = new PageRun(false);
  for (const _ of fill(pages, buckets)) {
    pages.taken();
    yield undefined;
  }
  return pages.plan();
}

/**
 * Second pass: the file's bytes in order, in runs of whole pages (possibly empty, so that the caller can let others go
 * on). Holds one page for each level of a tree, whatever the number of rows. Throws when the rows are not those of the
 * first pass.
 */
export function* writeBoltFile(buckets: readonly BoltBucket[], plan: BoltPlan): Generator<Uint8Array, void> {
  for (let id = 0; id < META_PAGES; id++) yield metaPage(id, plan);
  const freelist = new Uint8Array(PAGE_BYTES);
  writePageHeader(viewOf(freelist), { id: BigInt(FREELIST_PAGE), flags: PageFlag.FREELIST, count: 0, overflow: 0 });
  yield freelist;
  const pages = new PageRun(true);
  for (const _ of fill(pages, buckets)) {
    const taken = pages.taken();
    if (taken.length === 0) yield NO_BYTES;
    else yield* taken;
  }
  yield* pages.taken();
  const { rootPage, pages: count } = pages.plan();
  if (rootPage !== plan.rootPage || count !== plan.pages)
    throw new Error(`the second pass gave ${count} pages, the first ${plan.pages}`);
}

function metaPage(id: number, { rootPage, pages }: BoltPlan): Uint8Array {
  return encodeMetaPage(id, {
    pageBytes: PAGE_BYTES,
    rootPage: BigInt(rootPage),
    sequence: 0n,
    freelistPage: BigInt(FREELIST_PAGE),
    pages: BigInt(pages),
    // The first meta page is the one in force.
    transaction: BigInt(META_PAGES - id),
  });
}

/** Every page of every bucket, then the root's. */
function* fill(pages: PageRun, buckets: readonly BoltBucket[]): Generator<undefined, void> {
  const root = new TreeBuilder(pages);
  for (const source of buckets) {
    const bucket = new BucketBuilder(pages);
    let seen = 0;
    for (const [key, value] of source.rows()) {
      bucket.add(key, value);
      if (++seen % CHECK_EVERY_ROWS === 0) yield undefined;
    }
    root.add(source.name, bucket.finish(), BUCKET_FLAG);
    yield undefined;
  }
  pages.rootPage = root.finish();
}

/** The pages behind the meta pages and the freelist, numbered as they come. While planning they are only counted. */
class PageRun {
  rootPage = 0;
  private next = FREELIST_PAGE + 1;
  private finished: Uint8Array[] = [];

  constructor(private readonly keeps: boolean) {}

  /** Gives the id of the new page. */
  add(flags: number, bytes: number, elements: readonly Element[]): number {
    const id = this.next;
    const count = Math.ceil(bytes / PAGE_BYTES);
    this.next += count;
    if (this.keeps) {
      const page = new Uint8Array(count * PAGE_BYTES);
      fillPage(page, id, flags, count - 1, elements);
      this.finished.push(page);
    }
    return id;
  }

  taken(): readonly Uint8Array[] {
    const { finished } = this;
    if (finished.length > 0) this.finished = [];
    return finished;
  }

  plan(): BoltPlan {
    return { rootPage: this.rootPage, pages: this.next, bytes: this.next * PAGE_BYTES };
  }
}

/** A page that is being collected, and its size so far. */
class OpenPage {
  elements: Element[] = [];
  bytes = PAGE_HEADER_BYTES;

  add(element: Element): void {
    this.elements.push(element);
    this.bytes += elementBytes(element.key.length, element.value.length);
  }

  /** A page takes `elementsMin` whatever their size: with one key each, branches would never narrow down to a root. */
  hasRoomFor(element: Element, elementsMin: number): boolean {
    return (
      this.elements.length < elementsMin ||
      this.bytes + elementBytes(element.key.length, element.value.length) <= PAGE_BYTES
    );
  }

  reset(): void {
    this.elements = [];
    this.bytes = PAGE_HEADER_BYTES;
  }
}

/** A tree built from sorted rows: full pages leave at once, and their first keys go up to the level above. */
class TreeBuilder {
  /** The leaf, then the branches above it. */
  private readonly levels: OpenPage[] = [new OpenPage()];
  private last: Uint8Array | undefined;

  constructor(private readonly pages: PageRun) {}

  add(key: Uint8Array, value: Uint8Array, flags = 0): void {
    checkRow(this.last, key, value);
    this.last = key;
    this.put(0, { key, value, flags, child: 0 });
  }

  /** Gives the id of the root page. */
  finish(): number {
    for (let level = 0; ; level++) {
      const page = this.close(level);
      if (level === this.levels.length - 1) return page;
    }
  }

  private put(level: number, element: Element): void {
    let open = this.levels[level];
    if (open === undefined) {
      open = new OpenPage();
      this.levels.push(open);
    }
    if (!open.hasRoomFor(element, level === 0 ? 1 : 2)) this.close(level, true);
    open.add(element);
  }

  /** Ends a level's page; it goes up when there is, or will be, a page beside it. */
  private close(level: number, more = false): number {
    const open = this.levels[level] as OpenPage; // asked for existing levels only
    const id = this.pages.add(level === 0 ? PageFlag.LEAF : PageFlag.BRANCH, open.bytes, open.elements);
    const key = open.elements[0]?.key ?? NO_BYTES;
    open.reset();
    if (more || level < this.levels.length - 1) this.put(level + 1, { key, value: NO_BYTES, flags: 0, child: id });
    return id;
  }
}

function checkRow(last: Uint8Array | undefined, key: Uint8Array, value: Uint8Array): void {
  if (key.length === 0 || key.length > KEY_BYTES_MAX)
    throw new BoltError('too-large', `a key has ${key.length} bytes, not 1 to ${KEY_BYTES_MAX}`);
  if (value.length > VALUE_BYTES_MAX)
    throw new BoltError('too-large', `a value has ${value.length} bytes, at most ${VALUE_BYTES_MAX} are allowed`);
  if (last !== undefined && compareKeys(last, key) >= 0)
    throw new BoltError('unsorted-keys', 'keys must come in ascending order');
}

/** A bucket that stays inline while it is small. */
class BucketBuilder {
  private readonly inline = new OpenPage();
  private tree: TreeBuilder | undefined;

  constructor(private readonly pages: PageRun) {}

  add(key: Uint8Array, value: Uint8Array): void {
    const { inline } = this;
    if (this.tree !== undefined) return this.tree.add(key, value);
    const bytes = inline.bytes + elementBytes(key.length, value.length);
    if (bytes <= INLINE_BYTES_MAX) {
      checkRow(inline.elements.at(-1)?.key, key, value);
      return inline.add({ key, value, flags: 0, child: 0 });
    }
    this.tree = new TreeBuilder(this.pages);
    for (const element of inline.elements) this.tree.add(element.key, element.value);
    this.tree.add(key, value);
  }

  /** The bucket's value in the root. */
  finish(): Uint8Array {
    const { tree, inline } = this;
    const value = new Uint8Array(BUCKET_HEADER_BYTES + (tree === undefined ? inline.bytes : 0));
    if (tree === undefined) fillPage(value.subarray(BUCKET_HEADER_BYTES), 0, PageFlag.LEAF, 0, inline.elements);
    else viewOf(value).setBigUint64(0, BigInt(tree.finish()), true);
    return value;
  }
}
