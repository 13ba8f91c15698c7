import type { Socket } from 'node:net';
import type { RpcError } from '../../errors';
import type { ConnectionRecord } from '../connection-record';
import { unknownMethod } from '../status-texts';
import type { Metadata, StreamHandler, UnaryHandler } from '../types';
import { ClosedStreams } from './closed-streams';
import { Http2Connection } from './connection';
import { ErrorCode, maxWindow, preface, Setting } from './constants';
import type { HeaderBlock } from './hpack-decoder';
import {
  AbuseCost,
  cloggedBytes,
  headerBytesMax,
  maxHeaderListBytes,
  maxPlainStreams,
  replyBacklogBytes,
  streamWindow,
} from './limits';
import { encodeGrpcMessage } from './percent';
import { PingPolicy } from './ping-policy';
import { PlainHttpStream } from './plain-http-stream';
import { type RequestHead, requestHead } from './request-head';
import type { ServerStream } from './server-stream';
import type { Http2Stream } from './stream';
import { StreamServerCall } from './stream-server-call';
import { UnaryServerCall } from './unary-server-call';
import type { Http1Bridge } from './http1-bridge';

/** What a connection needs of its server. */
export interface ServerHost {
  readonly maxReceiveBytes: number;
  readonly highWaterBytes: number;
  readonly maxConcurrentStreams: number;
  /** Bounds what slow peers make the server hold; undefined: peers are trusted. */
  readonly heldBytesMax: number | undefined;
  readonly keepaliveMinTimeMs: number | undefined;
  readonly keepaliveIntervalMs: number;
  readonly keepaliveTimeoutMs: number;
  readonly handshakeTimeoutMs: number;
  readonly bridge: Http1Bridge | undefined;
  readonly unary: ReadonlyMap<string, UnaryHandler>;
  readonly stream: ReadonlyMap<string, StreamHandler>;
  report(peer: string, reason: string): void;
  /** `connection` holds `bytes` more (or less) for its peer. */
  held(connection: ServerConnection, bytes: number): void;
  connectionClosed(connection: ServerConnection): void;
  unaryFinished(): void;
}

const shuttingDown: RpcError = { code: 14, message: 'transport is closing' };
const drainPing = Buffer.from('drain\0\0\0');
const keepalivePing = Buffer.from('alive\0\0\0');

export class ServerConnection extends Http2Connection {
  readonly host: ServerHost;
  readonly record: ConnectionRecord;
  runningUnary = 0;
  plainStreams = 0;
  /** Headers of open calls. */
  #headerBytes = 0;
  readonly #openedAt = performance.now();
  readonly #closedStreams = new ClosedStreams();
  readonly #pings: PingPolicy;
  #prefaceSeen = 0;
  #replyBacklog = 0;
  #draining = false;
  /** Streams above it are ignored once the final GOAWAY is out. */
  #lastAccepted = maxWindow;
  #pingSentAt = 0;
  #lastReadAt = this.now;
  #reported = false;
  /** Encoded blocks that repeat, valid for one state of the encoder. */
  #headersBlock: Buffer | undefined;
  #trailersBlock: Buffer | undefined;
  #blocksGeneration = -1;

  constructor(socket: Socket, record: ConnectionRecord, host: ServerHost) {
    super(socket);
    this.record = record;
    this.host = host;
    this.#pings = new PingPolicy(host.keepaliveMinTimeMs);
    this.closeReason = 'the client has gone';
    this.writeSettings([
      [Setting.InitialWindowSize, streamWindow],
      [Setting.MaxHeaderListSize, maxHeaderListBytes],
      [Setting.MaxConcurrentStreams, host.maxConcurrentStreams],
    ]);
  }

  override receive(chunk: Buffer): void {
    if (this.#prefaceSeen === preface.length) return super.receive(chunk);
    const length = Math.min(chunk.length, preface.length - this.#prefaceSeen);
    if (chunk.compare(preface, this.#prefaceSeen, this.#prefaceSeen + length, 0, length) !== 0) {
      return this.fail(ErrorCode.ProtocolError, 'bad connection preface');
    }
    this.#prefaceSeen += length;
    if (chunk.length > length) super.receive(chunk.subarray(length));
  }

  /** Called about once a second, so that no connection needs a timer. */
  sweep(now: number): void {
    if (!this.settingsReceived) {
      if (now - this.#openedAt < this.host.handshakeTimeoutMs) return;
      this.reportProblem('connection preface timeout');
      this.destroy('connection preface timeout');
      return;
    }
    if (this.#lastReadAt !== this.now) {
      this.#lastReadAt = this.now;
      this.#pingSentAt = 0;
    }
    if (this.#pingSentAt > 0) {
      if (now - this.#pingSentAt >= this.host.keepaliveTimeoutMs) this.destroy('keepalive ping timed out');
    } else if (now - this.now >= this.host.keepaliveIntervalMs) {
      this.#pingSentAt = now;
      this.writePing(keepalivePing, false);
    }
  }

  /** First half of a graceful end: a peer that has not seen it yet may still open streams. */
  drain(): void {
    if (this.#draining || this.closed) return;
    this.#draining = true;
    this.writeGoaway(maxWindow, ErrorCode.NoError, 'graceful_stop');
    this.writePing(drainPing, false);
  }

  /** Ends streaming calls with Unavailable, then the connection. */
  endAll(): void {
    for (const stream of this.streams.values()) {
      if (stream instanceof StreamServerCall) stream.end(shuttingDown);
    }
    this.writeGoaway(Math.min(this.lastPeerStream, this.#lastAccepted), ErrorCode.NoError, '');
    this.shut('server is shutting down');
  }

  // ---- requests

  protected onHeaders(streamId: number, block: HeaderBlock, endStream: boolean): void {
    const stream = this.streams.get(streamId);
    if (stream !== undefined) return stream.receiveHeaders(block, endStream);
    if (streamId <= this.lastPeerStream || (streamId & 1) === 0) return this.#badStreamId(streamId);
    if (streamId > this.#lastAccepted) return;
    this.lastPeerStream = streamId;
    const head = requestHead(block);
    if (head.malformed || (endStream && head.contentLength > 0)) {
      this.record.reportRequest('malformed request headers');
      return this.#reject(streamId, ErrorCode.ProtocolError);
    }
    if (block.tooLarge) {
      this.record.reportRequest('header list too large');
      return this.#reject(streamId, ErrorCode.EnhanceYourCalm);
    }
    if (this.streams.size >= this.host.maxConcurrentStreams) return this.#refuseStream(streamId);
    if (this.#headerBytes + head.bytes > headerBytesMax) return this.#reject(streamId, ErrorCode.EnhanceYourCalm);
    if (!head.grpc || head.method !== 'POST') return this.#plainRequest(streamId, head, endStream);
    this.#call(streamId, head, endStream);
  }

  #call(streamId: number, head: RequestHead, endStream: boolean): void {
    const refusal = refusalOf(head);
    if (refusal !== undefined) return this.#refuse(streamId, refusal, endStream);
    const unary = this.host.unary.get(head.path);
    if (unary !== undefined) {
      const call = new UnaryServerCall(this, streamId, head, unary);
      if (endStream) call.receiveData(noBytes, 0, 0, true);
      return;
    }
    const handler = this.host.stream.get(head.path);
    if (handler === undefined) {
      const known = [...this.host.unary.keys(), ...this.host.stream.keys()];
      return this.#refuse(streamId, { code: 12, message: unknownMethod(head.path, known) }, endStream);
    }
    const call = new StreamServerCall(this, streamId, head);
    handler(call);
    call.start();
    if (endStream && !call.gone) call.receiveData(noBytes, 0, 0, true);
  }

  #refuse(streamId: number, error: RpcError, endStream: boolean): void {
    this.record.reportRequest(error.message);
    this.writeTrailersOnly(streamId, error, undefined);
    this.#closedStreams.add(streamId, !endStream);
    if (!endStream) this.writeReset(streamId, ErrorCode.NoError);
  }

  #reject(streamId: number, code: ErrorCode): void {
    this.writeReset(streamId, code);
    this.#closedStreams.add(streamId, true);
  }

  #refuseStream(streamId: number): void {
    this.charge(AbuseCost.refusedStream);
    this.#reject(streamId, ErrorCode.RefusedStream);
  }

  #plainRequest(streamId: number, head: RequestHead, endStream: boolean): void {
    if (this.plainStreams >= maxPlainStreams) return this.#refuseStream(streamId);
    const stream = new PlainHttpStream(this, streamId, head);
    stream.start(endStream);
  }

  #badStreamId(streamId: number): void {
    if (this.#closedStreams.closedEarly(streamId) === true) return;
    if ((streamId & 1) === 0 || this.#closedStreams.closedEarly(streamId) === undefined) {
      return this.fail(ErrorCode.ProtocolError, `bad stream id ${streamId}`);
    }
    this.fail(ErrorCode.StreamClosed, 'HEADERS on a closed stream');
  }

  protected isIdle(streamId: number): boolean {
    return streamId > this.lastPeerStream || (streamId & 1) === 0;
  }

  protected onDataForUnknown(streamId: number): void {
    this.charge(AbuseCost.emptyFrame);
    // What was on its way when we ended the stream is no mistake of the peer.
    if (this.#closedStreams.closedEarly(streamId) !== true) this.writeReset(streamId, ErrorCode.StreamClosed);
  }

  // ---- answers

  writeResponseHeaders(streamId: number, metadata?: Metadata): void {
    this.sentSincePing = true;
    const { encoder } = this;
    if (metadata === undefined && this.#headersBlock !== undefined && encoder.generation === this.#blocksGeneration) {
      this.out.headers(streamId, this.#headersBlock, false);
      return this.flushSoon();
    }
    const before = encoder.generation;
    encoder.begin();
    encoder.field(':status', '200', true);
    encoder.field('content-type', 'application/grpc', true);
    for (const [name, value] of metadata ?? []) encoder.field(name, value, false);
    const block = encoder.finish();
    this.out.headers(streamId, block, false);
    if (metadata === undefined) this.#headersBlock = this.#repeatable(before, block);
    this.flushSoon();
  }

  /** Trailers, and the end of the stream on both sides. */
  finish(stream: ServerStream, error: RpcError | undefined, trailers: Metadata | undefined): void {
    this.#writeTrailers(stream.id, error, trailers);
    this.ended(stream);
  }

  #writeTrailers(streamId: number, error: RpcError | undefined, trailers: Metadata | undefined): void {
    const { encoder } = this;
    const plain = error === undefined && (trailers === undefined || trailers.length === 0);
    if (plain && this.#trailersBlock !== undefined && encoder.generation === this.#blocksGeneration) {
      this.out.headers(streamId, this.#trailersBlock, true);
      return this.flushSoon();
    }
    const before = encoder.generation;
    encoder.begin();
    this.#statusFields(error, trailers);
    const block = encoder.finish();
    this.out.headers(streamId, block, true);
    if (plain) this.#trailersBlock = this.#repeatable(before, block);
    this.flushSoon();
  }

  /** Headers and status in one block: a call that failed before it sent anything. */
  writeTrailersOnly(streamId: number, error: RpcError, trailers: Metadata | undefined): void {
    this.sentSincePing = true;
    this.encoder.begin();
    this.encoder.field(':status', '200', true);
    this.encoder.field('content-type', 'application/grpc', true);
    this.#statusFields(error, trailers);
    this.writeHeaders(streamId, true);
  }

  #statusFields(error: RpcError | undefined, trailers: Metadata | undefined): void {
    this.encoder.field('grpc-status', String(error?.code ?? 0), true);
    if (error !== undefined) this.encoder.field('grpc-message', encodeGrpcMessage(error.message), false);
    for (const [name, value] of trailers ?? []) this.encoder.field(name, value, false);
  }

  /** A block that changed nothing in the encoder's table may be sent again while the table stays so. */
  #repeatable(before: number, block: Buffer): Buffer | undefined {
    const { generation } = this.encoder;
    if (generation !== this.#blocksGeneration) {
      this.#blocksGeneration = generation;
      this.#headersBlock = undefined;
      this.#trailersBlock = undefined;
    }
    return before === generation ? Buffer.from(block) : undefined;
  }

  /** END_STREAM has been written. */
  ended(stream: Http2Stream): void {
    if (!stream.remoteEnded) this.writeReset(stream.id, ErrorCode.NoError);
    this.closeStream(stream);
  }

  /** `byPeer`: the peer has reset it and may send nothing more on it. */
  closeStream(stream: Http2Stream, byPeer = false): void {
    if (stream.gone) return;
    this.#closedStreams.add(stream.id, !stream.remoteEnded && !byPeer);
    this.forget(stream);
    if (this.#lastAccepted !== maxWindow) this.#endWhenDrained();
  }

  /** Unary answers that could not leave; the peer is not reading. */
  replyBacklog(bytes: number): void {
    this.#replyBacklog += bytes;
    if (this.#replyBacklog > replyBacklogBytes) this.fail(ErrorCode.EnhanceYourCalm, 'answers are not being read');
  }

  override hold(bytes: number): void {
    super.hold(bytes);
    this.host.held(this, bytes);
  }

  override holdPaused(bytes: number): void {
    this.holdPart(bytes);
  }

  holdHeaders(bytes: number): void {
    this.#headerBytes += bytes;
    this.hold(bytes);
  }

  /** Streams of a client that does not read its answers are not read either. */
  get isClogged(): boolean {
    return this.host.heldBytesMax !== undefined && this.held > cloggedBytes;
  }

  unaryFinished(): void {
    this.runningUnary--;
    this.host.unaryFinished();
  }

  // ---- connection

  protected onSettings(): void {}

  protected onPing(): void {
    const forgiven = this.sentSincePing;
    this.sentSincePing = false;
    if (this.#pings.received(this.now, forgiven, this.streams.size > 0)) return;
    this.fail(ErrorCode.EnhanceYourCalm, 'too_many_pings');
  }

  protected onPong(data: Uint8Array): void {
    if (!this.#draining || Buffer.compare(data, drainPing) !== 0) return;
    this.#lastAccepted = this.lastPeerStream;
    this.writeGoaway(this.#lastAccepted, ErrorCode.NoError, 'graceful_stop');
    this.#endWhenDrained();
  }

  #endWhenDrained(): void {
    if (this.streams.size === 0) this.shut('drained');
  }

  protected onGoaway(): void {}

  protected onClosed(): void {
    this.host.connectionClosed(this);
  }

  /** Once per connection: a hostile peer must not fill the log. */
  protected reportProblem(reason: string): void {
    if (this.#reported) return;
    this.#reported = true;
    this.host.report(this.record.remoteAddress, reason);
  }
}

const noBytes = new Uint8Array(0);

function refusalOf(head: RequestHead): RpcError | undefined {
  if (head.timeoutMs !== undefined && Number.isNaN(head.timeoutMs)) {
    return { code: 13, message: `malformed grpc-timeout: "${head.timeoutText}"` };
  }
  const { encoding } = head;
  if (encoding !== undefined && encoding !== 'identity' && encoding !== 'gzip' && encoding !== 'deflate') {
    return { code: 12, message: `grpc: Decompressor is not installed for grpc-encoding "${encoding}"` };
  }
  return undefined;
}
