import { GrpcCode, type RpcError } from '../../errors';
import type { CallOptions, Metadata } from '../types';
import type { ClientConnection } from './client-connection';
import { ErrorCode } from './constants';
import { deadlines, type Expiring } from './deadlines';
import type { HeaderBlock } from './hpack-decoder';
import { errorOfHttpStatus, errorOfReset, type ResponseHead, responseHead } from './response-head';
import { Http2Stream } from './stream';

const noTrailers: Metadata = [];
const noBytes = new Uint8Array(0);

export interface CallContext {
  readonly maxReceiveBytes: number;
  readonly highWaterBytes: number;
}

/** A call of the client; it has no stream until the channel has a connection with room for one. */
export abstract class ClientCall extends Http2Stream implements Expiring {
  declare transport: ClientConnection;
  readonly path: string;
  readonly callMetadata: Metadata | undefined;
  readonly context: CallContext;
  expiresAt = 0;
  onWheel = false;
  nextExpiring: Expiring | undefined = undefined;
  previousExpiring: Expiring | undefined = undefined;
  /** END_STREAM has been sent. */
  protected localEnded = false;
  /** The caller has been told the outcome. */
  protected over = false;
  #headersReceived = false;
  #status: ResponseHead | undefined = undefined;

  constructor(path: string, options: CallOptions, context: CallContext) {
    super();
    this.path = path;
    this.callMetadata = options.metadata;
    this.context = context;
    if (options.timeoutMs === undefined) return;
    this.expiresAt = performance.now() + options.timeoutMs;
    deadlines.add(this);
  }

  protected get maxReceiveBytes(): number {
    return this.context.maxReceiveBytes;
  }

  /** Waits no more: neither cancelled nor timed out. */
  get isOver(): boolean {
    return this.over;
  }

  /** Writes the request; the stream has just been attached. */
  abstract start(): void;
  protected abstract headers(metadata: Metadata): void;
  /** The outcome, exactly once. */
  protected abstract settle(error: RpcError | undefined, trailers: Metadata): void;

  cancel(): void {
    this.#giveUp({ code: GrpcCode.Cancelled, message: 'context canceled' });
  }

  expire(): void {
    this.#giveUp({ code: GrpcCode.DeadlineExceeded, message: 'context deadline exceeded' });
  }

  /** The call ends with `error` and, if it has a stream, resets it. */
  #giveUp(error: RpcError): void {
    if (this.over) return;
    if (this.id !== 0 && !this.gone) {
      this.transport.writeReset(this.id, ErrorCode.Cancel);
      this.transport.closeStream(this);
    }
    this.finish(error, noTrailers);
  }

  finish(error: RpcError | undefined, trailers: Metadata): void {
    if (this.over) return;
    this.over = true;
    if (this.onWheel) deadlines.remove(this);
    this.settle(error, trailers);
  }

  receiveHeaders(block: HeaderBlock, endStream: boolean): void {
    const head = responseHead(block);
    if (this.remoteEnded) return this.abort(ErrorCode.StreamClosed);
    if (this.#headersReceived || endStream) return this.#trailers(head, endStream);
    if (head.httpStatus >= 100 && head.httpStatus < 200) return;
    if (head.httpStatus !== 200 || !isGrpc(head.contentType)) return this.refuse(errorOfHttpStatus(head));
    this.#headersReceived = true;
    this.encoding = head.encoding;
    this.headers(head.metadata);
  }

  #trailers(head: ResponseHead, endStream: boolean): void {
    if (!endStream) return this.abort(ErrorCode.ProtocolError);
    this.#status = head;
    // Behind messages that a paused reader has not taken yet.
    this.receiveData(noBytes, 0, 0, true);
  }

  /** All messages were delivered and the server has ended the stream. */
  protected ended(): void {
    if (!this.localEnded) this.transport.writeReset(this.id, ErrorCode.NoError);
    this.transport.closeStream(this);
    const status = this.#status;
    if (status === undefined) {
      this.finish(
        { code: GrpcCode.Internal, message: 'server closed the stream without sending trailers' },
        noTrailers,
      );
    } else if (status.grpcStatus > 0) {
      this.finish({ code: status.grpcStatus as GrpcCode, message: status.grpcMessage }, status.metadata);
    } else if (status.grpcStatus < 0) this.finish(errorOfHttpStatus(status), status.metadata);
    else this.finish(undefined, status.metadata);
  }

  protected refuse(error: RpcError): void {
    this.#giveUp(error);
  }

  receiveReset(code: number): void {
    if (this.remoteEnded) {
      // The server has answered and wants no more of the request; a paused reader may still take the answer.
      this.localEnded = true;
      return;
    }
    this.transport.closeStream(this);
    this.finish(errorOfReset(code), noTrailers);
  }

  connectionLost(reason: string): void {
    this.finish({ code: GrpcCode.Unavailable, message: reason }, noTrailers);
  }

  abort(code: ErrorCode): void {
    this.transport.writeReset(this.id, code);
    this.transport.closeStream(this);
    this.finish({ code: GrpcCode.Internal, message: 'the server broke the protocol' }, noTrailers);
  }

  protected halfCloseNow(): void {
    this.localEnded = true;
    this.transport.writeRaw(this, noBytes, true);
  }
}

function isGrpc(contentType: string | undefined): boolean {
  return contentType !== undefined && contentType.startsWith('application/grpc');
}
