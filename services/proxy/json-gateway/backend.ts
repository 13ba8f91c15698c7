import type { ClientStream, ConnectionInfo, Metadata, UnaryResult } from '../../../libs/rpc';

/** What the gateway knows of the HTTP request that stands behind a call. */
export interface GatewayCall {
  /** gRPC metadata made of the request's headers. */
  readonly metadata: Metadata;
  readonly connection: ConnectionInfo;
  /** From a `Grpc-Timeout` header. */
  readonly timeoutMs: number | undefined;
  /** `performance.now()` when the request's head had been read. */
  readonly receivedAt: number;
}

/**
 * Where calls go: the proxy's own handlers (`createInProcessBackend`), or a channel to a server.
 * Errors are those a gRPC client would see.
 */
export interface GatewayBackend {
  /** The callback runs at most once, never after the returned function has been called to cancel. */
  unary(path: string, request: Uint8Array, call: GatewayCall, callback: (result: UnaryResult) => void): () => void;
  stream(path: string, call: GatewayCall): ClientStream;
}
