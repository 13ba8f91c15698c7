import type { RpcError } from '../../errors';
import { encodeGrpcMessage } from './percent';
import { ErrorCode } from './constants';
import { deadlines, type Expiring } from './deadlines';
import type { HeaderBlock } from './hpack-decoder';
import type { RequestHead } from './request-head';
import type { ServerConnection } from './server-connection';
import { Http2Stream } from './stream';

const refuseAfterMs = 1000;

/**
 * A request over HTTP/2 that is not gRPC: answered by the HTTP handler when the server has one and the request does not
 * claim to be gRPC, else refused as grpc-go does, with a text for people who look.
 */
export class PlainHttpStream extends Http2Stream implements Expiring {
  expiresAt = 0;
  onWheel = false;
  nextExpiring: Expiring | undefined = undefined;
  previousExpiring: Expiring | undefined = undefined;
  declare transport: ServerConnection;
  override readonly raw = true;
  readonly head: RequestHead;
  /** Set by the bridge. */
  onBody: ((bytes: Uint8Array) => void) | undefined = undefined;
  onEnd: (() => void) | undefined = undefined;
  onGone: (() => void) | undefined = undefined;
  #ending = false;
  #full = false;
  #writable: (() => void) | undefined = undefined;
  /** Body octets that wait for windows. */
  #body: Uint8Array[] = [];

  constructor(transport: ServerConnection, id: number, head: RequestHead) {
    super();
    this.attach(transport, id);
    this.head = head;
    this.contentLeft = head.contentLength;
    transport.plainStreams++;
  }

  start(endStream: boolean): void {
    const bridge = this.transport.host.bridge;
    this.remoteEnded = endStream;
    if (!this.head.grpc && bridge !== undefined) {
      bridge.forward(this);
      if (endStream) this.onEnd?.();
    } else if (endStream) this.#refuse();
    else this.#refuseLater();
  }

  override receiveData(bytes: Uint8Array, start: number, end: number, endStream: boolean): void {
    if (end > start) this.onBody?.(bytes.subarray(start, end));
    if (!endStream) return;
    this.remoteEnded = true;
    this.onEnd?.();
  }

  /** The bridge has taken in as much of the body as it can hold. */
  override get paused(): boolean {
    return this.#full;
  }

  setFull(full: boolean): void {
    this.#full = full;
    if (!full) this.transport.credit(this);
  }

  respond(status: number, fields: ReadonlyArray<readonly [string, string]>): void {
    if (this.gone) return;
    const { encoder } = this.transport;
    encoder.begin();
    encoder.field(':status', String(status), true);
    for (const [name, value] of fields) encoder.field(name, value, false);
    this.transport.writeHeaders(this.id, false);
  }

  /** False: wait for `onWritable`. */
  write(bytes: Uint8Array): boolean {
    if (this.gone) return true;
    if (bytes.length > 0) this.#body.push(bytes);
    this.#drain();
    return this.#body.length === 0;
  }

  onWritable(callback: () => void): void {
    this.#writable = callback;
  }

  end(): void {
    this.#ending = true;
    this.#drain();
  }

  queueShrunk(): void {
    this.#drain();
  }

  #drain(): void {
    if (this.gone) return;
    const { transport } = this;
    while (this.#body.length > 0) {
      const bytes = this.#body[0] as Uint8Array;
      const size = transport.writeRaw(this, bytes, this.#ending && this.#body.length === 1);
      if (size < bytes.length) {
        this.#body[0] = bytes.subarray(size);
        transport.wait(this);
        return;
      }
      this.#body.shift();
      if (this.#body.length === 0 && this.#ending) return transport.ended(this);
    }
    if (this.#ending) {
      transport.writeRaw(this, new Uint8Array(0), true);
      transport.ended(this);
    } else this.#writable?.();
  }

  /** After the request, so that its own mistakes are found first; a client that never ends it gets the answer all the same. */
  #refuseLater(): void {
    this.onEnd = () => this.#refuse();
    this.expiresAt = this.transport.now + refuseAfterMs;
    deadlines.add(this);
  }

  expire(): void {
    if (!this.gone) this.#refuse();
  }

  #refuse(): void {
    this.onEnd = undefined;
    const { contentType, grpc, method } = this.head;
    const status = grpc ? 405 : 415;
    const error: RpcError = grpc
      ? { code: 13, message: `Received a HEADERS frame with :method "${method}" which should be POST` }
      : { code: 3, message: `invalid gRPC request content-type "${contentType ?? ''}"` };
    this.transport.record.reportRequest(error.message);
    this.respond(status, [
      ['content-type', 'application/grpc'],
      ['grpc-status', String(error.code)],
      ['grpc-message', encodeGrpcMessage(error.message)],
    ]);
    this.write(Buffer.from(error.message));
    this.end();
  }

  protected readonly maxReceiveBytes = 0;
  protected message(): void {}
  protected ended(): void {}
  protected refuse(): void {}

  receiveHeaders(_block: HeaderBlock, endStream: boolean): void {
    if (this.remoteEnded) return this.transport.fail(ErrorCode.StreamClosed, 'HEADERS on a half-closed stream');
    if (!endStream) return this.abort(ErrorCode.ProtocolError);
    this.receiveData(new Uint8Array(0), 0, 0, true);
  }

  receiveReset(): void {
    this.transport.closeStream(this, true);
  }

  connectionLost(): void {}

  abort(code: ErrorCode): void {
    this.transport.writeReset(this.id, code);
    this.transport.closeStream(this);
  }

  override release(): void {
    super.release();
    this.transport.plainStreams--;
    if (this.onWheel) deadlines.remove(this);
    this.#body = [];
    this.onGone?.();
  }
}
