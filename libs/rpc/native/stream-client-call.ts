import type { RpcError } from '../../errors';
import type { ClientStream, Metadata } from '../types';
import { ClientCall } from './client-call';
import { messagePrefixBytes } from './constants';

export class StreamClientCall extends ClientCall implements ClientStream {
  /** Messages sent before there was a stream. */
  #early: Uint8Array[] | undefined = [];
  #earlyBytes = 0;
  #halfClosed = false;
  #blocked = false;
  #onHeaders: ((metadata: Metadata) => void) | undefined = undefined;
  #onMessage: ((message: Uint8Array) => void) | undefined = undefined;
  #onClose: ((error: RpcError | undefined, trailers: Metadata) => void) | undefined = undefined;
  #onDrain: (() => void) | undefined = undefined;

  get bufferedBytes(): number {
    return this.queue.bytes + this.#earlyBytes;
  }

  onHeaders(callback: (metadata: Metadata) => void): void {
    this.#onHeaders = callback;
  }

  onMessage(callback: (message: Uint8Array) => void): void {
    this.#onMessage = callback;
  }

  onClose(callback: (error: RpcError | undefined, trailers: Metadata) => void): void {
    this.#onClose = callback;
  }

  onDrain(callback: () => void): void {
    this.#onDrain = callback;
  }

  start(): void {
    this.transport.writeRequestHeaders(this);
    const early = this.#early ?? [];
    this.#early = undefined;
    this.#earlyBytes = 0;
    for (const message of early) this.#write(message);
    if (this.#halfClosed) this.#endWhenSent();
    this.#tellDrained();
  }

  send(message: Uint8Array): boolean {
    if (this.over || this.#halfClosed) return false;
    if (this.#early !== undefined) {
      this.#early.push(message);
      this.#earlyBytes += message.length;
    } else this.#write(message);
    if (this.bufferedBytes > this.context.highWaterBytes) this.#blocked = true;
    return !this.#blocked;
  }

  halfClose(): void {
    if (this.over || this.#halfClosed) return;
    this.#halfClosed = true;
    if (this.#early === undefined) this.#endWhenSent();
  }

  queueShrunk(): void {
    if (this.#halfClosed) this.#endWhenSent();
    this.#tellDrained();
  }

  override get paused(): boolean {
    return super.paused;
  }

  protected headers(metadata: Metadata): void {
    this.#onHeaders?.(metadata);
  }

  protected message(bytes: Uint8Array): void {
    this.#onMessage?.(bytes);
  }

  protected settle(error: RpcError | undefined, trailers: Metadata): void {
    this.#early = undefined;
    this.#earlyBytes = 0;
    this.#onClose?.(error, trailers);
  }

  #write(message: Uint8Array): void {
    if (this.queue.bytes === 0 && this.transport.canWrite(this, message.length + messagePrefixBytes)) {
      this.transport.writeMessage(this, message, false);
    } else this.enqueue(message);
  }

  #endWhenSent(): void {
    if (this.queue.bytes === 0 && !this.localEnded && !this.gone) this.halfCloseNow();
  }

  #tellDrained(): void {
    if (!this.#blocked || this.bufferedBytes > this.context.highWaterBytes / 2) return;
    this.#blocked = false;
    this.#onDrain?.();
  }
}
