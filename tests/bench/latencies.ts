const BUCKETS_PER_OCTAVE = 64;
const OCTAVES = 30;

/** A histogram of durations from 1 µs to minutes with buckets of about 1 %, so that recording costs nothing to speak of. */
export class Latencies {
  private readonly buckets = new Uint32Array(BUCKETS_PER_OCTAVE * OCTAVES);
  count = 0;

  record(ms: number): void {
    const micros = Math.max(1, ms * 1_000);
    const at = Math.min(this.buckets.length - 1, Math.floor(Math.log2(micros) * BUCKETS_PER_OCTAVE));
    this.buckets[at] = (this.buckets[at] ?? 0) + 1;
    this.count += 1;
  }

  /** In milliseconds; `q` from 0 to 1. */
  quantile(q: number): number {
    const rank = Math.ceil(this.count * q);
    let seen = 0;
    for (const [at, count] of this.buckets.entries()) {
      seen += count;
      if (seen >= rank && count > 0) return 2 ** ((at + 0.5) / BUCKETS_PER_OCTAVE) / 1_000;
    }
    return 0;
  }
}
