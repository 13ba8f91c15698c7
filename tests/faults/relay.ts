import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer, connect, type Server, type Socket } from 'node:net';
import { freePorts } from '../system/support/ports';

const LOOPBACK = '127.0.0.1';

/** What happens to the bytes that travel from one member to another. */
interface Path {
  isCut: boolean;
  delayMs: number;
}

/**
 * The network between members: each is reached by the others through a port of ours. Who has dialled is found by asking
 * the kernel which process owns the other end, so that each direction of each pair can be cut or slowed alone.
 *
 * A cut holds bytes back, as lost packets that TCP sends again do, until it is healed; a connection that is begun across
 * a cut waits for the healing.
 */
export class PeerNetwork {
  private readonly servers: Server[] = [];
  private readonly targets: number[] = [];
  private readonly paths = new Map<string, Path>();
  private readonly connections = new Set<Connection>();

  private constructor(
    readonly ports: readonly number[],
    private readonly memberPids: (member: number) => readonly number[],
  ) {}

  /** Ports for `count` members. `memberPids`: the processes of a member at the moment. */
  static async open(count: number, memberPids: (member: number) => readonly number[]): Promise<PeerNetwork> {
    const network = new PeerNetwork(await freePorts(count), memberPids);
    await Promise.all(network.ports.map((port, member) => network.listen(member, port)));
    return network;
  }

  /** Where the member itself listens. */
  setTarget(member: number, port: number): void {
    this.targets[member] = port;
  }

  cut(from: number, to: number): void {
    this.path(from, to).isCut = true;
    this.changed();
  }

  delay(from: number, to: number, ms: number): void {
    this.path(from, to).delayMs = ms;
  }

  heal(): void {
    this.paths.clear();
    this.changed();
  }

  isCut(from: number, to: number): boolean {
    return this.paths.get(`${from}>${to}`)?.isCut === true;
  }

  delayOf(from: number, to: number): number {
    return this.paths.get(`${from}>${to}`)?.delayMs ?? 0;
  }

  async close(): Promise<void> {
    for (const connection of this.connections) connection.destroy();
    await Promise.all(this.servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }

  private path(from: number, to: number): Path {
    const key = `${from}>${to}`;
    let path = this.paths.get(key);
    if (path === undefined) this.paths.set(key, (path = { isCut: false, delayMs: 0 }));
    return path;
  }

  private changed(): void {
    for (const connection of this.connections) connection.update();
  }

  private listen(member: number, port: number): Promise<void> {
    const server = createServer({ pauseOnConnect: true }, (socket) => this.accept(member, socket));
    this.servers.push(server);
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, LOOPBACK, resolve);
    });
  }

  private accept(to: number, socket: Socket): void {
    const from = this.whoDialled(socket.remotePort ?? 0);
    if (from === undefined) return void socket.destroy(); // it hung up already
    const target = this.targets[to] ?? 0;
    const connection: Connection = new Connection(this, { from, to, target }, socket, () =>
      this.connections.delete(connection),
    );
    this.connections.add(connection);
    connection.update();
  }

  private whoDialled(port: number): number | undefined {
    const inode = inodeOf(port);
    if (inode === undefined) return undefined;
    const member = this.ports.findIndex((_, at) => this.memberPids(at).some((pid) => owns(pid, inode)));
    return member < 0 ? undefined : member;
  }
}

interface Ends {
  readonly from: number;
  readonly to: number;
  readonly target: number;
}

/** One connection from a member to another, carried by us. */
class Connection {
  private onward: Socket | undefined;
  private isOver = false;

  constructor(
    private readonly network: PeerNetwork,
    private readonly ends: Ends,
    private readonly socket: Socket,
    private readonly onOver: () => void,
  ) {
    this.follow(socket);
  }

  /** Takes up what the network is like now. */
  update(): void {
    const { from, to } = this.ends;
    const [there, back] = [this.network.isCut(from, to), this.network.isCut(to, from)];
    if (this.onward === undefined) {
      if (there || back || this.isOver) return;
      this.dial();
    }
    flow(this.socket, there);
    if (this.onward !== undefined) flow(this.onward, back);
  }

  destroy(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.socket.destroy();
    this.onward?.destroy();
    this.onOver();
  }

  private dial(): void {
    const { from, to, target } = this.ends;
    const onward = connect({ port: target, host: LOOPBACK, noDelay: true });
    this.onward = onward;
    this.socket.setNoDelay(true);
    this.follow(onward);
    this.carry(this.socket, onward, from, to);
    this.carry(onward, this.socket, to, from);
  }

  private carry(source: Socket, sink: Socket, from: number, to: number): void {
    source.on('data', (chunk) => {
      const delay = this.network.delayOf(from, to);
      if (delay > 0) setTimeout(() => sink.write(chunk), delay);
      else if (!sink.write(chunk)) {
        source.pause();
        sink.once('drain', () => this.update());
      }
    });
    source.on('end', () => setTimeout(() => sink.end(), this.network.delayOf(from, to)));
  }

  private follow(socket: Socket): void {
    socket.on('error', () => undefined); // 'close' follows
    socket.on('close', () => this.destroy());
  }
}

function flow(socket: Socket, isCut: boolean): void {
  if (isCut) socket.pause();
  else socket.resume();
}

/** Inode of the connected TCP socket with this local port. */
function inodeOf(port: number): string | undefined {
  const wanted = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  for (const line of readFileSync('/proc/net/tcp', 'utf8').split('\n')) {
    const fields = line.trim().split(/\s+/);
    if (fields[1] === wanted && fields[9] !== '0') return fields[9];
  }
  return undefined;
}

function owns(pid: number, inode: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${fd}`) === `socket:[${inode}]`;
      } catch {
        return false; // closed while we looked
      }
    });
  } catch {
    return false; // the process is gone
  }
}
