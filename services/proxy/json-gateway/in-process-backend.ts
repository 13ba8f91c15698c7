/** Calls from the gateway to the proxy's own gRPC handlers, without a connection between them. */
import { Errors, GrpcCode, type RpcError } from '../../../libs/errors';
import {
  type CancelListener,
  type ClientStream,
  type ConnectionInfo,
  type Handlers,
  type Metadata,
  tellCancelled,
  type UnaryCall,
  type UnaryResult,
} from '../../../libs/rpc';
import type { GatewayBackend, GatewayCall } from './backend';
import { InProcessStream } from './in-process-stream';

export function createInProcessBackend(handlers: Handlers, now: () => number): GatewayBackend {
  return {
    unary(path, request, call, callback) {
      const handler = handlers.unary?.[path];
      if (handler === undefined) {
        callback({ ok: false, error: unimplemented(path), trailers: [] });
        return () => {};
      }
      const inProcess = new InProcessUnaryCall(path, request, call, callback, now);
      handler(inProcess);
      return () => inProcess.cancel();
    },
    stream(path, call): ClientStream {
      const handler = handlers.stream?.[path];
      const stream = new InProcessStream(path, call, now);
      if (handler === undefined) stream.server.end(unimplemented(path));
      else handler(stream.server);
      return stream.client;
    },
  };
}

class InProcessUnaryCall implements UnaryCall {
  cancelled = false;
  readonly metadata: Metadata;
  readonly connection: ConnectionInfo;
  readonly deadline: number | undefined;
  readonly receivedAt: number;
  private over = false;
  private cancelListener: CancelListener | (() => void) | undefined;
  private readonly timer: NodeJS.Timeout | undefined;

  constructor(
    readonly path: string,
    readonly request: Uint8Array,
    { metadata, connection, timeoutMs, receivedAt }: GatewayCall,
    private readonly callback: (result: UnaryResult) => void,
    now: () => number,
  ) {
    this.metadata = metadata;
    this.connection = connection;
    this.receivedAt = receivedAt;
    if (timeoutMs === undefined) return;
    this.deadline = now() + timeoutMs;
    this.timer = setTimeout(() => this.expire(), timeoutMs);
  }

  onCancel(listener: CancelListener | (() => void)): void {
    this.cancelListener = listener;
    if (this.cancelled) tellCancelled(listener);
  }

  reply(response: Uint8Array, trailers: Metadata = []): void {
    if (this.finish()) this.callback({ ok: true, response, trailers });
  }

  fail(error: RpcError, trailers: Metadata = []): void {
    if (this.finish()) this.callback({ ok: false, error, trailers });
  }

  cancel(): void {
    if (!this.finish()) return;
    this.cancelled = true;
    tellCancelled(this.cancelListener);
  }

  private expire(): void {
    if (this.over) return;
    this.cancel();
    this.callback({ ok: false, error: Errors.ContextDeadlineExceeded, trailers: [] });
  }

  /** False if the call was over before. */
  private finish(): boolean {
    if (this.over) return false;
    this.over = true;
    clearTimeout(this.timer);
    return true;
  }
}

function unimplemented(path: string): RpcError {
  const [, service = '', method = ''] = path.split('/');
  return { code: GrpcCode.Unimplemented, message: `unknown method ${method} for service ${service}` };
}
