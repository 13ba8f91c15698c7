/** A half-open range of keys. Keys are text of one character a byte, so that they compare as bytes do. */
export type KeyRange = readonly [begin: string, end: string];

/** The union of some ranges, as sorted disjoint ones: a request may hold tens of thousands of deletes, so lookup must not be linear. */
export class CoveredKeys {
  private constructor(private readonly ranges: readonly KeyRange[]) {}

  static readonly none = new CoveredKeys([]);

  static of(ranges: KeyRange[]): CoveredKeys {
    const sorted = ranges
      .filter(([begin, end]) => begin < end)
      .sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
    return sorted.length === 0 ? CoveredKeys.none : new CoveredKeys(joined(sorted));
  }

  has(key: string): boolean {
    let low = 0;
    let high = this.ranges.length;
    // Ranges before `low` begin at or before the key, those from `high` on after it.
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.ranges[middle] as KeyRange)[0] <= key) low = middle + 1;
      else high = middle;
    }
    const before = this.ranges[low - 1];
    return before !== undefined && key < before[1];
  }

  union(other: CoveredKeys): CoveredKeys {
    if (other.ranges.length === 0) return this;
    return this.ranges.length === 0 ? other : CoveredKeys.of([...this.ranges, ...other.ranges]);
  }
}

function joined(sorted: readonly KeyRange[]): KeyRange[] {
  const result: KeyRange[] = [];
  let [begin, end] = sorted[0] as KeyRange;
  for (const [nextBegin, nextEnd] of sorted) {
    if (nextBegin <= end) {
      if (nextEnd > end) end = nextEnd;
      continue;
    }
    result.push([begin, end]);
    [begin, end] = [nextBegin, nextEnd];
  }
  result.push([begin, end]);
  return result;
}
