import { firstIndex } from './ordered-keys';
import type { Versions } from './versions';

/** Rows that one segment is made of. */
const SEGMENT_ROWS = 1_000;
/** A segment with more than so many times that is split before it is counted in part. */
const OVERSIZE = 2;
/** Beyond it neighbours are joined, and segments are twice as large from then on. */
const SEGMENTS_MAX = 32_768;
const UNKNOWN = -1;

/**
 * How many live keys a range has, without reading all of them each time: the key space is cut into segments of about a
 * thousand rows, and the number of live keys in each is kept up to date with every key that is created or deleted. A segment is
 * made when somebody counts there for the first time, so a start costs nothing, and nothing is stored. For a million keys it is
 * a thousand segments.
 */
export class CountIndex {
  /** Latin1; segment i has the keys from starts[i] to before starts[i + 1]. */
  private starts: string[] = [''];
  /** Live keys of each segment as of now, an open write included, or UNKNOWN. */
  private counts: number[] = [UNKNOWN];
  /** Rows of each segment, tombstones too, at most. */
  private rows: number[] = [0];

  constructor(
    private readonly versions: Versions,
    private segmentRows = SEGMENT_ROWS,
    private readonly segmentsMax = SEGMENTS_MAX,
  ) {}

  get segments(): number {
    return this.starts.length;
  }

  /** A key was created (1) or deleted (−1). */
  changed(text: string, by: 1 | -1): void {
    if (this.starts.length === 1) {
      // Nobody has counted yet, or it is all one segment.
      if (this.counts[0] === UNKNOWN) return;
    }
    const at = this.at(text);
    const before = this.counts[at] as number; // `at` is a segment
    if (before === UNKNOWN) return;
    this.counts[at] = before + by;
    if (by === 1) this.rows[at] = (this.rows[at] as number) + 1;
  }

  /**
   * The live keys with start ≤ key < end as of now (undefined: open). Reads at most about `rowsMax` rows; when that was not
   * enough, gives undefined and gets on with it at the next call.
   */
  count(start: Uint8Array | undefined, end: Uint8Array | undefined, rowsMax: number): number | undefined {
    const { latin1 } = this.versions.environment;
    const from = start === undefined ? '' : latin1(start);
    const to = end === undefined ? undefined : latin1(end);
    if (to !== undefined && from >= to) return 0;
    if (!this.learn(from, to, rowsMax)) return undefined;
    return this.sum(from, to);
  }

  /** Makes sure that no segment of the range is unknown or too large. False: there is more to read. */
  private learn(from: string, to: string | undefined, rowsMax: number): boolean {
    this.cutUnknown(from);
    if (to !== undefined) this.cutUnknown(to);
    let left = rowsMax;
    for (let at = this.at(from); at < this.starts.length; at++) {
      if (to !== undefined && (this.starts[at] as string) >= to) break;
      if (!this.isToBeRead(at, from, to)) continue;
      if (left <= 0) return false;
      left -= this.read(at);
    }
    if (this.starts.length > this.segmentsMax) this.join();
    return true;
  }

  private isToBeRead(at: number, from: string, to: string | undefined): boolean {
    if (this.counts[at] === UNKNOWN) return true;
    return !this.isInside(at, from, to) && (this.rows[at] as number) > OVERSIZE * this.segmentRows;
  }

  /** Whether the whole segment is in the range. */
  private isInside(at: number, from: string, to: string | undefined): boolean {
    const end = this.starts[at + 1];
    return (this.starts[at] as string) >= from && (to === undefined || (end !== undefined && end <= to));
  }

  /** An unknown segment may be cut anywhere. */
  private cutUnknown(text: string): void {
    const at = this.at(text);
    if (this.counts[at] === UNKNOWN && this.starts[at] !== text) this.insert(at + 1, text, UNKNOWN, 0);
  }

  /** Counts the first rows of a segment, which becomes a segment of these and one of the rest. Gives the rows read. */
  private read(at: number): number {
    const start = this.starts[at] as string;
    const end = this.starts[at + 1];
    const before = this.counts[at] as number;
    const rowsBefore = this.rows[at] as number;
    const { count, rows, next } = this.scan(start, end, this.segmentRows);
    this.counts[at] = count;
    this.rows[at] = rows;
    if (next === undefined) return rows;
    this.insert(at + 1, next, before === UNKNOWN ? UNKNOWN : before - count, Math.max(0, rowsBefore - rows));
    return rows;
  }

  private sum(from: string, to: string | undefined): number {
    let sum = 0;
    for (let at = this.at(from); at < this.starts.length; at++) {
      const start = this.starts[at] as string;
      if (to !== undefined && start >= to) break;
      if (this.isInside(at, from, to)) sum += this.counts[at] as number;
      else {
        const end = this.starts[at + 1];
        const partEnd = to === undefined || (end !== undefined && end < to) ? end : to;
        sum += this.scan(start > from ? start : from, partEnd, Number.POSITIVE_INFINITY).count;
      }
    }
    return sum;
  }

  /** Live keys among the next rows; `next`: the first key that was not looked at. */
  private scan(from: string, to: string | undefined, rowsMax: number) {
    const cursor = this.versions.scan(bytesOf(from), to === undefined ? undefined : bytesOf(to));
    let count = 0;
    let rows = 0;
    try {
      while (cursor.next()) {
        if (rows === rowsMax) return { count, rows, next: this.versions.environment.latin1(cursor.key()) };
        rows++;
        if (!cursor.isDelete()) count++;
      }
    } finally {
      cursor.close();
    }
    return { count, rows, next: undefined };
  }

  /** The segment that a key is in. */
  private at(text: string): number {
    return firstIndex(this.starts.length, (i) => (this.starts[i] as string) > text) - 1;
  }

  private insert(at: number, start: string, count: number, rows: number): void {
    this.starts.splice(at, 0, start);
    this.counts.splice(at, 0, count);
    this.rows.splice(at, 0, rows);
  }

  private join(): void {
    const { starts, counts, rows } = this;
    this.starts = [];
    this.counts = [];
    this.rows = [];
    for (let at = 0; at < starts.length; at += 2) {
      const first = counts[at] as number;
      const second = counts[at + 1] ?? 0;
      this.starts.push(starts[at] as string);
      this.counts.push(first === UNKNOWN || second === UNKNOWN ? UNKNOWN : first + second);
      this.rows.push((rows[at] as number) + (rows[at + 1] ?? 0));
    }
    this.segmentRows *= 2;
  }
}

/** Undefined for the empty text: no bound. */
function bytesOf(latin1: string): Uint8Array | undefined {
  if (latin1 === '') return undefined;
  const bytes = new Uint8Array(latin1.length);
  for (let i = 0; i < latin1.length; i++) bytes[i] = latin1.charCodeAt(i);
  return bytes;
}
