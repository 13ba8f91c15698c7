import { CANARIES } from './canaries';
import type { Canary } from './canaries/canary';
import { Violation } from './cluster/violation';
import { runSeed, type RunTotals, SeedFailure } from './simulation';

/** One seed to run, with or without a planted defect. */
export interface Job {
  readonly seed: number;
  /** Name of a canary; undefined: the product as it is. */
  readonly canary?: string;
}

export interface Failure {
  readonly seed: number;
  /** The property that does not hold; undefined: a process ended itself, or something threw. */
  readonly property: string | undefined;
  readonly message: string;
  readonly stack: string;
  /** Milliseconds of simulated time. */
  readonly at: number;
  readonly lines: readonly string[];
}

export type JobResult =
  | { readonly ok: true; readonly totals: RunTotals }
  | { readonly ok: false; readonly failure: Failure };

const MINUTES = 10;
const FAULT_EVERY_MS = 10_000;
/** One seed in so many has its members upgraded. */
const UPGRADE_EVERY = 4;

export async function runJob({ seed, canary }: Job): Promise<JobResult> {
  const planted = canary === undefined ? undefined : CANARIES[canary];
  if (canary !== undefined && planted === undefined)
    throw new Error(`no defect '${canary}': ${Object.keys(CANARIES).join(', ')}`);
  const {
    defect = {},
    minutes = MINUTES,
    faultEveryMs = FAULT_EVERY_MS,
    members,
    faults,
    walMs,
    upgrade = planted === undefined && seed % UPGRADE_EVERY === 0,
  }: Partial<Canary> = planted ?? {};
  try {
    const some = { ...(members && { members }), ...(faults && { faults }), ...(walMs && { walMs }) };
    return { ok: true, totals: await runSeed({ seed, minutes, faultEveryMs, defect, upgrade, ...some }) };
  } catch (error) {
    if (!(error instanceof SeedFailure)) throw error;
    const { original, message, at, lines, stack = '' } = error;
    const property = original instanceof Violation ? original.property : undefined;
    return { ok: false, failure: { seed, property, message, stack, at, lines } };
  }
}
