/** While it lasted a process did one thing again and again with hardly a pause. Microseconds of the host's monotonic clock. */
export interface BusyPeriod {
  readonly from: number;
  readonly to: number;
  /** What was spent on it in this time. */
  readonly busy: number;
}

/** Slices of work that are nearer to each other are one period. */
const PAUSE_MICROS_MAX = 20_000;
/** Shorter periods keep nobody waiting. */
const TOLD_MICROS_MIN = 1_000;
/** One that ended longer ago is nobody's reason any more. */
const TOLD_WITHIN_MICROS = 10_000_000;

/** Keeps the last period of work that is done in slices. */
export class BusyPeriods {
  private from = 0;
  private to = Number.NEGATIVE_INFINITY;
  private busy = 0;

  /** A slice of the work lasted from `from` to `to`. */
  note(from: number, to: number): void {
    if (from - this.to > PAUSE_MICROS_MAX) {
      this.from = from;
      this.busy = 0;
    }
    this.to = to;
    this.busy += to - from;
  }

  /** What is worth telling at `now`. */
  last(now: number): BusyPeriod | undefined {
    const { from, to, busy } = this;
    if (busy < TOLD_MICROS_MIN || now - to > TOLD_WITHIN_MICROS) return undefined;
    return { from: Math.round(from), to: Math.round(to), busy: Math.round(busy) };
  }
}

/** How much of the time between `from` and `to` went into it, taken to be spread evenly over the period. */
export function busyWithin(period: BusyPeriod | undefined, from: number, to: number): number {
  if (period === undefined || period.to <= period.from) return 0;
  const common = Math.min(period.to, to) - Math.max(period.from, from);
  return common <= 0 ? 0 : Math.round((common * period.busy) / (period.to - period.from));
}
