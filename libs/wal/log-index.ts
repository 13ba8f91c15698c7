/** Where entries lie on disk: rows of neighbouring records, in typed arrays, about 28 bytes per 64 kB of log. */
export interface LogRow {
  readonly firstIndex: number;
  readonly count: number;
  readonly segment: number;
  readonly offset: number;
  readonly length: number;
}

/** Small neighbouring records share a row up to this length; one row is the least that a read from disk takes. */
const ROW_BYTES = 64 * 1024;

export class LogIndex {
  private first = new Float64Array(256);
  private counts = new Uint32Array(256);
  private segments = new Uint32Array(256);
  private offsets = new Float64Array(256);
  private lengths = new Uint32Array(256);
  private rows = 0;
  /** Nothing may be merged into the last row: it was cut, so bytes behind its entries are not its own. */
  private sealed = true;

  /** Adds a record; what the index holds from `row.firstIndex` on is replaced. */
  add(row: LogRow): void {
    this.cut(row.firstIndex);
    if (this.merge(row)) return;
    if (this.rows === this.first.length) this.grow();
    const at = this.rows++;
    this.first[at] = row.firstIndex;
    this.counts[at] = row.count;
    this.segments[at] = row.segment;
    this.offsets[at] = row.offset;
    this.lengths[at] = row.length;
    this.sealed = false;
  }

  /** Forgets everything from `index` on. */
  cut(index: number): void {
    while (this.rows > 0 && (this.first[this.rows - 1] as number) >= index) {
      this.rows -= 1;
      this.sealed = true;
    }
    const last = this.rows - 1;
    if (last < 0) return;
    const keep = index - (this.first[last] as number);
    if (keep >= (this.counts[last] as number)) return;
    this.counts[last] = keep;
    this.sealed = true;
  }

  /** Forgets the rows whose entries all lie in segments before `segment`. */
  dropSegmentsBefore(segment: number): void {
    let gone = 0;
    while (gone < this.rows && (this.segments[gone] as number) < segment) gone += 1;
    if (gone === 0) return;
    for (const column of [this.first, this.counts, this.segments, this.offsets, this.lengths]) {
      column.copyWithin(0, gone, this.rows);
    }
    this.rows -= gone;
  }

  /** Number of the row that holds `index`; −1: none does. */
  find(index: number): number {
    let low = 0;
    let high = this.rows;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.first[middle] as number) <= index) low = middle + 1;
      else high = middle;
    }
    const at = low - 1;
    return at >= 0 && index < (this.first[at] as number) + (this.counts[at] as number) ? at : -1;
  }

  row(at: number): LogRow | undefined {
    if (at < 0 || at >= this.rows) return undefined;
    return {
      firstIndex: this.first[at] as number,
      count: this.counts[at] as number,
      segment: this.segments[at] as number,
      offset: this.offsets[at] as number,
      length: this.lengths[at] as number,
    };
  }

  private merge(row: LogRow): boolean {
    const last = this.rows - 1;
    if (last < 0 || this.sealed || this.segments[last] !== row.segment) return false;
    if ((this.first[last] as number) + (this.counts[last] as number) !== row.firstIndex) return false;
    const length = row.offset + row.length - (this.offsets[last] as number);
    if (length > ROW_BYTES) return false;
    this.counts[last] = (this.counts[last] as number) + row.count;
    this.lengths[last] = length;
    return true;
  }

  private grow(): void {
    const size = this.first.length * 2;
    this.first = copied(new Float64Array(size), this.first);
    this.counts = copied(new Uint32Array(size), this.counts);
    this.segments = copied(new Uint32Array(size), this.segments);
    this.offsets = copied(new Float64Array(size), this.offsets);
    this.lengths = copied(new Uint32Array(size), this.lengths);
  }
}

function copied<T extends Float64Array | Uint32Array>(target: T, source: T): T {
  target.set(source);
  return target;
}

/** The terms of all entries, as runs: terms never fall along the log, so there are few. */
export class TermRuns {
  private readonly first: number[] = [];
  private readonly terms: number[] = [];

  add(index: number, term: number): void {
    if (this.terms.length > 0 && this.terms[this.terms.length - 1] === term) return;
    this.first.push(index);
    this.terms.push(term);
  }

  cut(index: number): void {
    while (this.first.length > 0 && (this.first[this.first.length - 1] as number) >= index) {
      this.first.pop();
      this.terms.pop();
    }
  }

  clear(): void {
    this.first.length = 0;
    this.terms.length = 0;
  }

  /** The term at `index`, which must not be before the first run; the caller knows where the log ends. */
  at(index: number): number {
    let run = this.first.length - 1;
    while (run > 0 && (this.first[run] as number) > index) run -= 1;
    return this.terms[run] ?? 0;
  }
}
