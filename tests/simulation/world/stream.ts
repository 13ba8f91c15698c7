import { GrpcCode, type RpcError } from '../../../libs/errors';
import type { ClientStream, StreamCall } from '../../../libs/rpc';
import { type Network, Pipe } from './network';
import type { SimProcess } from './process';

const HIGH_WATER_BYTES = 4 * 1024 * 1024;
const CANCELLED: RpcError = { code: GrpcCode.Cancelled, message: 'cancelled' };
const LOST: RpcError = { code: GrpcCode.Unavailable, message: 'keepalive timed out' };
/** How long a reordered or repeated message wanders, at most. */
const WANDER_MS = 400;

/** Callbacks of one end. */
interface End {
  message: (message: Uint8Array) => void;
  halfClose: () => void;
  headers: () => void;
  close: (error: RpcError | undefined) => void;
  drain: () => void;
  blocked: boolean;
  closed: boolean;
}

function noEnd(): End {
  const nothing = (): void => undefined;
  return {
    message: nothing,
    halfClose: nothing,
    headers: nothing,
    close: nothing,
    drain: nothing,
    blocked: false,
    closed: false,
  };
}

/** A bidirectional stream between two processes, both ends of it. */
export class SimStream {
  readonly client: ClientStream;
  private readonly clientEnd = noEnd();
  private readonly serverEnd = noEnd();
  private serverProcess: SimProcess | undefined;
  private toServer: Pipe | undefined;
  private toClient: Pipe | undefined;
  /** Sent before the connection was there. */
  private early: (() => void)[] = [];
  onOver: () => void = () => undefined;

  /** `mayMisplace`: which messages the network may lose, repeat and reorder; undefined: none. */
  constructor(
    private readonly network: Network,
    private readonly clientProcess: SimProcess,
    private readonly mayMisplace: ((message: Uint8Array) => boolean) | undefined,
  ) {
    this.client = this.createClient();
  }

  involves(process: SimProcess): boolean {
    return this.clientProcess === process || this.serverProcess === process;
  }

  /** Names of the machines at the ends; the same name twice for a stream within a member. */
  get machines(): readonly [string, string] {
    const client = this.clientProcess.machine.name;
    return [client, this.serverProcess?.machine.name ?? client];
  }

  connect(process: SimProcess, accepted: () => void): void {
    this.serverProcess = process;
    this.toServer = this.pipe(this.clientProcess, process, this.clientEnd);
    this.toClient = this.pipe(process, this.clientProcess, this.serverEnd);
    this.toServer.post(0, accepted);
    const { early } = this;
    this.early = [];
    for (const send of early) send();
  }

  private pipe(from: SimProcess, to: SimProcess, sender: End): Pipe {
    const pipe = new Pipe(this.network, from, to);
    pipe.onTaken = () => {
      if (!sender.blocked || pipe.buffered > HIGH_WATER_BYTES / 2) return;
      sender.blocked = false;
      this.network.world.after(0, from, () => sender.drain());
    };
    // A keepalive notices, sooner or later.
    pipe.onLost = () =>
      this.network.world.after(500 + 3_000 * this.network.world.random.next(), undefined, () => this.break(LOST, 0));
    return pipe;
  }

  /** Never connected. */
  refuse(error: RpcError): void {
    this.closeClient(error);
    this.onOver();
  }

  /** The server ends the call after what it has sent. */
  end(error: RpcError | undefined): void {
    this.closeServer();
    this.toClient?.post(0, () => this.closeClient(error));
    this.onOver();
  }

  /** The connection is gone: each side that lives learns of it `noticeMs` later, and what is under way is lost. */
  break(error: RpcError, noticeMs: number): void {
    const { world } = this.network;
    for (const pipe of [this.toServer, this.toClient]) if (pipe !== undefined) pipe.cut = true;
    world.after(noticeMs, this.clientProcess, () => this.closeClient(error));
    if (this.serverProcess !== undefined) world.after(noticeMs, this.serverProcess, () => this.closeServer());
    this.onOver();
  }

  private closeClient(error: RpcError | undefined): void {
    const { clientEnd } = this;
    if (clientEnd.closed) return;
    clientEnd.closed = true;
    clientEnd.close(error);
  }

  private closeServer(): void {
    const { serverEnd } = this;
    if (serverEnd.closed) return;
    serverEnd.closed = true;
    serverEnd.close(undefined);
  }

  private transfer(pipe: Pipe | undefined, sender: End, receiver: End, message: Uint8Array): boolean {
    if (pipe === undefined || sender.closed) return false;
    const { counts, faults, world } = this.network;
    counts.messages++;
    world.trace.addBytes(message);
    const arrive = (): void => {
      if (!receiver.closed) receiver.message(message);
    };
    const luck = this.mayMisplace === undefined ? 1 : world.random.next();
    const { drop, duplicate, reorder } = faults;
    if (luck < drop + duplicate + reorder && this.mayMisplace?.(message)) {
      if (luck < drop) {
        counts.dropped++;
        return true;
      }
      const delay = 1 + WANDER_MS * world.random.next();
      if (luck < drop + duplicate) {
        counts.duplicated++;
        pipe.postOutOfOrder(delay, arrive);
      } else {
        counts.reordered++;
        pipe.postOutOfOrder(delay, arrive);
        return true;
      }
    }
    pipe.post(message.length, arrive);
    if (pipe.buffered > HIGH_WATER_BYTES) sender.blocked = true;
    return !sender.blocked;
  }

  private createClient(): ClientStream {
    const { clientEnd } = this;
    const whenConnected = (send: () => void): void => {
      if (this.toServer === undefined) this.early.push(send);
      else send();
    };
    return {
      onHeaders: (callback) => void (clientEnd.headers = () => callback([])),
      onMessage: (callback) => void (clientEnd.message = callback),
      onClose: (callback) => void (clientEnd.close = (error) => callback(error, [])),
      onDrain: (callback) => void (clientEnd.drain = callback),
      send: (message) => {
        whenConnected(() => this.transfer(this.toServer, clientEnd, this.serverEnd, message));
        return !clientEnd.blocked;
      },
      bufferedBytes: 0,
      pause: () => this.toClient?.pause(),
      resume: () => this.toClient?.resume(),
      halfClose: () => whenConnected(() => this.toServer?.post(0, () => this.serverEnd.halfClose())),
      cancel: () => this.cancel(),
    };
  }

  private cancel(): void {
    if (this.clientEnd.closed) return;
    this.toServer?.post(0, () => this.closeServer());
    if (this.toClient !== undefined) this.toClient.cut = true;
    this.closeClient(CANCELLED);
    this.onOver();
  }

  serverCall(path: string): StreamCall {
    const { serverEnd } = this;
    const { toClient, toServer } = this;
    if (toClient === undefined || toServer === undefined) throw new Error('a call without a connection');
    // Headers of stream handlers leave at once.
    toClient.post(0, () => {
      if (!this.clientEnd.closed) this.clientEnd.headers();
    });
    const connection = { id: 0, remoteAddress: this.clientProcess.name, encrypted: false, clientCommonName: undefined };
    return {
      path,
      metadata: [],
      connection: { ...connection, onClose: () => undefined, reportRequest: () => undefined },
      deadline: undefined,
      receivedAt: performance.now(),
      get cancelled() {
        return serverEnd.closed;
      },
      get bufferedBytes() {
        return toClient.buffered;
      },
      onMessage: (callback) => void (serverEnd.message = callback),
      onHalfClose: (callback) => void (serverEnd.halfClose = callback),
      onClose: (callback) => void (serverEnd.close = () => callback()),
      onDrain: (callback) => void (serverEnd.drain = callback),
      sendHeaders: () => undefined,
      send: (message) => this.transfer(toClient, serverEnd, this.clientEnd, message),
      pause: () => toServer.pause(),
      resume: () => toServer.resume(),
      end: (error) => this.end(error),
    };
  }
}
