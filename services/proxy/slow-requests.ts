import type { RpcError } from '../../libs/errors';
import type { Logger } from '../../libs/process';
import { decodeTrace } from '../../libs/telemetry';
import { LineLimit } from './line-limit';
import type { UnaryRequest } from './requests';

/** What is read of a request; never its contents: keys, values and passwords stay out of the log. */
export type SlowRequest = Pick<UnaryRequest, 'trace' | 'body'> & {
  readonly stats: Pick<UnaryRequest['stats'], 'path'>;
  readonly call: { readonly connection: { readonly remoteAddress: string } };
};

/** Warns of requests that took long, in the form of etcd: of the first so many of a second one by one, of the rest in one line. */
export class SlowRequests {
  private readonly limit: LineLimit;

  constructor(private readonly logger: Logger) {
    this.limit = new LineLimit(logger, 'more requests were slow than are logged one by one');
  }

  /** @param at milliseconds, as `sweep` is given them */
  note(request: SlowRequest, tookMs: number, error: RpcError | undefined, at: number): void {
    if (!this.limit.admits(tookMs, at)) return;
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

  sweep(at: number): void {
    this.limit.sweep(at);
  }
}
