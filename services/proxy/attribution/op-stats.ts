import { bucketOf, DurationHistogram, STAGE_COUNT } from '../../../libs/attribution';

/** Bounds of the share of a request's time that no stage accounts for. */
export const SHARE_BOUNDS: readonly number[] = [0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1];

/** Durations of one method's requests: in all, by stage, and what no stage accounts for. */
export class OpStats {
  readonly total = new DurationHistogram();
  readonly stages: (DurationHistogram | undefined)[] = Array.from({ length: STAGE_COUNT });
  /** By the share of the total that is unattributed; not cumulative. */
  readonly shares = new Float64Array(SHARE_BOUNDS.length);
  shareSum = 0;
  /** The last request in each bucket of `total` whose trace is known, for exemplars. */
  readonly exemplars: (Exemplar | undefined)[] = [];

  /** `op`: the label of metrics. */
  constructor(readonly op: string) {}

  /** `times` that took `micros` each. */
  observe(stage: number, micros: number, times = 1): void {
    let histogram = this.stages[stage];
    if (histogram === undefined) {
      histogram = new DurationHistogram();
      this.stages[stage] = histogram;
    }
    histogram.observe(micros, times);
  }

  observeTotal(micros: number, unattributed: number, times = 1): void {
    this.total.observe(micros, times);
    const share = micros > 0 ? unattributed / micros : 0;
    this.shareSum += share * times;
    let at = 0;
    while (at < SHARE_BOUNDS.length - 1 && share > (SHARE_BOUNDS[at] as number)) at++;
    this.shares[at] = (this.shares[at] as number) + times;
  }

  exemplar(micros: number, traceId: string, at: number): void {
    this.exemplars[bucketOf(micros)] = { traceId, seconds: micros / 1e6, at };
  }

  /** The share of unattributed time below which the part `q` of all requests lies: the bound of its bucket. */
  shareQuantile(q: number): number {
    let seen = 0;
    for (let i = 0; i < this.shares.length; i++) {
      seen += this.shares[i] as number;
      if (seen >= q * this.total.count) return SHARE_BOUNDS[i] as number;
    }
    return 0;
  }
}

export interface Exemplar {
  readonly traceId: string;
  readonly seconds: number;
  /** Seconds since the epoch. */
  readonly at: number;
}

/** `/etcdserverpb.KV/DeleteRange` → `delete_range`. */
export function opOf(path: string): string {
  const method = path.slice(path.lastIndexOf('/') + 1);
  return method.replace(/([a-z])([A-Z])/g, '$1_$2').toLowerCase();
}
