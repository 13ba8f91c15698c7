import type { RpcError } from '../../errors';
import type { Metadata, StreamCall } from '../types';
import { messagePrefixBytes } from './constants';
import type { RequestHead } from './request-head';
import type { ServerConnection } from './server-connection';
import { ServerStream } from './server-stream';
import { PausedBy } from './stream';

interface Ending {
  readonly error: RpcError | undefined;
  readonly trailers: Metadata | undefined;
}

/** A call with a stream in at least one direction. */
export class StreamServerCall extends ServerStream implements StreamCall {
  #headersSent = false;
  #ending: Ending | undefined = undefined;
  #closed = false;
  #blocked = false;
  #onMessage: ((message: Uint8Array) => void) | undefined = undefined;
  #onHalfClose: (() => void) | undefined = undefined;
  #onClose: (() => void) | undefined = undefined;
  #onDrain: (() => void) | undefined = undefined;

  constructor(transport: ServerConnection, id: number, head: RequestHead) {
    super(transport, id, head);
  }

  get bufferedBytes(): number {
    return this.queue.bytes;
  }

  onMessage(callback: (message: Uint8Array) => void): void {
    this.#onMessage = callback;
  }

  onHalfClose(callback: () => void): void {
    this.#onHalfClose = callback;
  }

  onClose(callback: () => void): void {
    this.#onClose = callback;
  }

  onDrain(callback: () => void): void {
    this.#onDrain = callback;
  }

  /** After the handler has set its callbacks: headers leave at once so that the client knows the call has arrived. */
  start(): void {
    if (this.#ending === undefined && !this.#closed) this.sendHeaders();
  }

  sendHeaders(metadata?: Metadata): void {
    if (this.#headersSent || this.#closed || this.gone) return;
    this.#headersSent = true;
    this.transport.writeResponseHeaders(this.id, metadata);
  }

  send(message: Uint8Array): boolean {
    if (this.#ending !== undefined || this.#closed || this.gone) return false;
    this.sendHeaders();
    if (this.queue.bytes === 0 && this.transport.canWrite(this, message.length + messagePrefixBytes)) {
      this.transport.writeMessage(this, message, false);
      return true;
    }
    this.enqueue(message);
    const { host } = this.transport;
    if (this.queue.bytes > host.highWaterBytes || this.transport.isClogged) {
      this.#blocked = true;
      // Else a client that asks and never reads would fill the queue.
      if (host.heldBytesMax !== undefined) this.pause(PausedBy.unreadAnswers);
    }
    return !this.#blocked;
  }

  end(error?: RpcError, trailers?: Metadata): void {
    if (this.#ending !== undefined || this.#closed || this.gone) return;
    this.#ending = { error, trailers };
    if (this.queue.bytes === 0) this.#finish(this.#ending);
  }

  queueShrunk(): void {
    if (this.queue.bytes === 0 && this.#ending !== undefined) {
      this.#finish(this.#ending);
      return;
    }
    if (!this.#blocked || this.queue.bytes > this.transport.host.highWaterBytes / 2) return;
    this.#blocked = false;
    this.#onDrain?.();
    if (!this.#stillBlocked()) this.resume(PausedBy.unreadAnswers);
  }

  protected message(bytes: Uint8Array): void {
    if (this.#ending === undefined) this.#onMessage?.(bytes);
  }

  protected ended(): void {
    if (this.#ending === undefined) this.#onHalfClose?.();
  }

  protected failWith(error: RpcError): void {
    if (this.gone) return;
    this.transport.hold(-this.queue.bytes);
    this.queue.clear();
    this.#finish({ error, trailers: undefined });
  }

  protected cancel(): void {
    if (this.#closed) return;
    this.cancelled = this.#ending === undefined;
    this.#close();
  }

  #finish({ error, trailers }: Ending): void {
    if (this.#headersSent) this.transport.finish(this, error, trailers);
    else if (error === undefined) {
      this.sendHeaders();
      this.transport.finish(this, undefined, trailers);
    } else {
      this.transport.writeTrailersOnly(this.id, error, trailers);
      this.transport.ended(this);
    }
    this.#close();
  }

  /** `onDrain` may have sent more than fits again. */
  #stillBlocked(): boolean {
    return this.#blocked;
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#onClose?.();
  }
}
