/** The first bound is 10 µs, each further one twice the one before; the last is 5.2 s. */
export const BOUNDS_MICROS: readonly number[] = Array.from({ length: 20 }, (_, i) => 10 * 2 ** i);
const BUCKETS = BOUNDS_MICROS.length + 1;

/** A histogram of durations in microseconds that costs a few nanoseconds to feed. */
export class DurationHistogram {
  /** By bucket, not cumulative; the last is for everything above the last bound. */
  readonly buckets = new Float64Array(BUCKETS);
  sumMicros = 0;
  count = 0;

  /** `times` requests that took `micros` each; below 0 counts as 0. */
  observe(micros: number, times = 1): void {
    const value = micros > 0 ? micros : 0;
    this.buckets[bucketOf(value)] = (this.buckets[bucketOf(value)] as number) + times;
    this.sumMicros += value * times;
    this.count += times;
  }

  /** The duration below which the share `q` of all lies, interpolated within its bucket; 0 when nothing was observed. */
  quantile(q: number): number {
    return quantileOf(this.buckets, this.count, q);
  }
}

/** The first bucket whose bound is not below the value. */
export function bucketOf(micros: number): number {
  const tens = Math.ceil(micros / 10);
  if (tens <= 1) return 0;
  if (tens > 524_288) return BUCKETS - 1;
  return 32 - Math.clz32(tens - 1);
}

export function quantileOf(buckets: ArrayLike<number>, count: number, q: number): number {
  if (count === 0) return 0;
  const rank = q * count;
  let seen = 0;
  for (let i = 0; i < BUCKETS; i++) {
    const here = buckets[i] ?? 0;
    if (here === 0 || seen + here < rank) {
      seen += here;
      continue;
    }
    const low = i === 0 ? 0 : (BOUNDS_MICROS[i - 1] as number);
    const high = i < BOUNDS_MICROS.length ? (BOUNDS_MICROS[i] as number) : low * 2;
    return low + ((high - low) * (rank - seen)) / here;
  }
  return BOUNDS_MICROS[BOUNDS_MICROS.length - 1] as number;
}
