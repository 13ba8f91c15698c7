/** Counts by second since it was made, so that one sees when a server has warmed up. */
export class Timeline {
  private readonly startedAt = performance.now();
  private readonly counts: number[] = [0];

  /** `now` of the same clock, `performance.now()`. */
  count(now: number): void {
    const second = Math.floor((now - this.startedAt) / 1_000);
    while (this.counts.length <= second) this.counts.push(0);
    this.counts[second] = (this.counts[second] ?? 0) + 1;
  }

  get perSecond(): readonly number[] {
    return this.counts;
  }
}
