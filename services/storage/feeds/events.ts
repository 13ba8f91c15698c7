import type { Change, RevisionChanges, Store, StoredVersion } from '../../../libs/mvcc';
import type { StreamCall } from '../../../libs/rpc';
import { decodeEventsRequest, encodeEventBatch } from '../../../proto/gen/hexad';
import type { Gate } from '../gate';
import { limits } from '../limits';
import type { Identity } from '../state/ids';
import { type EncodableEvent, RevisionBuffer } from './revision-buffer';
import { onRequest, Subscription } from './subscription';

const NO_BYTES = new Uint8Array(0);

/**
 * Live events for watch hubs: one message per batch of applied revisions, encoded once for all hubs. Each says which revision
 * it follows, so that a hub that missed one knows, and the current revision goes out at least every 100 ms.
 */
export class EventsFeed {
  private readonly hubs = new Set<Subscription>();
  private readonly pending = new RevisionBuffer();
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
    onRequest(call, decodeEventsRequest, () => {
      this.gate.whenOpen(() => this.attach(call));
    });
  }

  close(): void {
    clearInterval(this.timer);
  }

  add(made: RevisionChanges): void {
    if (this.hubs.size === 0) return;
    if (this.pending.length === 0) this.previousRevision = made.revision - 1;
    this.lastRevision = made.revision;
    this.pending.append(made.revision, made.changes.map(liveEvent));
    if (this.pending.length > limits.messageBytesTarget) this.flush();
  }

  /** After every slice of apply, so that nothing is pending in between. */
  flush(): void {
    if (this.pending.length === 0) return;
    const frame = batchFrame(this.store, this.identity, this.lastRevision);
    this.broadcast(this.pending.take(encodeEventBatch({ ...frame, previousRevision: this.previousRevision })));
  }

  private attach(call: StreamCall): void {
    if (call.cancelled) return;
    const hub = new Subscription(call, () => this.hubs.delete(hub));
    this.hubs.add(hub);
    hub.send(this.heartbeat());
  }

  private tick(): void {
    if (!this.sentSinceTick && this.hubs.size > 0) this.broadcast(this.heartbeat());
    this.sentSinceTick = false;
  }

  private broadcast(message: Uint8Array): void {
    this.sentSinceTick = true;
    for (const hub of this.hubs) hub.send(message);
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

function liveEvent({ version, previous }: Change): EncodableEvent {
  if (previous === undefined) return watchedEvent(version, 0, NO_BYTES);
  const { kv, modRevision } = previous;
  return watchedEvent(version, modRevision, kv.length <= limits.eventPreviousBytesMax ? kv : NO_BYTES);
}

export function watchedEvent(version: StoredVersion, previousRevision: number, prevKv: Uint8Array): EncodableEvent {
  return { key: version.key, isDelete: version.isDelete, kv: version.kv, previousRevision, prevKv };
}
