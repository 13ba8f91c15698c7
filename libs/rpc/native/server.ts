import type { Socket } from 'node:net';
import type { ConnectionRecord } from '../connection-record';
import { Front } from '../front';
import {
  defaultHandshakeTimeoutMs,
  defaultHighWaterBytes,
  defaultKeepaliveTimeoutMs,
  defaultMaxReceiveBytes,
} from '../limits';
import type { Address, Handlers, RpcServer, Traffic, ServerOptions, StreamHandler, UnaryHandler } from '../types';
import { ErrorCode } from './constants';
import { Http1Bridge } from './http1-bridge';
import { maxStreams } from './limits';
import { ServerConnection, type ServerHost } from './server-connection';

const defaultKeepaliveIntervalMs = 2 * 3600 * 1000;
const sweepMs = 1000;
/** Connections that were ended get this long to read their last frames. */
const lingerMs = 500;

export class NativeServer implements RpcServer, ServerHost {
  readonly maxReceiveBytes: number;
  readonly highWaterBytes: number;
  readonly maxConcurrentStreams: number;
  readonly heldBytesMax: number | undefined;
  readonly keepaliveMinTimeMs: number | undefined;
  readonly keepaliveIntervalMs: number;
  readonly keepaliveTimeoutMs: number;
  readonly handshakeTimeoutMs: number;
  readonly bridge: Http1Bridge | undefined;
  readonly unary = new Map<string, UnaryHandler>();
  readonly stream = new Map<string, StreamHandler>();
  readonly #options: ServerOptions;
  readonly #front: Front;
  readonly #connections = new Set<ServerConnection>();
  #heldBytes = 0;
  #sweeper: NodeJS.Timeout | undefined;
  #onChange: (() => void) | undefined;

  constructor(options: ServerOptions) {
    this.#options = options;
    this.maxReceiveBytes = options.maxReceiveBytes ?? defaultMaxReceiveBytes;
    this.highWaterBytes = options.highWaterBytes ?? defaultHighWaterBytes;
    this.maxConcurrentStreams = Math.min(options.maxConcurrentStreams ?? maxStreams, maxStreams);
    this.heldBytesMax = options.heldBytesMax;
    this.keepaliveMinTimeMs = options.keepaliveMinTimeMs;
    this.keepaliveIntervalMs = options.keepaliveIntervalMs ?? defaultKeepaliveIntervalMs;
    this.keepaliveTimeoutMs = options.keepaliveTimeoutMs ?? defaultKeepaliveTimeoutMs;
    this.handshakeTimeoutMs = options.handshakeTimeoutMs ?? defaultHandshakeTimeoutMs;
    this.#front = new Front(options, (socket, head, record) => this.#accept(socket, head, record));
    this.bridge =
      options.http1 === undefined ? undefined : new Http1Bridge((socket) => this.#front.injectHttp1(socket));
  }

  traffic(): Traffic {
    return this.#front.traffic();
  }

  addHandlers(handlers: Handlers): void {
    for (const [path, handler] of Object.entries(handlers.unary ?? {})) this.#add(this.unary, path, handler);
    for (const [path, handler] of Object.entries(handlers.stream ?? {})) this.#add(this.stream, path, handler);
  }

  listen(address: Address): Promise<Address> {
    return this.#front.listen(address);
  }

  async drain(graceMs: number): Promise<void> {
    this.#front.stopAccepting();
    this.#front.drainHttp1();
    for (const connection of this.#connections) connection.drain();
    await this.#until(() => this.#runningUnary() === 0, graceMs);
    for (const connection of this.#connections) connection.endAll();
    await this.close();
  }

  async close(): Promise<void> {
    this.#front.stopAccepting();
    for (const connection of this.#connections) connection.shut('server is closed');
    await this.#front.closeGently(lingerMs);
    clearInterval(this.#sweeper);
    this.#sweeper = undefined;
  }

  report(peer: string, reason: string): void {
    this.#options.onProtocolError?.(peer, reason);
  }

  connectionClosed(connection: ServerConnection): void {
    this.#connections.delete(connection);
    this.#onChange?.();
  }

  held(_connection: ServerConnection, bytes: number): void {
    this.#heldBytes += bytes;
    while (bytes > 0 && this.heldBytesMax !== undefined && this.#heldBytes > this.heldBytesMax) {
      const heaviest = this.#heaviest();
      if (heaviest === undefined) return;
      heaviest.fail(ErrorCode.EnhanceYourCalm, 'the memory for slow clients is used up');
    }
  }

  unaryFinished(): void {
    this.#onChange?.();
  }

  #add<T>(handlers: Map<string, T>, path: string, handler: T): void {
    if (this.unary.has(path) || this.stream.has(path)) throw new Error(`handler for ${path} exists`);
    handlers.set(path, handler);
  }

  #accept(socket: Socket, head: Buffer, record: ConnectionRecord): void {
    const connection = new ServerConnection(socket, record, this);
    this.#connections.add(connection);
    const every = Math.max(
      10,
      Math.min(sweepMs, this.handshakeTimeoutMs, this.keepaliveIntervalMs / 2, this.keepaliveTimeoutMs / 2),
    );
    this.#sweeper ??= setInterval(() => this.#sweep(), every).unref();
    connection.receive(head);
  }

  /** Rarely asked for: only when all connections together hold too much. */
  #heaviest(): ServerConnection | undefined {
    let heaviest: ServerConnection | undefined;
    for (const connection of this.#connections) {
      if (!connection.closed && connection.held > (heaviest?.held ?? 0)) heaviest = connection;
    }
    return heaviest;
  }

  #sweep(): void {
    const now = performance.now();
    for (const connection of this.#connections) connection.sweep(now);
    if (this.#connections.size > 0) return;
    clearInterval(this.#sweeper);
    this.#sweeper = undefined;
  }

  #runningUnary(): number {
    let running = 0;
    for (const connection of this.#connections) running += connection.runningUnary;
    return running;
  }

  #until(condition: () => boolean, limitMs: number): Promise<void> {
    if (condition()) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#onChange = undefined;
        resolve();
      };
      const timer = setTimeout(done, limitMs);
      this.#onChange = () => {
        if (condition()) done();
      };
    });
  }
}
