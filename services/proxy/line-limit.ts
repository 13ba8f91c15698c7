import type { Logger } from '../../libs/process';

/** Lines a second. When everything is slow, thousands of lines say no more and make it slower. */
const LINES_PER_SECOND = 50;

/** Lets the first so many lines of a second through; the rest is counted, and told of in one line with the slowest. */
export class LineLimit {
  private secondBegan = Number.NEGATIVE_INFINITY;
  private lines = 0;
  private leftOut = 0;
  private slowestMs = 0;

  /** `text`: of the line that tells of what was left out. */
  constructor(
    private readonly logger: Pick<Logger, 'warn'>,
    private readonly text: string,
  ) {}

  /** @param at milliseconds, as `sweep` is given them */
  admits(tookMs: number, at: number): boolean {
    if (at - this.secondBegan >= 1_000) this.beginSecond(at);
    if (this.lines >= LINES_PER_SECOND) {
      this.leftOut += 1;
      this.slowestMs = Math.max(this.slowestMs, tookMs);
      return false;
    }
    this.lines += 1;
    return true;
  }

  /** To be called now and then: says what was left out though nothing slow follows. */
  sweep(at: number): void {
    if (this.leftOut > 0 && at - this.secondBegan >= 1_000) this.beginSecond(at);
  }

  private beginSecond(at: number): void {
    if (this.leftOut > 0) {
      this.logger.warn({ requests: this.leftOut, slowest: `${this.slowestMs.toFixed(3)}ms` }, this.text);
    }
    this.secondBegan = at;
    this.lines = 0;
    this.leftOut = 0;
    this.slowestMs = 0;
  }
}
