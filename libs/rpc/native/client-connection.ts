import type { Socket } from 'node:net';
import type { Metadata } from '../types';
import type { ClientCall } from './client-call';
import { Http2Connection } from './connection';
import { ErrorCode, preface, Setting } from './constants';
import type { HeaderBlock } from './hpack-decoder';
import { maxHeaderListBytes, streamWindow } from './limits';
import type { Http2Stream } from './stream';
import { formatTimeout } from './timeout';

/** What a connection tells its channel. */
export interface ClientHost {
  readonly maxReceiveBytes: number;
  readonly authority: string;
  readonly scheme: 'http' | 'https';
  readonly keepaliveIntervalMs: number;
  readonly keepaliveTimeoutMs: number;
  /** No new calls here: it is closed or the server wants to end it. */
  connectionUnusable(connection: ClientConnection): void;
  /** A stream has ended, so there may be room for another. */
  roomForStreams(): void;
}

interface RepeatedHeaders {
  readonly metadata: Metadata | undefined;
  readonly generation: number;
  readonly block: Buffer;
}

/** Streams ids are used up at 2^31; a new connection is made well before. */
const lastStreamIdUsed = 0x7fff0000;
const keepalivePing = Buffer.from('alive\0\0\0');
/** Values that differ from call to call would only wear out the table. */
const notIndexed = new Set(['traceparent', 'tracestate', 'baggage']);

export class ClientConnection extends Http2Connection {
  readonly #host: ClientHost;
  readonly #repeated = new Map<string, RepeatedHeaders>();
  #nextStreamId = 1;
  #maxStreams = Number.POSITIVE_INFINITY;
  #draining = false;
  #pingSentAt = 0;
  #keepalive: NodeJS.Timeout | undefined;

  constructor(socket: Socket, host: ClientHost) {
    super(socket);
    this.#host = host;
    this.out.copy(preface);
    this.writeSettings([
      [Setting.EnablePush, 0],
      [Setting.InitialWindowSize, streamWindow],
      [Setting.MaxHeaderListSize, maxHeaderListBytes],
    ]);
    if (host.keepaliveIntervalMs > 0) this.#startKeepalive();
  }

  /** Whoever takes large messages takes them. */
  protected override get assemblyMax(): number {
    return Math.max(super.assemblyMax, this.#host.maxReceiveBytes + streamWindow);
  }

  get hasRoom(): boolean {
    return this.streams.size < this.#maxStreams;
  }

  start(call: ClientCall): void {
    call.attach(this, this.#nextStreamId);
    this.#nextStreamId += 2;
    if (this.#nextStreamId > lastStreamIdUsed) this.#retire();
    call.start();
  }

  writeRequestHeaders(call: ClientCall): void {
    const { encoder } = this;
    const known = this.#repeated.get(call.path);
    const repeated =
      known !== undefined && known.generation === encoder.generation && known.metadata === call.callMetadata;
    if (repeated && call.expiresAt === 0) {
      this.out.headers(call.id, known.block, false);
      return this.flushSoon();
    }
    encoder.begin();
    if (repeated && known.generation === encoder.generation) encoder.repeat(known.block);
    else this.#requestFields(call);
    if (call.expiresAt !== 0) {
      encoder.field('grpc-timeout', formatTimeout(call.expiresAt - performance.now()), false);
    }
    this.writeHeaders(call.id, false);
  }

  #requestFields(call: ClientCall): void {
    const { encoder } = this;
    const before = encoder.generation;
    encoder.field(':method', 'POST', true);
    encoder.field(':scheme', this.#host.scheme, true);
    encoder.field(':path', call.path, true);
    encoder.field(':authority', this.#host.authority, true);
    encoder.field('content-type', 'application/grpc', true);
    encoder.field('te', 'trailers', true);
    encoder.field('user-agent', 'grpc-hexad', true);
    for (const [name, value] of call.callMetadata ?? []) {
      encoder.field(name, value, !notIndexed.has(name) && !name.endsWith('-bin'));
    }
    if (encoder.generation !== before) return;
    if (this.#repeated.size > 256) this.#repeated.clear();
    const block = Buffer.from(encoder.finish());
    this.#repeated.set(call.path, { metadata: call.callMetadata, generation: before, block });
  }

  closeStream(stream: Http2Stream): void {
    if (stream.gone) return;
    this.forget(stream);
    if (this.#draining && this.streams.size === 0) this.shut('the server has ended the connection');
    else this.#host.roomForStreams();
  }

  protected onHeaders(streamId: number, block: HeaderBlock, endStream: boolean): void {
    const stream = this.streams.get(streamId);
    if (stream !== undefined) return stream.receiveHeaders(block, endStream);
    // What was on its way when we cancelled is no mistake.
    if (this.isIdle(streamId)) this.fail(ErrorCode.ProtocolError, 'HEADERS on an idle stream');
  }

  protected isIdle(streamId: number): boolean {
    return streamId >= this.#nextStreamId || (streamId & 1) === 0;
  }

  protected onDataForUnknown(): void {}

  protected onSettings(id: number, value: number): void {
    if (id !== Setting.MaxConcurrentStreams) return;
    this.#maxStreams = value;
    this.#host.roomForStreams();
  }

  protected onPing(): void {}

  protected onPong(): void {
    this.#pingSentAt = 0;
  }

  protected onGoaway(lastStreamId: number, code: number, debug: string): void {
    const why = debug === '' ? `code ${code}` : `code ${code}, debug data "${debug}"`;
    this.closeReason = `closing transport due to: connection error: received prior goaway: ${why}`;
    this.#retire();
    for (const stream of this.streams.values()) {
      if (stream.id <= lastStreamId) continue;
      this.forget(stream);
      stream.connectionLost(this.closeReason);
    }
    if (this.streams.size === 0) this.shut(this.closeReason);
  }

  #retire(): void {
    if (this.#draining) return;
    this.#draining = true;
    this.#host.connectionUnusable(this);
  }

  #startKeepalive(): void {
    const { keepaliveIntervalMs, keepaliveTimeoutMs } = this.#host;
    const every = Math.max(10, Math.min(keepaliveIntervalMs, keepaliveTimeoutMs) / 2);
    this.#keepalive = setInterval(() => {
      const now = performance.now();
      if (this.#pingSentAt > 0) {
        // Anything read since is as good as an answer.
        if (this.now > this.#pingSentAt) this.#pingSentAt = 0;
        else if (now - this.#pingSentAt >= keepaliveTimeoutMs)
          this.destroy('keepalive ping failed to receive ACK within timeout');
      } else if (now - this.now >= keepaliveIntervalMs) {
        this.#pingSentAt = now;
        this.writePing(keepalivePing, false);
      }
    }, every).unref();
  }

  protected onClosed(): void {
    clearInterval(this.#keepalive);
    this.#draining = true;
    this.#host.connectionUnusable(this);
  }

  /** The server's mistakes fail the calls; there is no log to write to here. */
  protected reportProblem(): void {}
}
