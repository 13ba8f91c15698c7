import type { RpcError } from '../../libs/errors';
import type { Logger } from '../../libs/process';
import { decodeTrace } from '../../libs/telemetry';
import type { UnaryRequest } from './requests';

/** Lines a second. When everything is slow, thousands of lines say no more and make it slower. */
const LINES_PER_SECOND = 100;

/** What is read of a request; never its contents: keys, values and passwords stay out of the log. */
export type SlowRequest = Pick<UnaryRequest, 'trace' | 'body'> & {
  readonly stats: Pick<UnaryRequest['stats'], 'path'>;
  readonly call: { readonly connection: { readonly remoteAddress: string } };
};

/** Warns of requests that took long: of the first so many of a second one by one, of the rest in one line. */
export class SlowRequests {
  private secondBegan = Number.NEGATIVE_INFINITY;
  private lines = 0;
  private leftOut = 0;
  private slowestMs = 0;

  constructor(private readonly logger: Logger) {}

  /** @param at milliseconds, as `sweep` is given them */
  note(request: SlowRequest, tookMs: number, error: RpcError | undefined, at: number): void {
    if (at - this.secondBegan >= 1_000) this.beginSecond(at);
    if (this.lines >= LINES_PER_SECOND) {
      this.leftOut += 1;
      this.slowestMs = Math.max(this.slowestMs, tookMs);
      return;
    }
    this.lines += 1;
    const trace = decodeTrace(request.trace);
    this.logger.warn(
      {
        ...(trace && { 'trace-id': trace.traceId }),
        'response type': request.stats.path,
        remote: request.call.connection.remoteAddress,
        'time spent': `${tookMs.toFixed(3)}ms`,
        'request size': request.body.length,
        error: error?.message ?? '',
      },
      'request stats',
    );
  }

  /** To be called now and then: says what was left out though nothing slow follows. */
  sweep(at: number): void {
    if (this.leftOut > 0 && at - this.secondBegan >= 1_000) this.beginSecond(at);
  }

  private beginSecond(at: number): void {
    if (this.leftOut > 0) {
      const slowest = `${this.slowestMs.toFixed(3)}ms`;
      this.logger.warn({ requests: this.leftOut, slowest }, 'more requests were slow than are logged one by one');
    }
    this.secondBegan = at;
    this.lines = 0;
    this.leftOut = 0;
    this.slowestMs = 0;
  }
}
