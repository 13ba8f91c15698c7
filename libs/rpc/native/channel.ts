import type { Socket } from 'node:net';
import { GrpcCode, type RpcError } from '../../errors';
import { defaultAuthority } from '../address';
import {
  defaultConnectTimeoutMs,
  defaultHighWaterBytes,
  defaultKeepaliveTimeoutMs,
  defaultMaxReceiveBytes,
} from '../limits';
import type { Address, CallOptions, Channel, ChannelOptions, ClientStream, UnaryResult } from '../types';
import type { CallContext, ClientCall } from './client-call';
import { ClientConnection, type ClientHost } from './client-connection';
import { dial } from './dial';
import { StreamClientCall } from './stream-client-call';
import { UnaryClientCall } from './unary-client-call';

const closing: RpcError = { code: GrpcCode.Cancelled, message: 'grpc: the client connection is closing' };

export class NativeChannel implements Channel, ClientHost, CallContext {
  readonly authority: string;
  readonly scheme: 'http' | 'https';
  readonly keepaliveIntervalMs: number;
  readonly keepaliveTimeoutMs: number;
  readonly maxReceiveBytes: number;
  readonly highWaterBytes: number;
  readonly #address: Address;
  readonly #options: ChannelOptions;
  /** The one that takes new calls. */
  #connection: ClientConnection | undefined;
  /** All that are alive, those that only finish their calls too. */
  readonly #alive = new Set<ClientConnection>();
  #hangUp: (() => void) | undefined;
  /** Calls that wait for a connection or for a free stream, first come first. */
  #pending: ClientCall[] = [];
  #closed = false;

  constructor(address: Address, options: ChannelOptions) {
    this.#address = address;
    this.#options = options;
    this.authority = options.authority ?? defaultAuthority(address);
    this.scheme = options.tls === undefined ? 'http' : 'https';
    this.keepaliveIntervalMs = options.keepaliveIntervalMs ?? 0;
    this.keepaliveTimeoutMs = options.keepaliveTimeoutMs ?? defaultKeepaliveTimeoutMs;
    this.maxReceiveBytes = options.maxReceiveBytes ?? defaultMaxReceiveBytes;
    this.highWaterBytes = options.highWaterBytes ?? defaultHighWaterBytes;
  }

  unary(path: string, request: Uint8Array, options: CallOptions, callback: (result: UnaryResult) => void): () => void {
    const call = new UnaryClientCall(path, request, options, this, callback);
    this.#begin(call);
    return () => call.cancel();
  }

  stream(path: string, options: CallOptions = {}): ClientStream {
    const call = new StreamClientCall(path, options, this);
    this.#begin(call);
    return call;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#hangUp?.();
    this.#failPending(closing);
    for (const connection of this.#alive) connection.shut(closing.message);
  }

  connectionUnusable(connection: ClientConnection): void {
    if (connection.closed) this.#alive.delete(connection);
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    if (this.#pending.length > 0) this.#dial();
  }

  roomForStreams(): void {
    if (this.#pending.length > 0) this.#startPending();
  }

  #begin(call: ClientCall): void {
    const connection = this.#connection;
    if (connection !== undefined && this.#pending.length === 0 && connection.hasRoom) return connection.start(call);
    this.#pending.push(call);
    if (this.#closed) queueMicrotask(() => this.#failPending(closing));
    else if (connection === undefined) this.#dial();
  }

  #dial(): void {
    if (this.#hangUp !== undefined || this.#closed) return;
    const timeoutMs = this.#options.connectTimeoutMs ?? defaultConnectTimeoutMs;
    this.#hangUp = dial(this.#address, this.#options.tls, timeoutMs, (outcome) => {
      this.#hangUp = undefined;
      if (typeof outcome === 'string') this.#failPending({ code: GrpcCode.Unavailable, message: outcome });
      else this.#connected(outcome);
    });
  }

  #connected(socket: Socket): void {
    const connection = new ClientConnection(socket, this);
    this.#alive.add(connection);
    this.#connection = connection;
    this.#startPending();
  }

  #startPending(): void {
    let started = 0;
    while (started < this.#pending.length && this.#connection?.hasRoom === true) {
      const call = this.#pending[started++] as ClientCall;
      if (!call.isOver) this.#connection.start(call);
    }
    if (started > 0) this.#pending.splice(0, started);
  }

  #failPending(error: RpcError): void {
    const pending = this.#pending;
    this.#pending = [];
    for (const call of pending) call.finish(error, []);
  }
}
