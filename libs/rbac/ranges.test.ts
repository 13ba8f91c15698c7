import fc from 'fast-check';
import { compareBytes, isOpenEnd, RangeSet, type KeyRange } from './ranges';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const range = (key: string, end = ''): KeyRange => ({ key: bytes(key), rangeEnd: bytes(end) });

/** The obvious rule: is this one key in this one range? */
function holds(granted: KeyRange, key: Uint8Array): boolean {
  if (granted.rangeEnd.length === 0) return compareBytes(granted.key, key) === 0;
  if (compareBytes(key, granted.key) < 0) return false;
  return isOpenEnd(granted.rangeEnd) || compareBytes(key, granted.rangeEnd) < 0;
}

/**
 * The slow twin. Between two neighbouring end points membership does not change, so it is enough to ask for every
 * end point (and the successor of every key) that lies inside the requested range.
 */
function slowContains(granted: readonly KeyRange[], asked: KeyRange): boolean {
  const points = [asked, ...granted].flatMap((each) => [
    each.key,
    Uint8Array.of(...each.key, 0),
    ...(each.rangeEnd.length === 0 || isOpenEnd(each.rangeEnd) ? [] : [each.rangeEnd]),
  ]);
  const inside = points.filter((point) => holds(asked, point));
  return inside.every((point) => granted.some((each) => holds(each, point)));
}

const key = fc
  .array(fc.constantFrom(0, 1, 0x61, 0x62, 0xff), { minLength: 1, maxLength: 3 })
  .map((b) => Uint8Array.from(b));
const end = fc.oneof(fc.constant(new Uint8Array(0)), fc.constant(Uint8Array.of(0)), key);
const anyRange = fc.record({ key, rangeEnd: end });
const nonEmpty = anyRange.filter(
  (each) => each.rangeEnd.length === 0 || isOpenEnd(each.rangeEnd) || compareBytes(each.key, each.rangeEnd) < 0,
);

describe('RangeSet', () => {
  it('agrees with asking every critical key of the requested range', () => {
    fc.assert(
      fc.property(fc.array(anyRange, { maxLength: 6 }), nonEmpty, (granted, asked) => {
        expect(new RangeSet(granted).contains(asked.key, asked.rangeEnd)).toBe(slowContains(granted, asked));
      }),
      { numRuns: 3000 },
    );
  });

  it('joins ranges that touch, and keeps apart those that do not', () => {
    const touching = new RangeSet([range('a', 'c'), range('c', 'e')]);
    expect(touching.contains(bytes('b'), bytes('d'))).toBe(true);
    const apart = new RangeSet([range('a', 'c'), range('c\u0001', 'e')]);
    expect(apart.contains(bytes('b'), bytes('d'))).toBe(false);
  });

  it('joins a single key with the range that starts right after it', () => {
    const set = new RangeSet([range('a'), range('a\u0000', 'b')]);
    expect(set.contains(bytes('a'), bytes('b'))).toBe(true);
  });

  it('treats the end "\\0" as no upper bound, for grants and for requests', () => {
    const set = new RangeSet([range('m', '\u0000')]);
    expect(set.contains(bytes('zzz'), bytes('\u0000'))).toBe(true);
    expect(set.contains(bytes('a'), bytes('\u0000'))).toBe(false);
    expect(new RangeSet([range('a', 'z')]).contains(bytes('b'), bytes('\u0000'))).toBe(false);
  });

  it('grants nothing when it is empty', () => {
    expect(RangeSet.EMPTY.contains(bytes('a'), new Uint8Array(0))).toBe(false);
  });
});
