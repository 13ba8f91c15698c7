import {
  ChannelCredentials,
  Client,
  type ChannelOptions as GrpcChannelOptions,
  type ClientDuplexStream,
  credentials,
  type VerifyOptions,
} from '@grpc/grpc-js';
import { formatAddress } from '../address';
import { defaultHighWaterBytes, defaultKeepaliveTimeoutMs, defaultMaxReceiveBytes } from '../limits';
import { serverRoleProblem } from '../mutual-tls';
import type { TlsClientOptions } from '../transport-types';
import type { Address, CallOptions, Channel, ChannelOptions, ClientStream, Metadata, UnaryResult } from '../types';
import { asBuffer, fromGrpcMetadata, sameBuffer, toGrpcMetadata, toRpcError } from './convert';
import type { RpcError } from '../../errors';

export class GrpcJsChannel implements Channel {
  readonly #client: Client;
  readonly #highWaterBytes: number;

  constructor(address: Address, options: ChannelOptions) {
    this.#highWaterBytes = options.highWaterBytes ?? defaultHighWaterBytes;
    const target = address.kind === 'unix' ? `unix:${address.path}` : `dns:${formatAddress(address)}`;
    this.#client = new Client(target, channelCredentials(options.tls), channelOptions(options));
  }

  unary(path: string, request: Uint8Array, options: CallOptions, callback: (result: UnaryResult) => void): () => void {
    let trailers: Metadata = [];
    let outcome: ((trailers: Metadata) => UnaryResult) | undefined;
    const call = this.#client.makeUnaryRequest(
      path,
      sameBuffer,
      sameBuffer,
      asBuffer(request),
      toGrpcMetadata(options.metadata),
      callOptions(options),
      (error, response) => {
        if (error !== null) {
          callback({
            ok: false,
            error: toRpcError(error.code, error.details),
            trailers: fromGrpcMetadata(error.metadata),
          });
          return;
        }
        outcome = (received) => ({ ok: true, response: response as Buffer, trailers: received });
      },
    );
    // grpc-js gives the response first and the trailers with the status just after it.
    call.once('status', (status) => {
      trailers = fromGrpcMetadata(status.metadata);
      queueMicrotask(() => {
        if (outcome !== undefined) callback(outcome(trailers));
      });
    });
    return () => call.cancel();
  }

  stream(path: string, options: CallOptions = {}): ClientStream {
    const call = this.#client.makeBidiStreamRequest(
      path,
      sameBuffer,
      sameBuffer,
      toGrpcMetadata(options.metadata),
      callOptions(options),
    );
    return new GrpcJsClientStream(call, this.#highWaterBytes);
  }

  close(): void {
    this.#client.close();
  }
}

class GrpcJsClientStream implements ClientStream {
  readonly #call: ClientDuplexStream<Buffer, Buffer>;
  readonly #highWaterBytes: number;
  #buffered = 0;
  #blocked = false;
  #closed = false;
  #drained: () => void = () => {};
  #ended: ((error: RpcError | undefined, trailers: Metadata) => void) | undefined;

  constructor(call: ClientDuplexStream<Buffer, Buffer>, highWaterBytes: number) {
    this.#call = call;
    this.#highWaterBytes = highWaterBytes;
    call.on('error', () => {});
    call.once('status', (status) => {
      this.#closed = true;
      const error = status.code === 0 ? undefined : toRpcError(status.code, status.details);
      // Messages that came before the status are delivered before it, also when the reader has paused.
      const end = (): void => this.#ended?.(error, fromGrpcMetadata(status.metadata));
      if (call.readableEnded) setImmediate(end);
      else call.once('end', end);
    });
  }

  get bufferedBytes(): number {
    return this.#buffered;
  }

  onHeaders(callback: (metadata: Metadata) => void): void {
    this.#call.on('metadata', (metadata) => callback(fromGrpcMetadata(metadata)));
  }

  onMessage(callback: (message: Uint8Array) => void): void {
    this.#call.on('data', callback);
  }

  onClose(callback: (error: RpcError | undefined, trailers: Metadata) => void): void {
    this.#ended = callback;
    // Without a reader grpc-js never delivers the status.
    if (this.#call.listenerCount('data') === 0) this.#call.resume();
  }

  onDrain(callback: () => void): void {
    this.#drained = callback;
  }

  send(message: Uint8Array): boolean {
    if (this.#closed) return false;
    this.#buffered += message.length;
    this.#call.write(asBuffer(message), () => this.#written(message.length));
    if (this.#buffered > this.#highWaterBytes) this.#blocked = true;
    return !this.#blocked;
  }

  pause(): void {
    this.#call.pause();
  }

  resume(): void {
    this.#call.resume();
  }

  halfClose(): void {
    this.#call.end();
  }

  cancel(): void {
    this.#call.cancel();
    // A paused reader would never see the end.
    this.#call.removeAllListeners('data');
    this.#call.resume();
  }

  #written(bytes: number): void {
    this.#buffered -= bytes;
    if (!this.#blocked || this.#buffered > this.#highWaterBytes / 2) return;
    this.#blocked = false;
    this.#drained();
  }
}

function callOptions(options: CallOptions): { deadline?: number } {
  return options.timeoutMs === undefined ? {} : { deadline: Date.now() + options.timeoutMs };
}

function channelOptions(options: ChannelOptions): GrpcChannelOptions {
  return {
    'grpc.enable_retries': 0,
    'grpc.enable_http_proxy': 0,
    'grpc.service_config_disable_resolution': 1,
    'grpc.use_local_subchannel_pool': 1,
    'grpc.initial_reconnect_backoff_ms': 20,
    'grpc.min_reconnect_backoff_ms': 20,
    'grpc.max_reconnect_backoff_ms': 500,
    'grpc.max_send_message_length': -1,
    'grpc.max_receive_message_length': options.maxReceiveBytes ?? defaultMaxReceiveBytes,
    ...(options.authority === undefined ? {} : { 'grpc.default_authority': options.authority }),
    ...(options.tls?.serverName === undefined ? {} : { 'grpc.ssl_target_name_override': options.tls.serverName }),
    ...(options.keepaliveIntervalMs
      ? {
          'grpc.keepalive_time_ms': options.keepaliveIntervalMs,
          'grpc.keepalive_timeout_ms': options.keepaliveTimeoutMs ?? defaultKeepaliveTimeoutMs,
          'grpc.keepalive_permit_without_calls': 1,
        }
      : {}),
  };
}

function roleCheck(role: string): NonNullable<VerifyOptions['checkServerIdentity']> {
  return (_, certificate) => serverRoleProblem(role, certificate);
}

function channelCredentials(tls: TlsClientOptions | undefined): ChannelCredentials {
  if (tls === undefined) return credentials.createInsecure();
  const verify =
    tls.insecureSkipVerify === true
      ? { rejectUnauthorized: false, checkServerIdentity: () => undefined }
      : tls.serverRole === undefined
        ? {}
        : { checkServerIdentity: roleCheck(tls.serverRole) };
  return ChannelCredentials.createSsl(tls.ca ?? null, tls.key ?? null, tls.cert ?? null, verify);
}
