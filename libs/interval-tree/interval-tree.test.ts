import fc from 'fast-check';
import {
  bytesToMapKey,
  compareBytes,
  IntervalTree,
  keptRange,
  keptRangeContains,
  keptRangeKeys,
  type KeyRange,
  mapKeyToBytes,
  parseKeyRange,
  RangeIndex,
  rangeContains,
} from '.';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const shortKey = fc.uint8Array({ minLength: 1, maxLength: 3, max: 3 });
const anyRange = fc
  .tuple(shortKey, fc.option(shortKey))
  .map(
    ([key, end]): KeyRange =>
      end === null ? { kind: 'range', begin: key, end: undefined } : { kind: 'range', begin: key, end },
  );

/** The slow twin: a list that is searched from end to end. */
class RangeList {
  entries: { range: KeyRange; value: number }[] = [];
  private same(a: KeyRange, b: KeyRange): boolean {
    return JSON.stringify(a) === JSON.stringify(b);
  }
  set(range: KeyRange, value: number): void {
    this.delete(range);
    this.entries.push({ range, value });
  }
  delete(range: KeyRange): boolean {
    const before = this.entries.length;
    this.entries = this.entries.filter((entry) => !this.same(entry.range, range));
    return this.entries.length < before;
  }
  at(key: Uint8Array): number[] {
    return this.entries
      .filter((entry) => rangeContains(entry.range, key))
      .map((entry) => entry.value)
      .sort((a, b) => a - b);
  }
}

describe('the interval tree', () => {
  it('finds what a plain list of ranges finds after any insertions and removals', () => {
    const step = fc.record({ remove: fc.boolean(), single: fc.boolean(), range: anyRange, probe: shortKey });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const index = new RangeIndex<number>();
        const list = new RangeList();
        steps.forEach(({ remove, single, range, probe }, value) => {
          const chosen: KeyRange = single && range.kind === 'range' ? { kind: 'key', key: range.begin } : range;
          if (remove) expect(index.delete(keptRange(chosen))).toBe(list.delete(chosen));
          else {
            index.set(keptRange(chosen), value);
            list.set(chosen, value);
          }
          const found: number[] = [];
          index.visitAt(probe, (hit) => found.push(hit));
          expect(found.sort((a, b) => a - b)).toEqual(list.at(probe));
          expect(index.size).toBe(list.entries.length);
        });
      }),
      { numRuns: 300 },
    );
  });

  it('stays balanced when ranges arrive in order, so that 50,000 of them are found in a few steps', () => {
    const tree = new IntervalTree<number>();
    const key = (i: number): Uint8Array => bytes(i.toString().padStart(8, '0'));
    for (let i = 0; i < 50_000; i += 1) tree.set(key(2 * i), key(2 * i + 1), i);
    for (let i = 0; i < 50_000; i += 2) expect(tree.delete(key(2 * i), key(2 * i + 1))).toBe(true);
    expect(tree.size).toBe(25_000);
    const found: number[] = [];
    tree.visitAt(key(2 * 33_333), (value) => found.push(value));
    tree.visitAt(key(2 * 33_334), (value) => found.push(value));
    expect(found).toEqual([33_333]);
    // Without balance the recursion over a chain of 25,000 would need as many frames.
    const root = (tree as unknown as { root: { height: number } }).root;
    expect(root.height).toBeLessThanOrEqual(21);
  });
});

describe('key ranges', () => {
  it("follow etcd's conventions", () => {
    expect(parseKeyRange(bytes('a'), bytes(''))).toEqual({ kind: 'key', key: bytes('a') });
    expect(parseKeyRange(bytes('a'), bytes('\0'))).toEqual({ kind: 'range', begin: bytes('a'), end: undefined });
    expect(parseKeyRange(bytes(''), bytes('\0'))).toEqual({ kind: 'range', begin: bytes('\0'), end: undefined });
    expect(parseKeyRange(bytes('a'), bytes('b'))).toEqual({ kind: 'range', begin: bytes('a'), end: bytes('b') });
    expect(parseKeyRange(bytes('b'), bytes('b'))).toBeUndefined();
    expect(parseKeyRange(bytes('c'), bytes('b'))).toBeUndefined();
  });

  it('order bytes as unsigned numbers with a prefix first', () => {
    expect(compareBytes(new Uint8Array([255]), new Uint8Array([1]))).toBeGreaterThan(0);
    expect(compareBytes(bytes('a'), bytes('ab'))).toBeLessThan(0);
    expect(compareBytes(bytes('ab'), bytes('ab'))).toBe(0);
  });

  it('mean the same in the form in which they are kept, and do not change with the bytes they came from', () => {
    fc.assert(
      fc.property(anyRange, shortKey, fc.boolean(), (wide, probe, single) => {
        const range: KeyRange = single && wide.kind === 'range' ? { kind: 'key', key: wide.begin } : wide;
        const kept = keptRange(range);
        expect(keptRangeContains(kept, probe)).toBe(rangeContains(range, probe));
        const { key, rangeEnd } = keptRangeKeys(kept);
        const isEmpty = range.kind === 'range' && range.end !== undefined && compareBytes(range.begin, range.end) >= 0;
        if (!isEmpty) {
          // Bytes that follow none can stand at the end of no range of etcd's but the open one.
          const expected = range.kind === 'range' && range.end?.length === 1 && range.end[0] === 0 ? undefined : range;
          if (expected !== undefined) expect(parseKeyRange(key, rangeEnd)).toEqual(expected);
        }
        const before = keptRangeContains(kept, probe);
        if (range.kind === 'key') range.key.fill(9);
        else range.begin.fill(9);
        expect(keptRangeContains(kept, probe)).toBe(before);
      }),
    );
  });

  it('come back from the strings that stand for their bytes', () => {
    const all = Uint8Array.from({ length: 256 }, (_, at) => at);
    expect(mapKeyToBytes(bytesToMapKey(all))).toEqual(all);
  });

  it('map different bytes to different strings, whatever their length', () => {
    const long = new Uint8Array(10_000).fill(200);
    const other = long.slice();
    other[9_999] = 201;
    expect(bytesToMapKey(long)).toBe(bytesToMapKey(long.slice()));
    expect(bytesToMapKey(long)).not.toBe(bytesToMapKey(other));
  });
});
