import type { RevisionChanges, Store } from '../../../libs/mvcc';
import type { StreamCall } from '../../../libs/rpc';
import { decodeEventsRequest, encodeEventBatch } from '../../../proto/gen/hexad';
import type { Gate } from '../gate';
import { limits } from '../limits';
import type { Identity } from '../state/ids';
import { RevisionBuffer } from './revision-buffer';
import { onRequests, Subscription } from './subscription';

/** A hub's stream. `wantsEvents` is undefined until storage serves it. */
interface Hub {
  readonly subscription: Subscription;
  wantsEvents: boolean | undefined;
}

/**
 * Live events for watch hubs: one message per batch of applied revisions, encoded once for all hubs that have watchers.
 * Each says which revision it follows, so that a hub that missed one knows, and the current revision goes out at least
 * every 100 ms, also to hubs without watchers, which get nothing else and cost an applied write nothing.
 */
export class EventsFeed {
  private readonly hubs = new Set<Hub>();
  /** How many of them want events. */
  private following = 0;
  private readonly pending = new RevisionBuffer({
    previousKnown: true,
    previousBytesMax: limits.eventPreviousBytesMax,
  });
  /** The revision before the first and the last of those pending. */
  private previousRevision = 0;
  private lastRevision = 0;
  private sentSinceTick = false;
  private readonly timer: NodeJS.Timeout;

  constructor(
    private readonly store: Store,
    private readonly identity: Identity,
    private readonly gate: Gate,
  ) {
    this.timer = setInterval(() => this.tick(), limits.eventHeartbeatMs);
    this.timer.unref();
  }

  serve(call: StreamCall): void {
    const hub: Hub = { subscription: new Subscription(call, () => this.leave(hub)), wantsEvents: undefined };
    onRequests(call, decodeEventsRequest, ({ idle }) => this.gate.whenOpen(() => this.setWish(hub, !idle)));
  }

  get hubCount(): number {
    return this.hubs.size;
  }

  close(): void {
    clearInterval(this.timer);
  }

  add(made: RevisionChanges): void {
    if (this.following === 0) return;
    // A batch has no holes, whoever came and went between two revisions.
    if (this.pending.length > 0 && made.revision !== this.lastRevision + 1) this.flush();
    if (this.pending.length === 0) this.previousRevision = made.revision - 1;
    this.lastRevision = made.revision;
    this.pending.append(made.revision, made.changes);
    if (this.pending.length > limits.messageBytesTarget) this.flush();
  }

  /** After every slice of apply, so that nothing is pending in between. */
  flush(): void {
    if (this.pending.length === 0) return;
    const frame = batchFrame(this.store, this.identity, this.lastRevision);
    const message = this.pending.take(encodeEventBatch({ ...frame, previousRevision: this.previousRevision }));
    this.sentSinceTick = true;
    for (const hub of this.hubs) if (hub.wantsEvents === true) hub.subscription.send(message);
  }

  /** Says the current revision at once: what was applied before and not sent is the hub's to read from history. */
  private setWish(hub: Hub, wantsEvents: boolean): void {
    if (hub.subscription.closed) return;
    if (hub.wantsEvents === true) this.following -= 1;
    if (wantsEvents) this.following += 1;
    hub.wantsEvents = wantsEvents;
    this.hubs.add(hub);
    hub.subscription.send(this.heartbeat());
  }

  private leave(hub: Hub): void {
    this.hubs.delete(hub);
    if (hub.wantsEvents === true) this.following -= 1;
    hub.wantsEvents = undefined;
  }

  private tick(): void {
    if (this.hubs.size > 0) {
      const heartbeat = this.heartbeat();
      for (const { subscription, wantsEvents } of this.hubs) {
        if (wantsEvents !== true || !this.sentSinceTick) subscription.send(heartbeat);
      }
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
