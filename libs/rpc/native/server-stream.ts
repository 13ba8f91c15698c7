import type { RpcError } from '../../errors';
import type { ConnectionInfo, Metadata } from '../types';
import { ErrorCode, errorName } from './constants';
import { deadlines, type Expiring } from './deadlines';
import type { HeaderBlock } from './hpack-decoder';
import { type RequestHead, trailersAreLegal } from './request-head';
import type { ServerConnection } from './server-connection';
import { Http2Stream } from './stream';

export const deadlineExceeded: RpcError = { code: 4, message: 'context deadline exceeded' };

/** What unary and streaming calls share on the server. */
export abstract class ServerStream extends Http2Stream implements Expiring {
  declare transport: ServerConnection;
  readonly path: string;
  readonly metadata: Metadata;
  readonly connection: ConnectionInfo;
  readonly receivedAt: number;
  readonly deadline: number | undefined;
  protected readonly headerBytes: number;
  cancelled = false;
  expiresAt = 0;
  onWheel = false;
  nextExpiring: Expiring | undefined = undefined;
  previousExpiring: Expiring | undefined = undefined;

  constructor(transport: ServerConnection, id: number, head: RequestHead) {
    super();
    this.attach(transport, id);
    this.path = head.path;
    this.metadata = head.metadata;
    this.connection = transport.record;
    this.receivedAt = transport.now;
    this.encoding = head.encoding;
    this.contentLeft = head.contentLength;
    this.headerBytes = head.bytes;
    transport.holdHeaders(head.bytes);
    if (head.timeoutMs === undefined) this.deadline = undefined;
    else {
      this.deadline = transport.now + head.timeoutMs;
      this.expiresAt = this.deadline;
      deadlines.add(this);
    }
  }

  /** The call is over without an answer of the handler. */
  protected abstract cancel(): void;
  /** Answers in the handler's stead. */
  protected abstract failWith(error: RpcError): void;

  protected get maxReceiveBytes(): number {
    return this.transport.host.maxReceiveBytes;
  }

  override release(): void {
    if (this.onWheel) deadlines.remove(this);
    this.transport.holdHeaders(-this.headerBytes);
    super.release();
  }

  expire(): void {
    if (this.gone) return;
    this.cancel();
    this.failWith(deadlineExceeded);
  }

  protected refuse(error: RpcError): void {
    this.transport.record.reportRequest(`${this.path}: ${error.message}`);
    this.failWith(error);
    this.cancel();
  }

  receiveHeaders(block: HeaderBlock, endStream: boolean): void {
    if (this.remoteEnded) return this.transport.fail(ErrorCode.StreamClosed, 'HEADERS on a half-closed stream');
    if (!endStream || !trailersAreLegal(block) || this.contentLeft > 0) return this.abort(ErrorCode.ProtocolError);
    this.receiveData(noBytes, 0, 0, true);
  }

  receiveReset(_code: number): void {
    this.transport.closeStream(this, true);
    this.cancel();
  }

  connectionLost(_reason: string): void {
    this.cancel();
  }

  abort(code: ErrorCode): void {
    if (code !== ErrorCode.Cancel) this.transport.record.reportRequest(`${this.path}: stream error ${errorName(code)}`);
    this.transport.writeReset(this.id, code);
    this.transport.closeStream(this);
    this.cancel();
  }
}

const noBytes = new Uint8Array(0);
