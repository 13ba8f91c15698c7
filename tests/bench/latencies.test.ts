import { Latencies } from './latencies';

test('quantiles are within 0.3 % of those of the sorted durations', () => {
  const latencies = new Latencies();
  const all: number[] = [];
  // Spread over five orders of magnitude, in no order.
  for (let at = 0; at < 10_000; at++) all.push(0.01 * 1.0012 ** ((at * 7_919) % 10_000));
  for (const ms of all) latencies.record(ms);
  all.sort((a, b) => a - b);
  for (const q of [0.001, 0.5, 0.9, 0.99, 0.999, 1]) {
    const exact = all[Math.ceil(q * all.length) - 1] ?? 0;
    expect(Math.abs(latencies.quantile(q) / exact - 1)).toBeLessThan(0.003);
  }
  expect(latencies.count).toBe(10_000);
});

test('one slow request among a hundred is the maximum, and p99 does not see it', () => {
  const latencies = new Latencies();
  for (let at = 0; at < 99; at++) latencies.record(1);
  latencies.record(5_000);
  expect(latencies.quantile(0.99)).toBeCloseTo(1, 1);
  expect(latencies.quantile(0.999)).toBeGreaterThan(4_900);
  expect(latencies.max).toBe(5_000);
});

test('no quantile is above the longest duration', () => {
  const latencies = new Latencies();
  latencies.record(1.2345);
  expect(latencies.quantile(0.5)).toBeLessThanOrEqual(1.2345);
});

test('durations of nothing and of hours are counted at the ends', () => {
  const latencies = new Latencies();
  for (const ms of [0, -1, 1e12]) latencies.record(ms);
  expect(latencies.count).toBe(3);
  expect(latencies.quantile(0.5)).toBeCloseTo(0.001, 4);
  expect(latencies.quantile(1)).toBeGreaterThan(1e6);
});

test('without durations every quantile is 0', () => {
  expect(new Latencies().quantile(0.99)).toBe(0);
});
