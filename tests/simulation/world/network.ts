import type { Machine, SimProcess } from './process';
import type { World } from './world';

/** How one machine reaches another at present; one direction. */
export interface Path {
  /** Nothing passes before this time; infinity: until healed. */
  blockedUntil: number;
  /** What is sent while it is blocked is lost, and the connection with it; otherwise it waits. */
  losesWhileBlocked: boolean;
  /** Milliseconds. */
  latency: number;
  jitter: number;
}

/** Chances for one message between members. Only those that carry nothing but raft's own messages are touched. */
export interface MessageFaults {
  drop: number;
  duplicate: number;
  reorder: number;
}

const LOCAL_LATENCY_MS = 0.03;

/** All paths between machines, and what they do to messages. */
export class Network {
  readonly faults: MessageFaults = { drop: 0, duplicate: 0, reorder: 0 };
  readonly counts = { messages: 0, dropped: 0, duplicated: 0, reordered: 0, broken: 0 };
  private readonly paths = new Map<string, Path>();

  constructor(readonly world: World) {}

  path(from: Machine, to: Machine): Path {
    const key = `${from.name}>${to.name}`;
    let path = this.paths.get(key);
    if (path === undefined) {
      path = { blockedUntil: 0, losesWhileBlocked: false, latency: 0.2, jitter: 0.5 };
      this.paths.set(key, path);
    }
    return path;
  }

  isBlocked(from: Machine, to: Machine): boolean {
    return from !== to && this.path(from, to).blockedUntil > this.world.now;
  }

  /** When what leaves now arrives; undefined: never. */
  arrival(from: Machine, to: Machine): number | undefined {
    const { world } = this;
    if (from === to) return world.now + LOCAL_LATENCY_MS * (0.5 + world.random.next());
    const path = this.path(from, to);
    const travel = path.latency + path.jitter * world.random.next();
    if (path.blockedUntil <= world.now) return world.now + travel;
    return path.losesWhileBlocked ? undefined : path.blockedUntil + travel;
  }
}

/** One direction of a stream: keeps order, counts what is under way, holds back while the reader has paused. */
export class Pipe {
  private lastArrival = 0;
  private readonly held: (() => void)[] = [];
  private paused = false;
  /** Bytes sent that the reader has not taken. */
  buffered = 0;
  /** Nothing passes any more. */
  cut = false;
  onTaken: () => void = () => undefined;
  /** What was sent is lost: the stream can't go on. */
  onLost: () => void = () => undefined;

  constructor(
    private readonly network: Network,
    private readonly from: SimProcess,
    private readonly to: SimProcess,
  ) {}

  /** Takes `run` to the other side, behind all that went before. */
  post(bytes: number, run: () => void): void {
    if (this.cut || !this.from.alive) return;
    const { world } = this.network;
    const arrival = this.network.arrival(this.from.machine, this.to.machine);
    if (arrival === undefined) return this.lose();
    this.buffered += bytes;
    this.lastArrival = Math.max(this.lastArrival, arrival);
    world.after(this.lastArrival - world.now, this.to, () => this.arrived(() => this.take(bytes, run)));
  }

  /** Past all that went before it or after: what the network may do to a message that nobody counts on. */
  postOutOfOrder(delay: number, run: () => void): void {
    if (this.cut || !this.from.alive) return;
    this.network.world.after(delay, this.to, () => this.arrived(run));
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.network.world.after(0, this.to, () => this.release());
  }

  private arrived(run: () => void): void {
    if (this.cut) return;
    if (this.paused || this.held.length > 0) this.held.push(run);
    else run();
  }

  private release(): void {
    while (!this.paused && !this.cut) {
      const run = this.held.shift();
      if (run === undefined) return;
      run();
    }
  }

  private take(bytes: number, run: () => void): void {
    this.buffered -= bytes;
    run();
    this.onTaken();
  }

  private lose(): void {
    this.cut = true;
    this.network.counts.broken++;
    this.onLost();
  }
}
