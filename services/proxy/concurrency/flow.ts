import type { UnaryRoute } from '../router';
import { cancellationOfUnary } from './cancellation';
import { Refusal } from './refusal';
import { StoreClient, type StoreClientOptions } from './store-client';
import { WireError } from '../../../libs/wire';
import { Errors, GrpcCode, type RpcError } from '../../../libs/errors';

/** A unary route written as one asynchronous flow; what it throws as Refusal is the answer. */
export function unaryFlow(
  options: StoreClientOptions,
  flow: (store: StoreClient, body: Uint8Array) => Promise<Uint8Array>,
): UnaryRoute {
  return {
    handle: (request) => {
      const store = new StoreClient(options, request.identity, cancellationOfUnary(request));
      flow(store, request.body).then(
        (response) => request.reply(response),
        (error: unknown) => request.fail(refusalOf(error)),
      );
    },
  };
}

/**
 * The error to answer with; anything that is no operating error is thrown on. etcd's Lock and Election lose the code of what
 * their inner client was told, and clients know only Unknown; Unavailable is kept, since it says that another try may help.
 */
export function refusalOf(error: unknown): RpcError {
  if (error instanceof Refusal) {
    const { code, message } = error.error;
    return code === GrpcCode.Unavailable || code === GrpcCode.Cancelled
      ? error.error
      : { code: GrpcCode.Unknown, message };
  }
  if (error instanceof WireError) return Errors.MalformedRequest;
  throw error;
}

/** For a `catch` whose failure changes nothing. */
export function ignoreRefusal(error: unknown): void {
  refusalOf(error);
}
