import type { EventPublisher } from '../../../libs/event-bus';
import type { RevisionChanges, Store } from '../../../libs/mvcc';
import { decodeTrace, formatTraceparent } from '../../../libs/telemetry';
import type { StreamCall } from '../../../libs/rpc';
import { decodeEventsRequest, encodeEventBatch } from '../../../proto/gen/hexad';
import type { Gate } from '../gate';
import { limits } from '../limits';
import type { EventStamps } from '../event-stamps';
import type { Identity } from '../state/ids';
import { RevisionBuffer } from './revision-buffer';
import { onRequests, Subscription } from './subscription';

const NO_TRACE = new Uint8Array(0);

/** How a hub gets events: by its stream, over the event bus, or not at all. */
type Wish = 'stream' | 'bus' | 'none';

/** A hub's stream. `wish` is undefined until storage serves it. */
interface Hub {
  readonly subscription: Subscription;
  wish: Wish | undefined;
}

export interface EventsFeedOptions {
  readonly store: Store;
  readonly identity: Identity;
  readonly gate: Gate;
  /** Undefined: there is no event bus; hubs that ask for it get their streams. */
  readonly bus?: EventBus | undefined;
  /** Microseconds since the epoch. */
  readonly wallMicros?: (() => number) | undefined;
  /** Undefined: no stage stamps. */
  readonly stamps?: Pick<EventStamps, 'publish'> | undefined;
}

/** The bus beside the streams. */
export type EventBus = Pick<EventPublisher, 'publish'>;

/**
 * Live events for watch hubs: one message per batch of applied revisions, encoded once for all hubs that have watchers, and
 * published once on the event bus if hubs get them there. Each says which revision it follows, so that a hub that missed one
 * knows, and the current revision goes out at least every 100 ms, also to hubs without watchers, which get nothing else and
 * cost an applied write nothing.
 */
export class EventsFeed {
  private readonly hubs = new Set<Hub>();
  private readonly streams: EventPublisher;
  private readonly bus: EventPublisher | undefined;
  /** How many hubs want events in each way. */
  private readonly following: Record<Wish, number> = { stream: 0, bus: 0, none: 0 };
  private readonly pending = new RevisionBuffer({
    previousKnown: true,
    previousBytesMax: limits.eventPreviousBytesMax,
  });
  /** The revision before the first and the last of those pending. */
  private previousRevision = 0;
  private lastRevision = 0;
  private pendingSinceMicros = 0;
  /** Of the first traced request among those pending. */
  private pendingTrace: Uint8Array = NO_TRACE;
  private sentSinceTick = false;
  private readonly timer: NodeJS.Timeout;
  private readonly store: Store;
  private readonly identity: Identity;
  private readonly gate: Gate;
  private readonly wallMicros: () => number;
  private readonly stamps: Pick<EventStamps, 'publish'> | undefined;

  constructor({ store, identity, gate, bus, wallMicros, stamps }: EventsFeedOptions) {
    this.store = store;
    this.identity = identity;
    this.gate = gate;
    this.wallMicros = wallMicros ?? ((): number => 0);
    this.stamps = stamps;
    this.streams = this.streamPublisher();
    this.bus = bus === undefined ? undefined : this.busPublisher(bus);
    this.timer = setInterval(() => this.tick(), limits.eventHeartbeatMs);
    this.timer.unref();
  }

  serve(call: StreamCall): void {
    const hub: Hub = { subscription: new Subscription(call, () => this.leave(hub)), wish: undefined };
    onRequests(call, decodeEventsRequest, ({ idle, bus }) => {
      const wish = idle ? 'none' : bus && this.bus !== undefined ? 'bus' : 'stream';
      this.gate.whenOpen(() => this.setWish(hub, wish));
    });
  }

  get hubCount(): number {
    return this.hubs.size;
  }

  close(): void {
    clearInterval(this.timer);
  }

  /** `trace`: of the request that made it; empty: it is not traced. */
  add(made: RevisionChanges, trace: Uint8Array): void {
    if (!this.streams.isWanted && this.bus?.isWanted !== true) return;
    // A batch has no holes, whoever came and went between two revisions.
    if (this.pending.length > 0 && made.revision !== this.lastRevision + 1) this.flush();
    if (this.pending.length === 0) {
      this.previousRevision = made.revision - 1;
      this.pendingSinceMicros = this.wallMicros();
      this.pendingTrace = trace;
    } else if (this.pendingTrace.length === 0) this.pendingTrace = trace;
    this.lastRevision = made.revision;
    this.pending.append(made.revision, made.changes);
    if (this.pending.length > limits.messageBytesTarget) this.flush();
  }

  /** After every slice of apply, so that nothing is pending in between. */
  flush(): void {
    if (this.pending.length === 0) return;
    const frame = batchFrame(this.store, this.identity, this.lastRevision);
    const { previousRevision, pendingSinceMicros: committedAtMicros } = this;
    const stamps = this.stamps?.publish();
    const message = this.pending.take(encodeEventBatch({ ...frame, previousRevision, committedAtMicros, ...stamps }));
    this.sentSinceTick = true;
    if (this.streams.isWanted) this.streams.publish(message, '');
    if (this.bus?.isWanted !== true) return;
    const trace = decodeTrace(this.pendingTrace);
    this.bus.publish(message, trace === undefined ? '' : formatTraceparent(trace));
  }

  private streamPublisher(): EventPublisher {
    const { hubs, following } = this;
    return {
      get isWanted() {
        return following.stream > 0;
      },
      publish(message) {
        for (const { wish, subscription } of hubs) if (wish === 'stream') subscription.send(message);
      },
    };
  }

  private busPublisher(bus: EventBus): EventPublisher {
    const { following } = this;
    return {
      get isWanted() {
        return following.bus > 0;
      },
      publish: (message, traceparent) => bus.publish(message, traceparent),
    };
  }

  /** Says the current revision at once: what was applied before and not sent is the hub's to read from history. */
  private setWish(hub: Hub, wish: Wish): void {
    if (hub.subscription.closed) return;
    if (hub.wish !== undefined) this.following[hub.wish] -= 1;
    this.following[wish] += 1;
    hub.wish = wish;
    this.hubs.add(hub);
    hub.subscription.send(this.heartbeat());
  }

  private leave(hub: Hub): void {
    this.hubs.delete(hub);
    if (hub.wish !== undefined) this.following[hub.wish] -= 1;
    hub.wish = undefined;
  }

  private tick(): void {
    if (this.hubs.size > 0 || this.bus !== undefined) {
      const heartbeat = this.heartbeat();
      for (const { subscription, wish } of this.hubs) {
        if (wish !== 'stream' || !this.sentSinceTick) subscription.send(heartbeat);
      }
      // Also while nobody asks for the bus: that is how a hub knows that the bus can be asked for.
      if (this.gate.isOpen && !(this.sentSinceTick && this.following.bus > 0)) this.bus?.publish(heartbeat, '');
    }
    this.sentSinceTick = false;
  }

  /** The current revision, without events. */
  private heartbeat(): Uint8Array {
    const frame = batchFrame(this.store, this.identity);
    return encodeEventBatch({ ...frame, previousRevision: frame.currentRevision });
  }
}

/** What every message of events says beside the events. `currentRevision` is never behind the events sent with it. */
export function batchFrame(
  store: Store,
  identity: Identity,
  lastRevision?: number,
): {
  currentRevision: number;
  compactRevision: number;
  appliedIndex: number;
  clusterId: bigint;
  memberId: bigint;
  raftTerm: number;
} {
  return {
    currentRevision: Math.max(store.revision, lastRevision ?? 0),
    compactRevision: Math.max(0, store.compactRevision),
    appliedIndex: store.applied.index,
    clusterId: identity.clusterId,
    memberId: identity.memberId,
    raftTerm: store.applied.term,
  };
}
