import type { BenchCase } from './cases';
import { NOT_SENT, TOO_MANY_REQUESTS } from './load';
import { type Measurement, type Medians, median } from './measurement';

/** Name of the figure that `p99OfNormal` is compared with, ms. */
export const NORMAL_P99 = 'normal p99 ms';

/** One requirement of one case and what was reached. */
export interface Check {
  readonly subject: string;
  readonly comparison: '≥' | '≤';
  readonly limit: number;
  readonly reached: number;
  readonly ok: boolean;
}

/** The results of a case: Hexad's always, etcd's if it took part. */
export interface Row {
  readonly case: string;
  readonly hexad: Medians;
  readonly etcd: Medians | undefined;
  readonly checks: readonly Check[];
}

/** Written so that a result that is no number is a miss. */
function atLeast(subject: string, reached: number, limit: number): Check {
  return { subject, comparison: '≥', limit, reached, ok: reached >= limit };
}

function atMost(subject: string, reached: number, limit: number): Check {
  return { subject, comparison: '≤', limit, reached, ok: reached <= limit };
}

function errorCheck(bench: BenchCase, hexad: Medians): Check {
  const refusalsAllowed = bench.kind === 'load' && bench.refusalsAllowed === true;
  const allowed = refusalsAllowed ? [TOO_MANY_REQUESTS, NOT_SENT] : [];
  const errors = Object.entries(hexad.errors).filter(([text]) => !allowed.includes(text));
  return atMost(
    'errors',
    errors.reduce((sum, [, count]) => sum + count, 0),
    0,
  );
}

export const COST = 'CPU µs/op / without it, median of pairs';

/** What something costs that can be turned off: each round has a measurement with it and one without. */
export function costChecks({ name, target }: BenchCase, measurements: readonly Measurement[]): Check[] {
  if (target.cost === undefined) return [];
  const of = (server: string, round: number): Measurement | undefined =>
    measurements.find((m) => m.case === name && m.server === server && m.round === round);
  const rounds = new Set(measurements.filter((m) => m.case === name).map(({ round }) => round));
  const ratios = [...rounds].map(
    (round) => (of('hexad', round)?.cpuMicros ?? Number.NaN) / (of('without', round)?.cpuMicros ?? Number.NaN),
  );
  const isWhole = ratios.every(Number.isFinite);
  return [atMost(COST, isWhole ? median(ratios) : Number.NaN, target.cost)];
}

/** What Hexad must reach in a case. Without etcd only what needs no comparison with it is checked. */
export function checksOf(
  bench: BenchCase,
  hexad: Medians,
  etcd: Medians | undefined,
  other: (name: string) => Medians | undefined,
): Check[] {
  const { target } = bench;
  const checks = [errorCheck(bench, hexad)];
  if (target.cpuMicros !== undefined) checks.push(atMost('CPU µs/op', hexad.cpuMicros, target.cpuMicros));
  if (target.p99Ms !== undefined) checks.push(atMost('p99 ms', hexad.p99, target.p99Ms));
  for (const [name, limit] of Object.entries(target.extra ?? {})) {
    checks.push(atMost(name, hexad.extra[name] ?? Number.NaN, limit));
  }
  if (target.against !== undefined) {
    const ratio = hexad.perSecond / (other(target.against.case)?.perSecond ?? Number.NaN);
    checks.push(atLeast(`throughput / ${target.against.case}`, ratio, target.against.throughput));
  }
  if (target.p99OfNormal !== undefined) {
    checks.push(atMost('p99 / normal', hexad.p99 / (hexad.extra[NORMAL_P99] ?? Number.NaN), target.p99OfNormal));
  }
  if (etcd === undefined) return checks;
  const ratio = (key: 'perSecond' | 'p50' | 'p99'): number => hexad[key] / etcd[key];
  if (target.throughput !== undefined) checks.push(atLeast('throughput / etcd', ratio('perSecond'), target.throughput));
  if (target.p50 !== undefined) checks.push(atMost('p50 / etcd', ratio('p50'), target.p50));
  if (target.p99 !== undefined) checks.push(atMost('p99 / etcd', ratio('p99'), target.p99));
  return checks;
}

/** One line for each requirement that was missed. */
export function misses(rows: readonly Row[]): string[] {
  return rows.flatMap((row) =>
    row.checks
      .filter(({ ok }) => !ok)
      .map(
        ({ subject, comparison, limit, reached }) =>
          `MISSED ${row.case}: ${subject} must be ${comparison} ${limit}, reached ${reached.toFixed(2)}`,
      ),
  );
}
