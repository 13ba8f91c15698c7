import type { Metadata } from '../../libs/rpc';
import type { TimedRequest } from './attribution/timed-request';
import type { RpcError } from '../../libs/errors';

export const noBytes: Uint8Array = new Uint8Array(0);

/**
 * Where the outcome of one request goes. A client's unary call is one; so is any internal caller. Exactly one of `reply`
 * and `fail` is called.
 */
export interface Answer {
  /** Nobody waits any more: the request may be dropped unanswered. */
  readonly cancelled: boolean;
  /** The trace context that entries and internal calls carry; absent or empty: not sampled. */
  readonly trace?: Uint8Array;
  /** Whose time it is; absent: nobody's, or stage stamps are off. */
  readonly timed?: TimedRequest | undefined;
  reply(response: Uint8Array, trailers?: Metadata): void;
  fail(error: RpcError, trailers?: Metadata): void;
}

export type Outcome =
  | { readonly ok: true; readonly response: Uint8Array }
  | { readonly ok: false; readonly error: RpcError };

/** The outcome as a promise, for the paths that are not hot. It never rejects. */
export function outcomeOf(start: (answer: Answer) => void, isCancelled: () => boolean = () => false): Promise<Outcome> {
  return new Promise((resolve) => {
    start({
      get cancelled() {
        return isCancelled();
      },
      reply: (response) => resolve({ ok: true, response }),
      fail: (error) => resolve({ ok: false, error }),
    });
  });
}
