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
}

export interface CostPair {
  readonly on: Measurement;
  readonly off: Measurement;
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
  const pairs: CostPair[] = [];
  for (let round = 1; round <= options.rounds; round++) {
    const order = round % 2 === 0 ? [true, false] : [false, true];
    const measured = new Map<boolean, Measurement>();
    for (const stamps of order) measured.set(stamps, await measure(bench, round, stamps, options));
    const [on, off] = [measured.get(true), measured.get(false)];
    if (on === undefined || off === undefined) continue;
    pairs.push({ on, off });
    process.stderr.write(
      `round ${round}: ${on.cpuMicros.toFixed(2)} µs with stamps, ${off.cpuMicros.toFixed(2)} µs without\n`,
    );
  }
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

function measure(bench: BenchCase, round: number, stamps: boolean, options: CostOptions): Promise<Measurement> {
  return runCase(bench, 'hexad', round, {
    seconds: options.seconds,
    warmUpSeconds: options.warmUp,
    rate: undefined,
    etcd: '',
    environment: { HEXAD_STAGE_STAMPS: String(stamps) },
  });
}
