import type { Failure } from './jobs';
import type { RunTotals } from './simulation';

const SUMMED = [
  'operations',
  'succeeded',
  'refused',
  'unknown',
  'faults',
  'confChanges',
  'upgraded',
  'newerEntries',
  'copies',
  'entries',
  'messages',
  'events',
] as const;

/** Adds up what the seeds did. */
export class Summary {
  seeds = 0;
  private simulatedMs = 0;
  private readonly sums = new Map<string, number>();
  private readonly faults = new Map<string, number>();
  private readonly ioPoints = new Map<string, number>();
  private readonly watch = new Map<string, number>();

  add(totals: RunTotals): void {
    this.seeds++;
    this.simulatedMs += totals.simulatedMs;
    for (const name of SUMMED) count(this.sums, name, totals[name]);
    for (const [name, value] of Object.entries(totals.faultCounts)) count(this.faults, name, value);
    for (const [name, value] of Object.entries(totals.ioPoints)) count(this.ioPoints, name, value);
    for (const [name, value] of Object.entries(totals.watch)) count(this.watch, name, Number(value));
  }

  get text(): string {
    const hours = (this.simulatedMs / 3_600_000).toFixed(1);
    return [
      `${this.seeds} seeds, ${hours} simulated hours`,
      `totals: ${list(this.sums)}`,
      `faults: ${list(this.faults)}`,
      `crashes at I/O points: ${list(this.ioPoints)}`,
      `watch: ${list(this.watch)}`,
    ].join('\n');
  }
}

/** One seed in full. */
export function describeTotals(totals: RunTotals): string {
  const { faultCounts, ioPoints, watch, ...numbers } = totals;
  const plain = Object.entries(numbers).map(([name, value]) => `${name} ${value}`);
  return [
    plain.join(', '),
    `faults: ${list(new Map(Object.entries(faultCounts)))}`,
    `crashes at I/O points: ${list(new Map(Object.entries(ioPoints)))}`,
    `watch: ${list(new Map(Object.entries(watch).map(([name, value]) => [name, Number(value)])))}`,
  ].join('\n');
}

/** What went wrong, what the members said before, and how to see it again. */
export function describeFailure({ seed, message, stack, at, lines }: Failure, defect?: string): string {
  return [
    ...lines.slice(-60),
    '',
    `seed ${seed} failed at ${(at / 1_000).toFixed(3)} simulated seconds: ${message}`,
    stack,
    `reproduce: npm run simulate -- --seed ${seed}${defect === undefined ? '' : ` --defect '${defect}'`}`,
  ].join('\n');
}

function count(counts: Map<string, number>, name: string, value: number): void {
  counts.set(name, (counts.get(name) ?? 0) + value);
}

function list(counts: ReadonlyMap<string, number>): string {
  return [...counts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');
}
