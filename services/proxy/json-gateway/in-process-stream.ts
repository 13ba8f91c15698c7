import { Errors, type RpcError } from '../../../libs/errors';
import type { ClientStream, ConnectionInfo, Metadata, StreamCall } from '../../../libs/rpc';
import type { GatewayCall } from './backend';
import { MessageQueue } from './message-queue';

/** The two ends of a streaming call within one process. */
export class InProcessStream {
  readonly toClient = new MessageQueue();
  readonly toServer = new MessageQueue();
  readonly client: ClientStream = new ClientEnd(this);
  readonly server: StreamCall;
  cancelled = false;
  private over = false;
  private readonly closeServer: Array<() => void> = [];
  private closeClient: ((error: RpcError | undefined, trailers: Metadata) => void) | undefined;
  private outcome: { readonly error: RpcError | undefined; readonly trailers: Metadata } | undefined;
  private readonly timer: NodeJS.Timeout | undefined;

  constructor(path: string, call: GatewayCall, now: () => number) {
    const { timeoutMs } = call;
    this.server = new ServerEnd(this, path, call, timeoutMs === undefined ? undefined : now() + timeoutMs);
    if (timeoutMs === undefined) return;
    this.timer = setTimeout(() => this.stop(Errors.ContextDeadlineExceeded), timeoutMs);
  }

  onServerClose(callback: () => void): void {
    if (this.over) callback();
    else this.closeServer.push(callback);
  }

  onClientClose(callback: (error: RpcError | undefined, trailers: Metadata) => void): void {
    this.closeClient = callback;
    this.tellClient();
  }

  /** The server ends the call: the client hears of it after the messages that wait. */
  end(error: RpcError | undefined, trailers: Metadata): void {
    if (this.over) return;
    this.close();
    this.outcome = { error, trailers };
    this.toClient.end(() => this.tellClient());
  }

  /** The client, or the deadline, ends the call: messages that wait are dropped. `error` is what the client is told, if anything. */
  stop(error: RpcError | undefined): void {
    if (this.over) return;
    this.cancelled = true;
    this.toClient.drop();
    this.toServer.drop();
    this.close();
    if (error === undefined) return;
    this.outcome = { error, trailers: [] };
    this.tellClient();
  }

  private close(): void {
    this.over = true;
    clearTimeout(this.timer);
    for (const callback of this.closeServer) callback();
  }

  private tellClient(): void {
    if (this.outcome === undefined || this.closeClient === undefined || this.toClient.waiting) return;
    const { error, trailers } = this.outcome;
    this.outcome = undefined;
    this.closeClient(error, trailers);
  }
}

class ClientEnd implements ClientStream {
  constructor(private readonly stream: InProcessStream) {}

  get bufferedBytes(): number {
    return this.stream.toServer.bytes;
  }

  /** The handler has the call by the time anyone can ask. */
  onHeaders(callback: (metadata: Metadata) => void): void {
    callback([]);
  }

  onMessage(callback: (message: Uint8Array) => void): void {
    this.stream.toClient.onMessage(callback);
  }

  onClose(callback: (error: RpcError | undefined, trailers: Metadata) => void): void {
    this.stream.onClientClose(callback);
  }

  onDrain(callback: () => void): void {
    this.stream.toServer.onDrain(callback);
  }

  send(message: Uint8Array): boolean {
    return this.stream.toServer.push(message);
  }

  pause(): void {
    this.stream.toClient.pause();
  }

  resume(): void {
    this.stream.toClient.resume();
  }

  halfClose(): void {
    this.stream.toServer.end(undefined);
  }

  cancel(): void {
    this.stream.stop(undefined);
  }
}

class ServerEnd implements StreamCall {
  readonly metadata: Metadata;
  readonly connection: ConnectionInfo;
  readonly receivedAt: number;

  constructor(
    private readonly stream: InProcessStream,
    readonly path: string,
    { metadata, connection, receivedAt }: GatewayCall,
    readonly deadline: number | undefined,
  ) {
    this.metadata = metadata;
    this.connection = connection;
    this.receivedAt = receivedAt;
  }

  get cancelled(): boolean {
    return this.stream.cancelled;
  }

  get bufferedBytes(): number {
    return this.stream.toClient.bytes;
  }

  onMessage(callback: (message: Uint8Array) => void): void {
    this.stream.toServer.onMessage(callback);
  }

  onHalfClose(callback: () => void): void {
    this.stream.toServer.onEnd(callback);
  }

  onClose(callback: () => void): void {
    this.stream.onServerClose(callback);
  }

  /** Headers go out with the first message. */
  sendHeaders(): void {}

  send(message: Uint8Array): boolean {
    return this.stream.toClient.push(message);
  }

  onDrain(callback: () => void): void {
    this.stream.toClient.onDrain(callback);
  }

  pause(): void {
    this.stream.toServer.pause();
  }

  resume(): void {
    this.stream.toServer.resume();
  }

  end(error?: RpcError, trailers: Metadata = []): void {
    this.stream.end(error, trailers);
  }
}
