import fc from 'fast-check';
import {
  BOUNDS_MICROS,
  bucketOf,
  clockShift,
  decodeEntryTimings,
  DurationHistogram,
  encodeEntryTimings,
  PROCESS_OF_STAGE,
  READ_STAGES,
  Stage,
  STAGES,
  STEP_STAGES,
  WATCH_STAGES,
  WRITE_STAGES,
} from './index';

test('every stage has a number, a process, and a place in a way that requests or events go', () => {
  const used = new Set<string>([...WRITE_STAGES, ...READ_STAGES, ...WATCH_STAGES, ...STEP_STAGES]);
  expect([...STAGES].sort()).toEqual([...used].sort());
  expect(Object.keys(PROCESS_OF_STAGE).sort()).toEqual([...used].sort());
  const named = Object.entries(Stage).map(([name, at]) => [name.toLowerCase(), STAGES[at]?.replace('-', '')]);
  for (const [name, stage] of named) expect(stage).toBe(name);
});

test('a duration goes into the first bucket whose bound is not below it', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e8, noNaN: true }), (micros) => {
      const slow = BOUNDS_MICROS.findIndex((bound) => micros <= bound);
      expect(bucketOf(micros)).toBe(slow < 0 ? BOUNDS_MICROS.length : slow);
    }),
  );
  for (const bound of BOUNDS_MICROS) expect(BOUNDS_MICROS[bucketOf(bound)]).toBe(bound);
});

test('a quantile lies in the bucket that holds it', () => {
  const histogram = new DurationHistogram();
  for (let i = 0; i < 99; i++) histogram.observe(15);
  histogram.observe(90_000);
  expect(histogram.quantile(0.5)).toBeGreaterThan(10);
  expect(histogram.quantile(0.5)).toBeLessThanOrEqual(20);
  expect(histogram.quantile(0.999)).toBeGreaterThan(81_920);
  expect(histogram.sumMicros).toBe(99 * 15 + 90_000);
  expect(new DurationHistogram().quantile(0.99)).toBe(0);
});

const time = fc.nat({ max: 2 ** 45 });
const duration = fc.nat({ max: 2 ** 31 });
const id = fc.bigInt({ min: 1n, max: 2n ** 64n - 1n });
const timing = fc
  .record({
    first: fc.nat(),
    more: duration,
    arrived: time,
    d1: duration,
    d2: duration,
    d3: duration,
    d4: duration,
    leader: id,
  })
  .chain(({ first, more, arrived, d1, d2, d3, d4, leader }) =>
    fc.record({
      first: fc.constant(first),
      last: fc.constant(first + more),
      arrived: fc.constant(arrived),
      appended: fc.constant(arrived + d1),
      synced: fc.constant(arrived + d1 + d2),
      committed: fc.constant(arrived + d1 + d2 + d3),
      delivered: fc.constant(arrived + d1 + d2 + d3 + d4),
      fsync: duration,
      leader: fc.constant(leader),
      follower: fc.oneof(fc.constant(0n), id),
      roundTrip: duration,
      followerHeld: duration,
      followerFsync: duration,
      forwardNet: duration,
      leaderStall: duration,
    }),
  );

test('timings of entries survive their encoding', () => {
  fc.assert(
    fc.property(fc.array(timing, { maxLength: 5 }), (timings) => {
      expect(decodeEntryTimings(encodeEntryTimings(timings))).toEqual(timings);
    }),
  );
});

test('times of the own clock are taken as they are, those of another are put in the middle of the round trip', () => {
  expect(clockShift(1_000_100, 1_000_200, 1_000_000, 1_000_500)).toBe(0);
  expect(clockShift(999_999, 1_000_200, 1_000_000, 1_000_500)).toBe(0); // rounding
  const shift = clockShift(70_000_000, 70_000_100, 1_000_000, 1_000_500);
  expect([70_000_000 + shift, 70_000_100 + shift]).toEqual([1_000_200, 1_000_300]);
});
