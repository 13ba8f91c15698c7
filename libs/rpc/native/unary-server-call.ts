import type { RpcError } from '../../errors';
import { type CancelListener, tellCancelled } from '../cancel-listener';
import type { Metadata, ReplyParts, UnaryCall, UnaryHandler } from '../types';
import { ErrorCode, messagePrefixBytes } from './constants';
import { PartedReply } from './parted-reply';
import type { RequestHead } from './request-head';
import type { ServerConnection } from './server-connection';
import { ServerStream } from './server-stream';

const noRequest = new Uint8Array(0);

/** A unary call: the handler runs when the whole request is there, inside the loop that reads the socket. */
export class UnaryServerCall extends ServerStream implements UnaryCall {
  request: Uint8Array = noRequest;
  readonly #handler: UnaryHandler;
  #received = false;
  #answered = false;
  #onCancel: CancelListener | (() => void) | undefined = undefined;
  /** Set while the answer waits for windows. */
  #trailers: Metadata | undefined = undefined;
  #queued = 0;
  #parts: PartedReply | undefined = undefined;

  constructor(transport: ServerConnection, id: number, head: RequestHead, handler: UnaryHandler) {
    super(transport, id, head);
    this.#handler = handler;
    transport.runningUnary++;
  }

  onCancel(listener: CancelListener | (() => void)): void {
    this.#onCancel = listener;
  }

  reply(response: Uint8Array, trailers?: Metadata): void {
    if (!this.#answer()) return;
    const { transport } = this;
    const size = response.length + messagePrefixBytes;
    transport.writeResponseHeaders(this.id);
    if (transport.canWrite(this, size)) {
      transport.writeMessage(this, response, false);
      transport.finish(this, undefined, trailers);
      return;
    }
    this.#trailers = trailers ?? noTrailers;
    this.enqueue(response);
    this.#queued = size;
    transport.replyBacklog(size);
  }

  beginReply(bytes: number): ReplyParts | undefined {
    if (!this.#answer()) return undefined;
    this.transport.writeResponseHeaders(this.id);
    const parts = new PartedReply(bytes, {
      queue: (part, isFirst) => this.enqueuePart(part, bytes, isFirst),
      isFull: () => this.queue.bytes > this.transport.host.highWaterBytes || this.transport.isClogged,
      abort: () => {
        if (!this.gone) this.abort(ErrorCode.InternalError);
      },
    });
    this.#parts = parts;
    return parts;
  }

  fail(error: RpcError, trailers?: Metadata): void {
    if (!this.#answer()) return;
    this.transport.writeTrailersOnly(this.id, error, trailers);
    this.transport.ended(this);
  }

  protected failWith(error: RpcError): void {
    if (this.gone) return;
    // Its headers are out: a status would come too late.
    if (this.#answered) return this.abort(ErrorCode.Cancel);
    this.#answered = true;
    this.transport.writeTrailersOnly(this.id, error, undefined);
    this.transport.ended(this);
  }

  protected message(bytes: Uint8Array): void {
    if (this.#received) {
      this.refuse({
        code: 13,
        message: 'cardinality violation: received multiple request messages for non-client-streaming RPC',
      });
      return;
    }
    this.#received = true;
    this.request = bytes;
  }

  protected ended(): void {
    if (!this.#received) {
      this.refuse({
        code: 13,
        message: 'cardinality violation: received no request message from non-client-streaming RPC',
      });
      return;
    }
    this.#handler(this);
  }

  queueShrunk(): void {
    if (this.#parts !== undefined) return this.#partsShrunk(this.#parts);
    if (this.queue.bytes > 0 || this.#trailers === undefined) return;
    this.transport.finish(this, undefined, this.#trailers);
  }

  override release(): void {
    if (this.#queued > 0) this.transport.replyBacklog(-this.#queued);
    this.#queued = 0;
    this.transport.unaryFinished();
    super.release();
  }

  #partsShrunk(parts: PartedReply): void {
    if (this.queue.bytes === 0 && parts.isComplete) this.transport.finish(this, undefined, noTrailers);
    else if (this.queue.bytes <= this.transport.host.highWaterBytes / 2) parts.drained();
  }

  protected cancel(): void {
    this.#parts?.broken();
    if (this.#answered || this.cancelled) return;
    this.cancelled = true;
    tellCancelled(this.#onCancel);
  }

  #answer(): boolean {
    if (this.#answered || this.cancelled || this.gone) return false;
    this.#answered = true;
    return true;
  }
}

const noTrailers: Metadata = [];
