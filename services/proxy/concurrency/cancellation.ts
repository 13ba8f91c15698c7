import { Errors } from '../../../libs/errors';
import type { StreamRequest, UnaryRequest } from '../requests';
import { Refusal } from './refusal';

/** Whether the client has gone. */
export interface Cancellation {
  readonly cancelled: boolean;
  /** Runs at once when the client has gone already. */
  onCancel(callback: () => void): void;
}

export function cancellationOfUnary(request: UnaryRequest): Cancellation {
  const callbacks: Array<() => void> = [];
  request.onCancel(() => {
    for (const callback of callbacks) callback();
  });
  return {
    get cancelled() {
      return request.cancelled;
    },
    onCancel: (callback) => {
      if (request.cancelled) callback();
      else callbacks.push(callback);
    },
  };
}

export function cancellationOfStream(request: StreamRequest): Cancellation {
  return {
    get cancelled() {
      return request.closed;
    },
    onCancel: (callback) => request.onClose(callback),
  };
}

/** Throws when the client has gone. */
export function checkCancelled(cancellation: Cancellation): void {
  if (cancellation.cancelled) throw new Refusal(Errors.ContextCanceled);
}
