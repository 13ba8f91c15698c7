import { chart } from './chart';
import type { Medians } from './measurement';
import type { Row } from './targets';

const medians = (perSecond: number, p99: number): Medians => ({
  perSecond,
  p50: 1,
  p99,
  cpuMicros: 40,
  cpuByProcess: {},
  peakAnonymousMb: 10,
  generatorMicros: 5,
  extra: {},
  errors: {},
});

const row = (name: string, hexad: Medians, etcd: Medians | undefined): Row => ({
  case: name,
  hexad,
  etcd,
  checks: [{ subject: 'throughput / etcd', comparison: '≥', limit: 1.5, reached: 1, ok: false }],
});

test('each case shows its ratios, both values and what is required', () => {
  const svg = chart([row('put-1000-3', medians(30_000, 5), medians(10_000, 20))], 'a machine');
  expect(svg).toContain('3.00 ×');
  expect(svg).toContain('30,000/s : 10,000/s');
  expect(svg).toContain('0.25 ×');
  expect(svg).toContain('required');
});

test('without etcd the throughput stands alone', () => {
  const svg = chart([row('put-1000-3', medians(30_000, 5), undefined)], '');
  expect(svg).toContain('30,000/s');
  expect(svg).not.toContain('×');
});

test('ratios that are no numbers are left out, and texts are escaped', () => {
  const svg = chart([row('<case>', medians(0, 0), medians(0, 0))], 'a & b');
  expect(svg).not.toMatch(/NaN|Infinity|<case>/);
  expect(svg).toContain('a &amp; b');
});
