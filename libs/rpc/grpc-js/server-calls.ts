import type { sendUnaryData, ServerDuplexStream, ServerUnaryCall } from '@grpc/grpc-js';
import type { RpcError } from '../../errors';
import { type CancelListener, tellCancelled } from '../cancel-listener';
import { messageTooLarge } from '../status-texts';
import type { ConnectionInfo, Metadata, StreamCall, UnaryCall } from '../types';
import { asBuffer, fromGrpcMetadata, toGrpcMetadata } from './convert';

abstract class BaseCall {
  readonly path: string;
  readonly metadata: Metadata;
  readonly connection: ConnectionInfo;
  readonly deadline: number | undefined;
  readonly receivedAt = performance.now();
  cancelled = false;

  constructor(
    path: string,
    call: ServerUnaryCall<Buffer, Buffer> | ServerDuplexStream<Buffer, Buffer>,
    connection: ConnectionInfo,
  ) {
    this.path = path;
    this.metadata = fromGrpcMetadata(call.metadata);
    this.connection = connection;
    this.deadline = monotonic(call.getDeadline());
  }
}

/** Wall-clock milliseconds on the scale of `performance.now()`. */
function monotonic(deadline: Date | number): number | undefined {
  const at = Number(deadline);
  return Number.isFinite(at) ? performance.now() + at - Date.now() : undefined;
}

export class GrpcJsUnaryCall extends BaseCall implements UnaryCall {
  readonly request: Uint8Array;
  readonly #respond: sendUnaryData<Buffer>;
  readonly #finished: () => void;
  #onCancel: CancelListener | (() => void) | undefined;
  #answered = false;

  constructor(
    path: string,
    call: ServerUnaryCall<Buffer, Buffer>,
    respond: sendUnaryData<Buffer>,
    connection: ConnectionInfo,
    finished: () => void,
  ) {
    super(path, call, connection);
    this.request = call.request;
    this.#respond = respond;
    this.#finished = finished;
    call.once('cancelled', () => this.#cancel());
  }

  onCancel(listener: CancelListener | (() => void)): void {
    this.#onCancel = listener;
  }

  reply(response: Uint8Array, trailers?: Metadata): void {
    if (!this.#answer()) return;
    this.#respond(null, asBuffer(response), toGrpcMetadata(trailers));
  }

  fail(error: RpcError, trailers?: Metadata): void {
    if (!this.#answer()) return;
    this.#respond({ code: error.code, details: error.message }, null, toGrpcMetadata(trailers));
  }

  failTooLarge(received: number, limit: number): void {
    this.fail({ code: 8, message: messageTooLarge(received, limit) });
  }

  #answer(): boolean {
    if (this.#answered || this.cancelled) return false;
    this.#answered = true;
    this.#finished();
    return true;
  }

  #cancel(): void {
    if (this.#answered || this.cancelled) return;
    this.cancelled = true;
    this.#finished();
    tellCancelled(this.#onCancel);
  }
}

export class GrpcJsStreamCall extends BaseCall implements StreamCall {
  readonly #call: ServerDuplexStream<Buffer, Buffer>;
  readonly #highWaterBytes: number;
  readonly #maxReceiveBytes: number;
  #buffered = 0;
  #blocked = false;
  #ended = false;
  #headersSent = false;
  #closed = false;
  /** An error status would overtake queued messages in grpc-js, so it waits here. */
  #statusAfterWrites: (() => void) | undefined;
  #onClose: (() => void) | undefined;
  #onDrain: () => void = () => {};
  #onMessage: (message: Uint8Array) => void = () => {};

  constructor(
    path: string,
    call: ServerDuplexStream<Buffer, Buffer>,
    connection: ConnectionInfo,
    highWaterBytes: number,
    maxReceiveBytes: number,
  ) {
    super(path, call, connection);
    this.#call = call;
    this.#highWaterBytes = highWaterBytes;
    this.#maxReceiveBytes = maxReceiveBytes;
    call.once('cancelled', () => {
      this.cancelled = !this.#ended;
      this.#close();
    });
    call.once('close', () => this.#close());
    call.on('error', () => {});
  }

  get bufferedBytes(): number {
    return this.#buffered;
  }

  /** After the handler has set its callbacks: headers leave at once so that the client knows the call has arrived. */
  start(): void {
    this.#call.on('data', (message: Buffer) => this.#receive(message));
    if (!this.#ended) this.sendHeaders();
  }

  onMessage(callback: (message: Uint8Array) => void): void {
    this.#onMessage = callback;
  }

  onHalfClose(callback: () => void): void {
    this.#call.once('end', () => {
      if (!this.#closed && !this.#ended) callback();
    });
  }

  onClose(callback: () => void): void {
    this.#onClose = callback;
  }

  sendHeaders(metadata?: Metadata): void {
    if (this.#headersSent) return;
    this.#headersSent = true;
    this.#call.sendMetadata(toGrpcMetadata(metadata));
  }

  send(message: Uint8Array): boolean {
    if (this.#ended || this.cancelled) return false;
    this.#headersSent = true;
    this.#buffered += message.length;
    this.#call.write(asBuffer(message), () => this.#written(message.length));
    if (this.#buffered > this.#highWaterBytes) this.#blocked = true;
    return !this.#blocked;
  }

  onDrain(callback: () => void): void {
    this.#onDrain = callback;
  }

  pause(): void {
    this.#call.pause();
  }

  resume(): void {
    this.#call.resume();
  }

  end(error?: RpcError, trailers?: Metadata): void {
    if (this.#ended || this.cancelled) return;
    this.#ended = true;
    if (error === undefined) this.#call.end(toGrpcMetadata(trailers));
    else if (this.#buffered === 0) this.#emitStatus(error, trailers);
    else this.#statusAfterWrites = () => this.#emitStatus(error, trailers);
  }

  #emitStatus(error: RpcError, trailers: Metadata | undefined): void {
    this.#call.emit('error', { code: error.code, details: error.message, metadata: toGrpcMetadata(trailers) });
    setImmediate(() => this.#close());
  }

  #receive(message: Buffer): void {
    if (this.#ended || this.cancelled) return;
    if (message.length > this.#maxReceiveBytes) {
      this.end({ code: 8, message: messageTooLarge(message.length, this.#maxReceiveBytes) });
      return;
    }
    this.#onMessage(message);
  }

  #written(bytes: number): void {
    this.#buffered -= bytes;
    if (this.#buffered === 0) this.#statusAfterWrites?.();
    if (!this.#blocked || this.#buffered > this.#highWaterBytes / 2) return;
    this.#blocked = false;
    this.#onDrain();
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#ended = true;
    this.#onClose?.();
  }
}
