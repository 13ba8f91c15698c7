/**
 * The interface of the gRPC engine. Services see only this file's types: messages are bytes, handlers are plain
 * callbacks, nothing is allocated per call that a batch could share. Two engines implement it (`native`, `grpc-js`).
 */
import type { CancelListener } from './cancel-listener';
import type { Http1Handler, MutualTls, TlsClientOptions, TlsServerOptions } from './transport-types';
import type { RpcError } from '../errors';

export type EngineName = 'native' | 'grpc-js';

/** Lower-case names, in wire order. Values of `-bin` names are base64 as on the wire. Immutable; may be shared by calls. */
export type Metadata = ReadonlyArray<readonly [name: string, value: string]>;

export type Address =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number; readonly mutualTls?: MutualTls }
  | { readonly kind: 'unix'; readonly path: string };

/** One per transport connection; identity is stable for its life, so it can key per-connection state. */
export interface ConnectionInfo {
  readonly id: number;
  /** `host:port`, or `unix` for Unix sockets. */
  readonly remoteAddress: string;
  readonly encrypted: boolean;
  /** Common name of the verified client certificate, if one was required and given. */
  readonly clientCommonName: string | undefined;
  /** Runs once when the connection has ended. */
  onClose(callback: () => void): void;
  /** Tells the log that a request on this connection was malformed; only the first is told, lest a peer fills the log. */
  reportRequest(reason: string): void;
}

interface ServerCall {
  /** `/package.Service/Method` */
  readonly path: string;
  readonly metadata: Metadata;
  readonly connection: ConnectionInfo;
  /** Milliseconds of `performance.now()`; undefined: no deadline. The engine fails the call when it passes. */
  readonly deadline: number | undefined;
  /** `performance.now()` when the request's first byte was handed to the engine. */
  readonly receivedAt: number;
  /** True once the client has cancelled, the deadline has passed or the connection is gone. */
  readonly cancelled: boolean;
}

export interface UnaryCall extends ServerCall {
  /** Belongs to the handler: the engine never writes to these bytes again. It may be a view of a larger buffer. */
  readonly request: Uint8Array;
  /** At most one listener; told if the call is cancelled before it was answered. */
  onCancel(listener: CancelListener | (() => void)): void;
  /** Answers with OK. Exactly one of `reply` and `fail` counts; after a cancellation both do nothing. */
  reply(response: Uint8Array, trailers?: Metadata): void;
  fail(error: RpcError, trailers?: Metadata): void;
  /**
   * Answers with OK and a message of exactly `bytes` bytes that is handed over in parts. Undefined when the call is over.
   * Where it is missing an answer is given as a whole.
   */
  beginReply?(bytes: number): ReplyParts | undefined;
}

/** An answer that is handed over in parts. */
export interface ReplyParts {
  /** Queues the next part; false when more than `highWaterBytes` wait (it is queued all the same). The last one ends the call. */
  write(part: Uint8Array): boolean;
  /** Runs when there is room again after a `write` that returned false. */
  onDrain(callback: () => void): void;
  /** Runs when the client has gone, or the deadline has passed, before all was sent. */
  onBroken(callback: () => void): void;
  /** The rest can't be had: the client sees a stream that was reset. */
  abort(): void;
}

/** A call with a stream in at least one direction. Callbacks are set synchronously by the handler. */
export interface StreamCall extends ServerCall {
  onMessage(callback: (message: Uint8Array) => void): void;
  /** The client sends no more messages. */
  onHalfClose(callback: () => void): void;
  /** Runs exactly once, when the call is over for whatever reason. */
  onClose(callback: () => void): void;
  /** Forces response headers out before the first message. */
  sendHeaders(metadata?: Metadata): void;
  /** Queues a message; false when more than `highWaterBytes` wait (the message is queued all the same). */
  send(message: Uint8Array): boolean;
  readonly bufferedBytes: number;
  /** Runs when the queue has drained to half of `highWaterBytes` after a `send` that returned false. */
  onDrain(callback: () => void): void;
  /** Stops and resumes delivery; HTTP/2 flow control then holds the sender back. */
  pause(): void;
  resume(): void;
  /** Ends the call after what is queued: OK without an error. */
  end(error?: RpcError, trailers?: Metadata): void;
}

export type UnaryHandler = (call: UnaryCall) => void;
export type StreamHandler = (call: StreamCall) => void;

/** Handlers by full path. */
export interface Handlers {
  readonly unary?: Readonly<Record<string, UnaryHandler>>;
  readonly stream?: Readonly<Record<string, StreamHandler>>;
}

export type ReportProblem = (peer: string, reason: string) => void;

export interface ServerOptions {
  readonly engine?: EngineName;
  /** Largest message accepted; larger: ResourceExhausted `grpc: received message larger than max (N vs. M)`. */
  readonly maxReceiveBytes?: number;
  readonly maxConcurrentStreams?: number;
  readonly highWaterBytes?: number;
  readonly tls?: TlsServerOptions;
  /** Requests that speak HTTP/1.1 on the same port. Without it they are refused. */
  readonly http1?: Http1Handler;
  /** Pings more frequent than this are answered with GOAWAY `too_many_pings`; etcd: 5,000 ms, none without a stream. */
  readonly keepaliveMinTimeMs?: number;
  readonly keepaliveIntervalMs?: number;
  readonly keepaliveTimeoutMs?: number;
  readonly maxConnections?: number;
  /**
   * Bytes that slow peers of all connections together may make the server hold; beyond it the connection that holds most is
   * ended. With it, the messages of a stream are not taken while its answers are not read. Undefined: peers are trusted.
   * (Native engine.)
   */
  readonly heldBytesMax?: number;
  /** A connection must have shown its protocol (TLS handshake and preface) in this time. Default 10 s. */
  readonly handshakeTimeoutMs?: number;
  /** Called with a reason for the log when a connection is rejected or fails, and at its first malformed request. */
  readonly onProtocolError?: ReportProblem;
}

/** Bytes on the wire. */
export interface Traffic {
  readonly receivedBytes: number;
  readonly sentBytes: number;
}

export interface RpcServer {
  traffic(): Traffic;
  addHandlers(handlers: Handlers): void;
  /** Listens; resolves with the address bound (port 0 is replaced). Retries a busy address for up to 3 s. */
  listen(address: Address): Promise<Address>;
  /** Sends GOAWAY, lets running unary calls finish for at most `graceMs`, then closes everything. */
  drain(graceMs: number): Promise<void>;
  close(): Promise<void>;
}

export interface CallOptions {
  readonly metadata?: Metadata;
  readonly timeoutMs?: number;
}

export interface ChannelOptions {
  readonly engine?: EngineName;
  readonly tls?: TlsClientOptions;
  readonly authority?: string;
  readonly maxReceiveBytes?: number;
  readonly highWaterBytes?: number;
  readonly connectTimeoutMs?: number;
  /** Sends PING after this long without traffic; no answer in `keepaliveTimeoutMs` ends the connection. 0: off. */
  readonly keepaliveIntervalMs?: number;
  readonly keepaliveTimeoutMs?: number;
}

export type UnaryResult =
  | { readonly ok: true; readonly response: Uint8Array; readonly trailers: Metadata }
  | { readonly ok: false; readonly error: RpcError; readonly trailers: Metadata };

export interface ClientStream {
  /** Runs when the server's response headers arrive, that is, once its handler has the call. Stream handlers' headers leave at once. */
  onHeaders(callback: (metadata: Metadata) => void): void;
  onMessage(callback: (message: Uint8Array) => void): void;
  /** Exactly once; undefined: the server ended the call with OK. */
  onClose(callback: (error: RpcError | undefined, trailers: Metadata) => void): void;
  onDrain(callback: () => void): void;
  send(message: Uint8Array): boolean;
  readonly bufferedBytes: number;
  pause(): void;
  resume(): void;
  halfClose(): void;
  cancel(): void;
}

/** One connection to one server. It connects on first use and again on the first use after a failure; it never retries a call. */
export interface Channel {
  /** The callback runs exactly once. Returns a function that cancels the call. */
  unary(path: string, request: Uint8Array, options: CallOptions, callback: (result: UnaryResult) => void): () => void;
  stream(path: string, options?: CallOptions): ClientStream;
  close(): void;
}
