import { appendFileSync, existsSync, mkdirSync, readFileSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { type BenchCase, CASES } from './cases';
import { type Measurement, median } from './measurement';
import { runCase } from './run-case';

export const ATTRIBUTION_COST = 'attribution-cost';
/** What the stamps may cost: the share of CPU per operation. */
const SHARE_MAX = 0.01;
const PAIRS_MIN = 10;
const OF_CASE = 'put-1000-3';

export interface CostOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly warmUp: number;
  /** Where pairs are kept: those of earlier runs count too, so that ten can be measured in pieces. Undefined: nowhere. */
  readonly out: string | undefined;
}

type CostMeasurement = Pick<Measurement, 'cpuMicros' | 'perSecond'>;

export interface CostPair {
  readonly on: CostMeasurement;
  readonly off: CostMeasurement;
}

/** CPU per operation with stage stamps by that without, of each pair of rounds. */
export function costRatios(pairs: readonly CostPair[]): number[] {
  return pairs.map(({ on, off }) => on.cpuMicros / off.cpuMicros);
}

/**
 * The same load with stage stamps on and off, in pairs of rounds whose order alternates, since what runs later finds
 * another machine. Returns the lines to print; `exceeded` when the median is above what is allowed.
 */
export async function measureCost(options: CostOptions): Promise<{ lines: string[]; exceeded: boolean }> {
  const bench = CASES.find(({ name }) => name === OF_CASE) as BenchCase; // it is in the list
  const pairs: CostPair[] = [...earlierPairs(options.out)];
  const first = pairs.length + 1;
  for (let round = first; round < first + options.rounds; round++) {
    const order = round % 2 === 0 ? [true, false] : [false, true];
    const measured = new Map<boolean, Measurement>();
    for (const stamps of order) measured.set(stamps, await measure(bench, round, stamps, options));
    const [on, off] = [measured.get(true), measured.get(false)];
    if (on === undefined || off === undefined) continue;
    pairs.push({ on, off });
    keepPair(options.out, { on, off });
    process.stderr.write(
      `round ${round}: ${on.cpuMicros.toFixed(2)} µs with stamps, ${off.cpuMicros.toFixed(2)} µs without\n`,
    );
  }
  return costReport(pairs);
}

/** The lines to print, and whether the median is above what is allowed. */
export function costReport(pairs: readonly CostPair[]): { lines: string[]; exceeded: boolean } {
  const ratio = median(costRatios(pairs));
  const cpu = (of: 'on' | 'off'): string => median(pairs.map((pair) => pair[of].cpuMicros)).toFixed(2);
  const rate = (of: 'on' | 'off'): string => median(pairs.map((pair) => pair[of].perSecond)).toFixed(0);
  const lines = [
    `${OF_CASE} with stage stamps on and off, ${pairs.length} pairs of rounds`,
    `CPU per operation, median: ${cpu('on')} µs on, ${cpu('off')} µs off`,
    `operations per second, median: ${rate('on')} on, ${rate('off')} off`,
    `median ratio of CPU per operation, pair by pair: ${ratio.toFixed(4)} (allowed: ${1 + SHARE_MAX})`,
    ...(pairs.length < PAIRS_MIN ? [`fewer than ${PAIRS_MIN} pairs: too few to tell`] : []),
  ];
  return { lines, exceeded: ratio > 1 + SHARE_MAX };
}

/** One JSON line for each pair; a last line that was cut off is left out. */
export function earlierPairs(out: string | undefined): CostPair[] {
  if (out === undefined || !existsSync(fileIn(out))) return [];
  const lines = readFileSync(fileIn(out), 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as CostPair);
}

export function keepPair(out: string | undefined, { on, off }: CostPair): void {
  if (out === undefined) return;
  mkdirSync(out, { recursive: true });
  cutTornLine(fileIn(out));
  const part = ({ cpuMicros, perSecond }: CostMeasurement): CostMeasurement => ({ cpuMicros, perSecond });
  appendFileSync(fileIn(out), `${JSON.stringify({ on: part(on), off: part(off) })}\n`);
}

/** What a run that was killed left of its last line would spoil the one that is appended. */
function cutTornLine(path: string): void {
  if (!existsSync(path)) return;
  const kept = readFileSync(path);
  const end = kept.lastIndexOf('\n') + 1;
  if (end < kept.length) truncateSync(path, end);
}

function fileIn(out: string): string {
  return join(out, 'attribution-cost.jsonl');
}

function measure(bench: BenchCase, round: number, stamps: boolean, options: CostOptions): Promise<Measurement> {
  return runCase(bench, 'hexad', round, {
    seconds: options.seconds,
    warmUpSeconds: options.warmUp,
    rate: undefined,
    etcd: '',
    environment: { HEXAD_STAGE_STAMPS: String(stamps) },
  });
}
