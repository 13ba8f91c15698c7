import type { ServerKind } from './servers';

/** One case on one server in one round. Times in milliseconds, CPU in µs per operation (= seconds per million). */
export interface Measurement {
  readonly case: string;
  readonly server: ServerKind;
  readonly round: number;
  readonly perSecond: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
  /** Of all processes of all members. */
  readonly cpuMicros: number;
  readonly cpuByProcess: Readonly<Record<string, number>>;
  readonly peakAnonymousMb: number;
  readonly generatorMicros: number;
  /** Share of the processors that the host took away, and that neither servers nor generator used but somebody did. */
  readonly stolenShare: number;
  readonly othersShare: number;
  readonly errors: Readonly<Record<string, number>>;
  /** Operations in each second since the load began, warm-up too. */
  readonly timeline: readonly number[];
  readonly extra: Readonly<Record<string, number>>;
}

/** Medians over the rounds of a case on one server. */
export interface Medians {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly cpuMicros: number;
  readonly cpuByProcess: Readonly<Record<string, number>>;
  readonly peakAnonymousMb: number;
  readonly generatorMicros: number;
  readonly extra: Readonly<Record<string, number>>;
  /** Of all rounds together, by text. */
  readonly errors: Readonly<Record<string, number>>;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const high = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? high : (high + (sorted[middle - 1] ?? 0)) / 2;
}

function mediansByName(records: ReadonlyArray<Readonly<Record<string, number>>>): Record<string, number> {
  const names = [...new Set(records.flatMap((record) => Object.keys(record)))];
  return Object.fromEntries(names.map((name) => [name, median(records.map((record) => record[name] ?? 0))]));
}

export function mediansOf(of: readonly Measurement[]): Medians {
  const over = (pick: (m: Measurement) => number): number => median(of.map(pick));
  const errors: Record<string, number> = {};
  for (const measurement of of)
    for (const [text, count] of Object.entries(measurement.errors)) errors[text] = (errors[text] ?? 0) + count;
  return {
    perSecond: over((m) => m.perSecond),
    p50: over((m) => m.p50),
    p99: over((m) => m.p99),
    cpuMicros: over((m) => m.cpuMicros),
    cpuByProcess: mediansByName(of.map((m) => m.cpuByProcess)),
    peakAnonymousMb: over((m) => m.peakAnonymousMb),
    generatorMicros: over((m) => m.generatorMicros),
    extra: mediansByName(of.map((m) => m.extra)),
    errors,
  };
}
