import {
  Server,
  ServerCredentials,
  type sendUnaryData,
  type ServerDuplexStream,
  type ServerUnaryCall,
} from '@grpc/grpc-js';
import type { ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import type { ConnectionRecord } from '../connection-record';
import { Front } from '../front';
import { defaultHighWaterBytes, defaultKeepaliveTimeoutMs, defaultMaxReceiveBytes } from '../limits';
import { messageTooLarge, unknownMethod } from '../status-texts';
import type { Address, Handlers, RpcServer, Traffic, ServerOptions, StreamHandler, UnaryHandler } from '../types';
import { sameBuffer } from './convert';
import { GrpcJsStreamCall, GrpcJsUnaryCall } from './server-calls';

const recordKey = Symbol('connection record');
type MarkedSocket = Socket & { [recordKey]?: ConnectionRecord };

/**
 * The parts of grpc-js's server (version pinned) that it does not publish: the lookup of handlers, whose error text must
 * be grpc-go's, and the HTTP/2 stream under a call, which leads to the connection.
 */
interface ServerInternals {
  _retrieveHandler(path: string): unknown;
  _respondWithError(error: { code: number; details: string }, stream: ServerHttp2Stream): void;
}
interface CallInternals {
  call: { stream: ServerHttp2Stream };
}

export class GrpcJsServer implements RpcServer {
  readonly #server: Server;
  readonly #front: Front;
  readonly #injector: ReturnType<Server['createConnectionInjector']>;
  readonly #maxReceiveBytes: number;
  readonly #highWaterBytes: number;
  readonly #paths = new Set<string>();
  /** Calls that are not answered yet; drain waits for them. */
  readonly #running = new Set<object>();
  #onIdle: (() => void) | undefined;

  constructor(options: ServerOptions) {
    this.#maxReceiveBytes = options.maxReceiveBytes ?? defaultMaxReceiveBytes;
    this.#highWaterBytes = options.highWaterBytes ?? defaultHighWaterBytes;
    this.#server = new Server(serverOptions(options, this.#maxReceiveBytes));
    this.#injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
    this.#front = new Front(options, (socket, head, record) => this.#accept(socket, head, record));
    this.#useGoTexts();
  }

  traffic(): Traffic {
    return this.#front.traffic();
  }

  addHandlers(handlers: Handlers): void {
    for (const [path, handler] of Object.entries(handlers.unary ?? {})) this.#addUnary(path, handler);
    for (const [path, handler] of Object.entries(handlers.stream ?? {})) this.#addStream(path, handler);
  }

  listen(address: Address): Promise<Address> {
    return this.#front.listen(address);
  }

  async drain(graceMs: number): Promise<void> {
    this.#front.stopAccepting();
    this.#front.drainHttp1();
    this.#injector.drain(graceMs);
    if (this.#running.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, graceMs);
        this.#onIdle = () => {
          clearTimeout(timer);
          // Let the last replies leave before the connections are closed.
          setTimeout(resolve, 10);
        };
      });
    }
    await this.close();
  }

  async close(): Promise<void> {
    this.#server.forceShutdown();
    await this.#front.close();
  }

  #accept(socket: Socket, head: Buffer, record: ConnectionRecord): void {
    (socket as MarkedSocket)[recordKey] = record;
    socket.pause();
    socket.unshift(head);
    this.#injector.injectConnection(socket);
  }

  #addUnary(path: string, handler: UnaryHandler): void {
    this.#register(path, 'unary', (call: ServerUnaryCall<Buffer, Buffer>, respond: sendUnaryData<Buffer>) => {
      const unary = new GrpcJsUnaryCall(path, call, respond, recordOf(call), () => this.#finished(unary));
      this.#running.add(unary);
      const { length } = call.request;
      if (length > this.#maxReceiveBytes) {
        unary.connection.reportRequest(`${path}: ${messageTooLarge(length, this.#maxReceiveBytes)}`);
        unary.failTooLarge(length, this.#maxReceiveBytes);
      } else handler(unary);
    });
  }

  #addStream(path: string, handler: StreamHandler): void {
    this.#register(path, 'bidi', (call: ServerDuplexStream<Buffer, Buffer>) => {
      const stream = new GrpcJsStreamCall(path, call, recordOf(call), this.#highWaterBytes, this.#maxReceiveBytes);
      handler(stream);
      stream.start();
    });
  }

  #register(path: string, type: string, handler: unknown): void {
    if (this.#paths.has(path)) throw new Error(`handler for ${path} exists`);
    this.#paths.add(path);
    // Messages pass as bytes: both serializers are the identity.
    this.#server.register(
      path,
      handler as Parameters<Server['register']>[1],
      sameBuffer as never,
      sameBuffer as never,
      type,
    );
  }

  #finished(call: object): void {
    this.#running.delete(call);
    if (this.#running.size === 0) this.#onIdle?.();
  }

  #useGoTexts(): void {
    const internals = this.#server as unknown as ServerInternals;
    const respond = internals._respondWithError.bind(this.#server);
    let askedPath = '';
    const retrieve = internals._retrieveHandler.bind(this.#server);
    internals._retrieveHandler = (path) => {
      askedPath = path;
      return retrieve(path);
    };
    internals._respondWithError = (error, stream) => {
      const told = error.code === 12 ? { ...error, details: unknownMethod(askedPath, this.#paths) } : error;
      (stream.session?.socket as MarkedSocket | undefined)?.[recordKey]?.reportRequest(told.details);
      respond(told, stream);
    };
  }
}

function recordOf(call: unknown): ConnectionRecord {
  const socket = (call as CallInternals).call.stream.session?.socket as MarkedSocket | undefined;
  const record = socket?.[recordKey];
  if (record === undefined) throw new Error('call on a connection that was not accepted here');
  return record;
}

function serverOptions(options: ServerOptions, maxReceiveBytes: number): Record<string, number> {
  return {
    // Messages slightly too large are refused by our own check with grpc-go's text; this bounds memory.
    'grpc.max_receive_message_length': maxReceiveBytes * 2,
    'grpc.max_send_message_length': -1,
    ...(options.maxConcurrentStreams === undefined
      ? {}
      : { 'grpc.max_concurrent_streams': options.maxConcurrentStreams }),
    ...(options.keepaliveIntervalMs === undefined
      ? {}
      : {
          'grpc.keepalive_time_ms': options.keepaliveIntervalMs,
          'grpc.keepalive_timeout_ms': options.keepaliveTimeoutMs ?? defaultKeepaliveTimeoutMs,
        }),
  };
}
