import { GrpcCode, type RpcError } from '../../errors';
import type { CallOptions, Metadata, UnaryResult } from '../types';
import { type CallContext, ClientCall } from './client-call';
import { messagePrefixBytes } from './constants';

export class UnaryClientCall extends ClientCall {
  readonly #request: Uint8Array;
  readonly #callback: (result: UnaryResult) => void;
  #response: Uint8Array | undefined = undefined;

  constructor(
    path: string,
    request: Uint8Array,
    options: CallOptions,
    context: CallContext,
    callback: (result: UnaryResult) => void,
  ) {
    super(path, options, context);
    this.#request = request;
    this.#callback = callback;
  }

  start(): void {
    this.transport.writeRequestHeaders(this);
    if (this.transport.canWrite(this, this.#request.length + messagePrefixBytes)) {
      this.localEnded = true;
      this.transport.writeMessage(this, this.#request, true);
    } else this.enqueue(this.#request);
  }

  queueShrunk(): void {
    if (this.queue.bytes === 0 && !this.localEnded) this.halfCloseNow();
  }

  protected headers(): void {}

  protected message(bytes: Uint8Array): void {
    if (this.#response === undefined) this.#response = bytes;
    else this.refuse({ code: GrpcCode.Internal, message: 'cardinality violation: expected one response message' });
  }

  protected settle(error: RpcError | undefined, trailers: Metadata): void {
    if (error !== undefined) this.#callback({ ok: false, error, trailers });
    else if (this.#response !== undefined) this.#callback({ ok: true, response: this.#response, trailers });
    else this.#callback({ ok: false, error: noResponse, trailers });
  }
}

const noResponse: RpcError = {
  code: GrpcCode.Internal,
  message: 'cardinality violation: received no response message',
};
