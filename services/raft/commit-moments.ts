/** More turns than this never wait for storage while it is attached; while it is away older ones tell nothing. */
const MOMENTS_MAX = 4096;

interface CommitMoment {
  readonly index: number;
  readonly at: number;
}

/** When this raft came to know of commits: one record for each turn, until their entries are delivered. */
export class CommitMoments {
  private moments: CommitMoment[] = [];
  private commit = 0;

  /** `clock`: microseconds of the host's monotonic clock. */
  constructor(private readonly clock: () => number) {}

  /** Where the commit stands at the end of a turn. */
  advance(commit: number): void {
    if (commit <= this.commit) return;
    this.commit = commit;
    if (this.moments.length >= MOMENTS_MAX) this.moments.shift();
    this.moments.push({ index: commit, at: this.clock() });
  }

  /** The stamps of a delivery of the entries `first`…`last`, which leaves now. */
  delivered(first: number, last: number): { readonly commitMicros: number; readonly sentAt: number } {
    const now = this.clock();
    const { moments } = this;
    let at = 0;
    while (at < moments.length && (moments[at] as CommitMoment).index < first) at++;
    const known = moments[at]?.at ?? now;
    while (at < moments.length && (moments[at] as CommitMoment).index <= last) at++;
    moments.splice(0, at);
    return { commitMicros: Math.round(now - known), sentAt: Math.round(now) };
  }
}
