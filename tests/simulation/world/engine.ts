import { GrpcCode, type RpcError } from '../../../libs/errors';
import {
  type Address,
  type CallOptions,
  type Channel,
  type ClientStream,
  type Engine,
  formatAddress,
  type Handlers,
  type RpcServer,
  type StreamHandler,
  type UnaryResult,
} from '../../../libs/rpc';
import { decodePeerBatch } from '../../../proto/gen/hexad';
import type { Network } from './network';
import type { SimProcess } from './process';
import { SimStream } from './stream';

const CONNECT_TIMEOUT_MS = 2_000;
const REFUSED: RpcError = { code: GrpcCode.Unavailable, message: 'connection refused' };
const TIMED_OUT: RpcError = { code: GrpcCode.Unavailable, message: 'connection timed out' };
const RESET: RpcError = { code: GrpcCode.Unavailable, message: 'connection reset' };
const UNKNOWN: RpcError = { code: GrpcCode.Unimplemented, message: 'unknown method' };

/** A gRPC engine whose connections run over the simulated network. Streams only: what else the members ask each other
 * about goes without an answer. */
export class SimEngine implements Engine {
  private readonly servers = new Map<string, SimServer>();
  private readonly streams = new Set<SimStream>();

  constructor(readonly network: Network) {}

  createServer(): RpcServer {
    return new SimServer(this, this.running());
  }

  connect(address: Address): Channel {
    return new SimChannel(this, this.running(), formatAddress(address));
  }

  listen(address: string, server: SimServer): void {
    if (this.servers.has(address)) throw new Error(`${address} is in use`);
    this.servers.set(address, server);
  }

  /** The process has died: nobody listens, its connections break; the other side learns of it a little later. */
  processEnded(process: SimProcess, noticeMs: () => number): void {
    for (const [address, server] of this.servers) if (server.process === process) this.servers.delete(address);
    for (const stream of this.streams) {
      if (!stream.involves(process)) continue;
      this.streams.delete(stream);
      stream.break(RESET, noticeMs());
    }
  }

  /** Breaks connections; what is sent until the ends notice is lost. */
  breakStreams(isHit: (stream: SimStream) => boolean, noticeMs: () => number): void {
    for (const stream of this.streams) {
      if (!isHit(stream)) continue;
      this.streams.delete(stream);
      this.network.counts.broken++;
      stream.break(RESET, noticeMs());
    }
  }

  open(client: SimProcess, address: string, path: string): ClientStream {
    const { world } = this.network;
    const stream = new SimStream(this.network, client, isPeers(path) ? isOnlyRaft : undefined);
    stream.onOver = () => this.streams.delete(stream);
    this.streams.add(stream);
    const server = this.servers.get(address);
    if (server === undefined) {
      world.after(0.1, client, () => stream.refuse(REFUSED));
      return stream.client;
    }
    const { process } = server;
    const blocked =
      this.network.isBlocked(client.machine, process.machine) ||
      this.network.isBlocked(process.machine, client.machine);
    if (blocked) world.after(CONNECT_TIMEOUT_MS, client, () => stream.refuse(TIMED_OUT));
    else this.accept(stream, server, path);
    return stream.client;
  }

  private accept(stream: SimStream, server: SimServer, path: string): void {
    stream.connect(server.process, () => {
      const handler = server.handler(path);
      if (handler === undefined) stream.end(UNKNOWN);
      else handler(stream.serverCall(path));
    });
  }

  private running(): SimProcess {
    const process = this.network.world.current;
    if (process === undefined) throw new Error('only a process can open a connection');
    return process;
  }
}

function isPeers(path: string): boolean {
  return path.startsWith('/hexad.Peer/');
}

/** Raft bears it when its own messages are lost, repeated or reordered; what else members send each other goes over TCP. */
function isOnlyRaft(message: Uint8Array): boolean {
  const batch = decodePeerBatch(message);
  const { hello, proposals, proposalReplies, relayRequests, relayReplies } = batch;
  const others = proposals.length + proposalReplies.length + relayRequests.length + relayReplies.length;
  return hello === undefined && others === 0;
}

class SimServer implements RpcServer {
  private readonly handlers = new Map<string, StreamHandler>();

  constructor(
    private readonly engine: SimEngine,
    readonly process: SimProcess,
  ) {}

  traffic(): { receivedBytes: number; sentBytes: number } {
    return { receivedBytes: 0, sentBytes: 0 };
  }

  addHandlers({ stream = {} }: Handlers): void {
    for (const [path, handler] of Object.entries(stream)) this.handlers.set(path, handler);
  }

  handler(path: string): StreamHandler | undefined {
    return this.handlers.get(path);
  }

  listen(address: Address): Promise<Address> {
    if (this.process.alive) this.engine.listen(formatAddress(address), this);
    this.engine.network.world.drainSoon();
    return Promise.resolve(address);
  }

  drain(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

class SimChannel implements Channel {
  constructor(
    private readonly engine: SimEngine,
    private readonly process: SimProcess,
    private readonly address: string,
  ) {}

  /** Answered as by a member of a version that does not know the method: clocks are compared by such calls, and jump here. */
  unary(
    _path: string,
    _request: Uint8Array,
    _options: CallOptions,
    callback: (result: UnaryResult) => void,
  ): () => void {
    this.engine.network.world.after(0, this.process, () => callback({ ok: false, error: UNKNOWN, trailers: [] }));
    return () => undefined;
  }

  stream(path: string): ClientStream {
    return this.engine.open(this.process, this.address, path);
  }

  close(): void {
    // Links cancel their streams themselves.
  }
}
