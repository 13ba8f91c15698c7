/**
 * How much of what is slow is looked at one by one: under overload everything is slow, and looking at each would make it
 * slower.
 */
export class Looks {
  private until = 0;
  private left = 0;

  constructor(private readonly perSecond: number) {}

  /** Whether one more may be looked at. Microseconds of the host's clock. */
  admits(now: number): boolean {
    if (now > this.until) {
      this.until = now + 1_000_000;
      this.left = this.perSecond;
    }
    return this.left-- > 0;
  }
}
