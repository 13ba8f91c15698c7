import { type BenchCase, CASES } from './cases';
import type { Measurement } from './measurement';
import { rowsOf, table } from './report';
import { misses } from './targets';

const byName = (name: string): BenchCase => {
  const found = CASES.find((bench) => bench.name === name);
  if (found === undefined) throw new Error(`no case ${name}`);
  return found;
};

const measured = (name: string, server: Measurement['server'], of: Partial<Measurement> = {}): Measurement => ({
  case: name,
  server,
  round: 1,
  perSecond: 10_000,
  p50: 1,
  p90: 2,
  p99: 10,
  p999: 20,
  max: 30,
  cpuMicros: 50,
  cpuByProcess: {},
  peakAnonymousMb: 100,
  generatorMicros: 5,
  stolenShare: 0,
  othersShare: 0,
  errors: {},
  timeline: [],
  extra: {},
  ...of,
});

/** What `--check` would say of the measurements of one case. */
const missed = (name: string, ...measurements: Measurement[]): string[] => misses(rowsOf([byName(name)], measurements));

const hexad = (of: Partial<Measurement>): Measurement => measured('put-1000-3', 'hexad', { perSecond: 15_000, ...of });
const etcd = measured('put-1000-3', 'etcd');

test('a case that just reaches every ratio misses nothing', () => {
  expect(missed('put-1000-3', hexad({ cpuMicros: 75 }), etcd)).toEqual([]);
});

test.each([
  ['throughput', { perSecond: 14_999 }, /throughput \/ etcd must be ≥ 1.5, reached 1.50/],
  ['p99', { p99: 10.1 }, /p99 \/ etcd must be ≤ 1, reached 1.01/],
  ['CPU', { cpuMicros: 75.1 }, /CPU µs\/op must be ≤ 75, reached 75.10/],
  ['errors', { errors: { 'etcdserver: request timed out': 1 } }, /errors must be ≤ 0, reached 1/],
  ['refusals', { errors: { 'etcdserver: too many requests': 1 } }, /errors must be ≤ 0/],
] as const)('a slip in %s alone is a miss that names the case', (_, of, text) => {
  const lines = missed('put-1000-3', hexad(of), etcd);
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(text);
  expect(lines[0]).toMatch(/put-1000-3/);
});

test('latency of a single client is checked at its median', () => {
  const one = (p50: number): Measurement => measured('put-1-1', 'hexad', { p50 });
  expect(missed('put-1-1', one(1.2), measured('put-1-1', 'etcd'))).toEqual([]);
  expect(missed('put-1-1', one(1.21), measured('put-1-1', 'etcd'))).toEqual([
    'MISSED put-1-1: p50 / etcd must be ≤ 1.2, reached 1.21',
  ]);
});

test('a result that is no number is a miss, never a pass', () => {
  const nothing = { perSecond: 0, p99: Number.NaN };
  expect(missed('put-1000-3', hexad(nothing), measured('put-1000-3', 'etcd', { perSecond: 0 }))).toHaveLength(2);
});

test('medians count, not single rounds', () => {
  const rounds = [15_000, 1, 16_000].map((perSecond) => hexad({ perSecond }));
  expect(missed('put-1000-3', ...rounds, etcd)).toEqual([]);
  const slow = [15_000, 14_000, 14_500].map((perSecond) => hexad({ perSecond }));
  expect(missed('put-1000-3', ...slow, etcd)).toHaveLength(1);
});

test('an error in any round is a miss', () => {
  const rounds = [{}, { errors: { broken: 1 } }, {}].map((of) => hexad(of));
  expect(missed('put-1000-3', ...rounds, etcd)).toHaveLength(1);
});

test('without etcd only what needs no comparison is checked', () => {
  expect(missed('put-1000-3', hexad({ perSecond: 1, p99: 9_999 }))).toEqual([]);
  expect(missed('put-1000-3', hexad({ cpuMicros: 100 }))).toHaveLength(1);
});

test('16,000 clients are measured against Hexad’s own 1,000', () => {
  const both = (perSecond: number): string[] =>
    misses(
      rowsOf(
        [byName('put-1000-3'), byName('put-16000-3')],
        [hexad({ perSecond: 10_000 }), measured('put-16000-3', 'hexad', { perSecond })],
      ),
    );
  expect(both(9_000)).toEqual([]);
  expect(both(8_999)).toHaveLength(1);
  expect(missed('put-16000-3', measured('put-16000-3', 'hexad'))).toHaveLength(1);
});

test('refusals are no errors where admission is what is measured', () => {
  const refused = { errors: { 'etcdserver: too many requests': 100 } };
  expect(missed('admission-3', measured('admission-3', 'hexad', refused))).toEqual([]);
  const lost = { errors: { 'never answered': 1 } };
  expect(missed('admission-3', measured('admission-3', 'hexad', lost))).toHaveLength(1);
});

test('the required ratios are those that were agreed', () => {
  const required = Object.fromEntries(
    CASES.filter(({ target }) => Object.keys(target).length > 0).map(({ name, target }) => [name, target]),
  );
  expect(required).toEqual({
    'put-1000-3': { throughput: 1.5, p99: 1, cpuMicros: 75 },
    'put-1000-1': { throughput: 1.5, p99: 1 },
    'put-1-3': { p50: 1, p99: 1 },
    'divergence-cost-3': { cost: 1.02 },
    'divergence-cost-1': { cost: 1.02 },
    'restart-1': { extra: { 'restart s longer': 0.3 } },
    'restart-wal-1': { extra: { 'restart s longer': 0.5 } },
    'memory-1': { extra: { 'loaded MB': 600, 'restarted MB': 400 } },
    'memory-5-million-1': { extra: { 'loaded MB': 600, 'restarted MB': 400 } },
    'list-memory-1': { extra: { 'unary list, extra MB': 64, 'streamed list, extra MB': 64 } },
    'put-1-1': { p50: 1.2, p99: 1 },
    'range-linearizable-1000-3': { throughput: 3, p99: 1 },
    'range-serializable-1000-3': { throughput: 3, p99: 1 },
    'txn-cas-1000-3': { throughput: 2, p99: 1 },
    'watch-1000-3': { throughput: 1.5, p99: 1 },
    'watch-1000-stream-3': { throughput: 1.5, p99: 1 },
    'watch-1000-rate-3': { throughput: 0.99, p99: 1 },
    'watch-10000-3': { p99Ms: 50 },
    'watch-memory-1': { extra: { 'hub B/watcher': 1_024 } },
    'watch-million-1': { extra: { 'hub B/watcher': 1_024 } },
    'watch-cache-1': { extra: { 'storage reads': 0 } },
    'watch-two-hubs-1': { extra: { 'larger share of 2 hubs': 0.6, 'storage CPU, 2 hubs / 1': 1.1 } },
    'watch-stalled-3': { extra: { 'CPU/put with / without': 1.05, 'p99 with / without': 1.2, 'hub MB': 512 } },
    'put-beside-compaction-1': { p99OfNormal: 2 },
    'put-beside-defragmentation-1': { p99OfNormal: 2 },
    'range-beside-large-read-1': { p99OfNormal: 2 },
    'put-16000-3': { against: { case: 'put-1000-3', throughput: 0.9 } },
  });
});

test('the table marks the case that missed', () => {
  const text = table(rowsOf([byName('put-1000-3')], [hexad({ p99: 11 }), etcd]));
  expect(text).toMatch(/^put-1000-3 .* 1\.50 .* 1\.10 .*MISSED$/m);
});

test('what something costs is the median of the rounds with it and without, and a round that lacks one is a miss', () => {
  const name = 'divergence-cost-3';
  const pair = (round: number, cpuMicros: number): Measurement[] => [
    measured(name, 'hexad', { round, cpuMicros }),
    measured(name, 'without', { round, cpuMicros: 50 }),
  ];
  const rounds = [...pair(1, 70), ...pair(2, 51), ...pair(3, 40)];
  expect(missed(name, ...rounds)).toEqual([]);
  expect(missed(name, ...rounds, ...pair(4, 51.1), ...pair(5, 52))).toEqual([
    expect.stringMatching(/divergence-cost-3.*median of pairs must be ≤ 1.02, reached 1.02/),
  ]);
  expect(missed(name, ...rounds, measured(name, 'hexad', { round: 4 }))).toHaveLength(1);
});
