import { compareBytes, NO_BYTES, sizeVarint, writeVarint } from './bytes';
import type { Version } from './record';
import { KeyCount } from './key-count';
import { keyAfter, RangeScan } from './range-scan';
import { Slab } from './slab';
import type { Int64, KeyValue, MvccError, Outcome, RangeQuery } from './types';
import type { Versions } from './versions';

const SortOrder = { None: 0, Ascend: 1, Descend: 2 } as const;
const SortTarget = { Key: 0, Version: 1, Create: 2, Mod: 3, Value: 4 } as const;

export interface RangeFound {
  readonly versions: readonly Version[];
  readonly more: boolean;
  readonly count: number;
}

export function failed(error: MvccError): { readonly ok: false; readonly error: MvccError } {
  return { ok: false, error };
}

/** The bounds that etcd's (key, range_end) means; undefined for a single key. The end undefined: open. */
export function boundsOf(
  key: Uint8Array,
  rangeEnd: Uint8Array,
): { start: Uint8Array | undefined; end: Uint8Array | undefined } | undefined {
  if (rangeEnd.length === 0) return undefined;
  const start = key.length === 0 ? undefined : key;
  return { start, end: rangeEnd.length === 1 && rangeEnd[0] === 0 ? undefined : rangeEnd };
}

/** The revision a request reads at, when `current` is the newest: 0 and below mean the current one. */
export function readRevision(requested: Int64, current: number, compacted: number): Outcome<number> {
  if (requested <= 0) return { ok: true, value: current };
  if (requested > current) return failed('future-revision');
  if (requested < compacted) return failed('compacted');
  return { ok: true, value: Number(requested) };
}

/**
 * etcd's Range: reads up to limit + 1 (everything if a sort order or a filter is asked for), drops by the filters, sorts,
 * cuts. The count is of all keys in the range, whatever the limit and the filters; what is not read for its own sake is
 * counted by the index.
 */
class RangeJob {
  private readonly scan: RangeScan;
  private readonly start: Uint8Array | undefined;
  private readonly end: Uint8Array | undefined;
  /** Undefined: everything is read, or is to be, since that is the quickest way to count. */
  private keyCount: KeyCount | undefined;
  private count: number | undefined;

  constructor(
    private readonly versions: Versions,
    private readonly query: RangeQuery,
    readonly revision: number,
  ) {
    const bounds = boundsOf(query.key, query.rangeEnd) ?? { start: undefined, end: NO_BYTES };
    this.start = bounds.start;
    this.end = bounds.end;
    const fetch = query.countOnly
      ? 0
      : isSorted(query) || isFiltered(query)
        ? Number.POSITIVE_INFINITY
        : limitOf(query) + 1;
    this.scan = new RangeScan(versions, this.start, this.end, revision, fetch);
    if (fetch === Number.POSITIVE_INFINITY) return;
    this.keyCount = new KeyCount(versions, this.start, this.end, revision);
    this.count = this.start && versions.pageCounts.get(this.start, this.end, revision);
  }

  /** So much of the answer has been found that it should be streamed, and can be. */
  exceeds(bytesMax: number): boolean {
    return this.scan.bytes > bytesMax && this.query.sortTarget === SortTarget.Key && !isSorted(this.query);
  }

  /** Does some work; true when nothing is left to do. */
  step(rowsMax: number, current: number): boolean {
    const { scan, keyCount } = this;
    scan.step(rowsMax, current, keyCount !== undefined);
    if (scan.isAtEnd) this.count = scan.count;
    if (keyCount === undefined) return scan.isAtEnd;
    if (!scan.hasFetched) return false;
    this.count ??= keyCount.step(rowsMax, current);
    if (keyCount.isTooOld) this.keyCount = undefined;
    return this.count !== undefined;
  }

  finish(): RangeFound {
    const { query, scan } = this;
    const { found } = scan;
    const count = this.count ?? scan.count;
    if (query.countOnly) return { versions: [], more: false, count };
    const limit = limitOf(query);
    const kept = isFiltered(query) ? found.filter((version) => passes(query, version)) : found;
    sortVersions(kept, query);
    return kept.length > limit
      ? { versions: kept.slice(0, limit), more: true, count }
      : { versions: kept, more: false, count };
  }

  /** The same, for a client that is likely to ask for the next page. */
  finishPage(): RangeFound {
    const found = this.finish();
    const last = found.versions.at(-1);
    if (found.more && last !== undefined && this.isInKeyOrder()) {
      const rest = found.count - found.versions.length;
      this.versions.pageCounts.set(keyAfter(last.key), this.end, this.revision, rest);
    }
    return found;
  }

  /** The answer is the first keys of the range, in their order. */
  private isInKeyOrder(): boolean {
    const { query } = this;
    return query.sortTarget === SortTarget.Key && !isSorted(query) && !isFiltered(query);
  }
}

function startRange(versions: Versions, query: RangeQuery, current: number): Outcome<RangeJob> {
  if (query.sortOrder < 0 || query.sortOrder > 2 || query.sortTarget < 0 || query.sortTarget > 4)
    return failed('invalid-sort-option');
  const at = readRevision(query.revision, current, versions.compactRevision);
  return at.ok ? { ok: true, value: new RangeJob(versions, query, at.value) } : at;
}

/** Whether all keys must be read before the first of the answer is known. */
function isSorted({ sortOrder, sortTarget }: RangeQuery): boolean {
  return sortOrder === SortOrder.Descend || (sortOrder === SortOrder.Ascend && sortTarget !== SortTarget.Key);
}

export function limitOf({ limit }: RangeQuery): number {
  return limit > 0 ? Number(limit) : Number.POSITIVE_INFINITY;
}

/** Answers at once. `isTransient`: the result is used up before the store is asked for anything else. */
export function findRange(
  versions: Versions,
  query: RangeQuery,
  current: number,
  isTransient = false,
): Outcome<RangeFound> {
  if (query.rangeEnd.length === 0) return findOne(versions, query, current, isTransient);
  const job = startRange(versions, query, current);
  if (!job.ok) return job;
  while (!job.value.step(Number.POSITIVE_INFINITY, current));
  return { ok: true, value: job.value.finish() };
}

const SLICE_ROWS = 1000;

/** The same for the current state, at once if the range is small, else in slices, with `pause` between them. */
export function findRangeSliced(
  versions: Versions,
  query: RangeQuery,
  pause: () => Promise<void>,
  bytesMax = Number.POSITIVE_INFINITY,
): Outcome<RangeFound> | Promise<Outcome<RangeFound>> {
  if (query.rangeEnd.length === 0) return findOne(versions, query, versions.revision, true);
  const job = startRange(versions, query, versions.revision);
  if (!job.ok) return job;
  const isDone = job.value.step(SLICE_ROWS, versions.revision);
  if (job.value.exceeds(bytesMax)) return failed('too-large');
  return isDone ? { ok: true, value: job.value.finishPage() } : goOn(versions, job.value, pause, bytesMax);
}

async function goOn(
  versions: Versions,
  job: RangeJob,
  pause: () => Promise<void>,
  bytesMax: number,
): Promise<Outcome<RangeFound>> {
  for (;;) {
    await pause();
    if (job.revision < versions.compactRevision) return failed('compacted');
    const isDone = job.step(SLICE_ROWS, versions.revision);
    if (job.exceeds(bytesMax)) return failed('too-large');
    if (isDone) return { ok: true, value: job.finishPage() };
  }
}

function findOne(versions: Versions, query: RangeQuery, current: number, isTransient: boolean): Outcome<RangeFound> {
  const { key, sortOrder, sortTarget } = query;
  if (sortOrder < 0 || sortOrder > 2 || sortTarget < 0 || sortTarget > 4) return failed('invalid-sort-option');
  const at = readRevision(query.revision, current, versions.compactRevision);
  if (!at.ok) return at;
  const last = key.length === 0 ? undefined : isTransient ? versions.peek(key) : versions.latest(key);
  const version = last && versions.resolve(last, at.value);
  if (version === undefined) return { ok: true, value: NOTHING };
  const isKept = !query.countOnly && (!isFiltered(query) || passes(query, version));
  return { ok: true, value: { versions: isKept ? [version] : [], more: false, count: 1 } };
}

const NOTHING: RangeFound = { versions: [], more: false, count: 0 };

export function isFiltered(query: RangeQuery): boolean {
  // `!=`, since 0n and 0 both mean none.
  return (
    query.minModRevision != 0 ||
    query.maxModRevision != 0 ||
    query.minCreateRevision != 0 ||
    query.maxCreateRevision != 0
  );
}

export function passes(query: RangeQuery, { modRevision, createRevision }: Version): boolean {
  if (query.maxModRevision != 0 && modRevision > query.maxModRevision) return false;
  if (query.minModRevision != 0 && modRevision < query.minModRevision) return false;
  if (query.maxCreateRevision != 0 && createRevision > query.maxCreateRevision) return false;
  return query.minCreateRevision == 0 || createRevision >= query.minCreateRevision;
}

/** Sorts in place what is in key order. A target without an order means ascending; keys ascend already. */
function sortVersions(found: Version[], { sortOrder, sortTarget }: RangeQuery): void {
  const sign = sortOrder === SortOrder.Descend ? -1 : 1;
  if (sortTarget === SortTarget.Key) {
    if (sign < 0) found.reverse();
    return;
  }
  if (sortTarget === SortTarget.Value) found.sort((a, b) => sign * compareBytes(a.value, b.value));
  else if (sortTarget === SortTarget.Version) found.sort((a, b) => sign * (a.version - b.version));
  else if (sortTarget === SortTarget.Create) found.sort((a, b) => sign * (a.createRevision - b.createRevision));
  else found.sort((a, b) => sign * (a.modRevision - b.modRevision));
}

/** A version without its value, for keys_only. */
export function withoutValue({ key, createRevision, modRevision, version, lease }: Version): KeyValue {
  return { key, createRevision, modRevision, version, lease, value: NO_BYTES };
}

const responses = new Slab();
export const TAG_HEADER = 0x0a;
export const TAG_KVS = 0x12;
export const TAG_MORE = 0x18;
export const TAG_COUNT = 0x20;

/** The encoded etcdserverpb.RangeResponse; every stored KeyValue is copied as it is. */
export function encodeRangeResponse(found: RangeFound, keysOnly: boolean, header: Uint8Array): Uint8Array {
  const kvs: Uint8Array[] = [];
  let size =
    1 +
    sizeVarint(header.length) +
    header.length +
    (found.more ? 2 : 0) +
    (found.count > 0 ? 1 + sizeVarint(found.count) : 0);
  for (const version of found.versions) {
    const kv = keysOnly ? kvWithoutValue(version) : version.kv;
    kvs.push(kv);
    size += 1 + sizeVarint(kv.length) + kv.length;
  }
  const bytes = responses.take(size);
  let pos = delimited(bytes, 0, TAG_HEADER, header);
  for (const kv of kvs) pos = delimited(bytes, pos, TAG_KVS, kv);
  if (found.more) {
    bytes[pos++] = TAG_MORE;
    bytes[pos++] = 1;
  }
  if (found.count > 0) {
    bytes[pos++] = TAG_COUNT;
    writeVarint(bytes, pos, found.count);
  }
  return bytes;
}

function delimited(target: Uint8Array, at: number, tag: number, bytes: Uint8Array): number {
  target[at] = tag;
  const pos = writeVarint(target, at + 1, bytes.length);
  target.set(bytes, pos);
  return pos + bytes.length;
}

/** The stored KeyValue with the value field cut out. */
export function kvWithoutValue(version: Version): Uint8Array {
  const { kv, valueBytes } = version;
  if (valueBytes === 0) return kv;
  const fieldBytes = 1 + sizeVarint(valueBytes) + valueBytes;
  const before = version.valueStart - version.kvStart + valueBytes - fieldBytes;
  const cut = new Uint8Array(kv.length - fieldBytes);
  cut.set(kv.subarray(0, before));
  cut.set(kv.subarray(before + fieldBytes), before);
  return cut;
}
