interface Bucket {
  /** Failed attempts still allowed at once. */
  tokens: number;
  at: number;
  /** Attempts whose password is being compared. */
  running: number;
}

/** Failures in a row that cost nothing. */
const BURST = 20;
/** Afterwards one attempt per this long. */
const REFILL_MS = 500;
/** Comparisons of one user's password at once: more would crowd out other users. */
const RUNNING_MAX = 32;
const USERS_MAX = 10_000;

/**
 * Slows down guessing: after some failures in a row a user's attempts are limited to a few per second. A right password
 * clears the slate. Names that don't exist share one slate, so that they can't fill the table. Times in ms, monotonic.
 */
export class LoginThrottle {
  private readonly buckets = new Map<string, Bucket>();

  /** False: too many attempts. Otherwise `finish` must be called once. */
  begin(user: string, now: number): boolean {
    const bucket = this.bucket(user, now);
    if (bucket.tokens < 1 || bucket.running >= RUNNING_MAX) return false;
    bucket.tokens -= 1;
    bucket.running += 1;
    return true;
  }

  finish(user: string, succeeded: boolean): void {
    const bucket = this.buckets.get(user);
    if (bucket === undefined) return;
    bucket.running -= 1;
    if (succeeded) bucket.tokens = BURST;
  }

  private bucket(user: string, now: number): Bucket {
    let bucket = this.buckets.get(user);
    if (bucket === undefined) {
      if (this.buckets.size >= USERS_MAX) this.forgetQuiet(now);
      bucket = { tokens: BURST, at: now, running: 0 };
      this.buckets.set(user, bucket);
    }
    bucket.tokens = Math.min(BURST, bucket.tokens + (now - bucket.at) / REFILL_MS);
    bucket.at = now;
    return bucket;
  }

  private forgetQuiet(now: number): void {
    for (const [user, { tokens, at, running }] of this.buckets) {
      if (running === 0 && tokens + (now - at) / REFILL_MS >= BURST) this.buckets.delete(user);
    }
  }
}
