const BUCKETS_PER_OCTAVE = 256;
const OCTAVES = 30;

/**
 * A histogram of durations from 1 µs to 18 minutes with buckets of about 0.3 %, so that recording costs next to nothing and
 * memory does not grow. Shorter durations count as 1 µs, longer ones as the longest.
 */
export class Latencies {
  private readonly buckets = new Uint32Array(BUCKETS_PER_OCTAVE * OCTAVES);
  count = 0;
  /** In milliseconds, exact. */
  max = 0;

  record(ms: number): void {
    if (ms > this.max) this.max = ms;
    const octaves = ms > 0.001 ? Math.log2(ms * 1_000) : 0;
    const at = Math.min(this.buckets.length - 1, Math.floor(octaves * BUCKETS_PER_OCTAVE));
    this.buckets[at] = (this.buckets[at] ?? 0) + 1;
    this.count += 1;
  }

  /** The duration in milliseconds that a share `q` (0 to 1) of all does not exceed, within 0.3 %; 0 when there is none. */
  quantile(q: number): number {
    const rank = Math.max(1, Math.ceil(this.count * q));
    let seen = 0;
    for (const [at, count] of this.buckets.entries()) {
      seen += count;
      if (seen >= rank) return Math.min(this.max, 2 ** ((at + 0.5) / BUCKETS_PER_OCTAVE) / 1_000);
    }
    return 0;
  }
}
