import type { CatchUp } from './catch-up';
import { learnPrevious } from './catch-up';
import { SharedEvent } from './event';
import type { HubState, RangeGroups } from './state';
import type { LiveBatch, Revision } from './types';
import type { Watcher, WatchGroup } from './watcher';

const NO_BYTES = new Uint8Array(0);

interface Gap {
  /** Filled when everything up to here has been matched. */
  target: number;
  request: number;
  /** Batches that came after the gap began and are not contiguous with what is known yet. */
  pending: LiveBatch[];
  pendingBytes: number;
}

/**
 * Matches the live feed against the groups. Every batch names the revision before it, so that a lost, repeated or
 * overtaken message shows; what is missing is read from history before anything later is delivered.
 */
export class LiveFeed {
  private gap: Gap | undefined;
  private touched: WatchGroup[] = [];
  private matchedBytes = 0;
  private revision = 0;
  private event: SharedEvent | undefined;

  constructor(
    private readonly state: HubState,
    private readonly catchUp: CatchUp,
    private readonly cancelCompacted: (watcher: Watcher, compactRevision: number) => void,
  ) {}

  get pendingBytes(): number {
    return this.gap?.pendingBytes ?? 0;
  }

  batch(batch: LiveBatch): void {
    if (this.state.live < 0) this.attach(batch);
    if (this.state.placed === 0) this.skip(batch);
    if (this.gap === undefined) this.apply(batch);
    else this.postpone(this.gap, batch);
  }

  /** True when the request was the gap's. */
  history(id: number, revisions: readonly Revision[], coveredTo: number, done: boolean): boolean {
    const { gap } = this;
    if (gap === undefined || gap.request !== id) return false;
    this.match(revisions);
    if (coveredTo > this.state.live) this.moveLive(coveredTo);
    if (this.state.live >= gap.target) {
      if (!done) this.state.outputs.push({ kind: 'cancelHistory', id });
      this.closeGap(gap);
    } else if (done) this.readGap(gap);
    else this.state.outputs.push({ kind: 'moreHistory', id });
    return true;
  }

  /** Events up to the compact revision are lost to this hub: watchers that need one of them are cancelled. */
  historyCompacted(id: number, compactRevision: number): boolean {
    const { gap, state } = this;
    if (gap === undefined || gap.request !== id) return false;
    if (compactRevision > state.live + 1) {
      for (const group of state.groups) {
        for (const watcher of group.live.list()) this.cancelCompacted(watcher, compactRevision);
      }
      for (const watcher of state.waiting.take(compactRevision - 1)) this.cancelCompacted(watcher, compactRevision);
      state.live = compactRevision - 1;
      state.recent.reset(compactRevision);
      this.activate(compactRevision);
    }
    this.readGap(gap);
    return true;
  }

  historyFailed(id: number): boolean {
    if (this.gap?.request !== id) return false;
    this.readGap(this.gap);
    return true;
  }

  private attach(batch: LiveBatch): void {
    this.moveTo(startOf(batch));
  }

  /** Nobody waits for an event: what the feed did not bring is not read either. Watchers to come find it in history. */
  private skip(batch: LiveBatch): void {
    if (this.gap !== undefined) {
      this.state.outputs.push({ kind: 'cancelHistory', id: this.gap.request });
      this.gap = undefined;
    }
    if (startOf(batch) > this.state.live) this.moveTo(startOf(batch));
  }

  private moveTo(revision: number): void {
    this.state.live = revision;
    this.state.recent.reset(revision + 1);
  }

  private apply(batch: LiveBatch): void {
    const last = batch.revisions.at(-1);
    if (last === undefined) {
      // A heartbeat: the message with the last revisions was lost.
      if (batch.currentRevision > this.state.live) this.openGap(batch.currentRevision, undefined);
      return;
    }
    if (last.revision <= this.state.live) return;
    if (batch.previousRevision > this.state.live) this.openGap(batch.previousRevision, batch);
    else this.match(batch.revisions);
  }

  private openGap(target: number, after: LiveBatch | undefined): void {
    const gap: Gap = { target, request: 0, pending: [], pendingBytes: 0 };
    this.gap = gap;
    if (after !== undefined) this.postpone(gap, after);
    this.readGap(gap);
  }

  /** Keeps the batch until the gap is filled; when too many wait they are dropped and read from history instead. */
  private postpone(gap: Gap, batch: LiveBatch): void {
    if (gap.pendingBytes + batch.bytes > this.state.limits.pendingBytesMax) {
      for (const dropped of gap.pending) gap.target = Math.max(gap.target, lastOf(dropped));
      gap.target = Math.max(gap.target, lastOf(batch));
      gap.pending = [];
      gap.pendingBytes = 0;
      return;
    }
    gap.pending.push(batch);
    gap.pendingBytes += batch.bytes;
  }

  private readGap(gap: Gap): void {
    gap.request = this.state.nextRequest();
    const request = {
      id: gap.request,
      from: this.state.live + 1,
      to: gap.target,
      key: NO_BYTES,
      rangeEnd: NO_BYTES,
      prevKv: false,
    };
    this.state.outputs.push({ kind: 'readHistory', request });
  }

  private closeGap(gap: Gap): void {
    this.gap = undefined;
    for (const batch of gap.pending) this.batch(batch);
  }

  private match(revisions: readonly Revision[]): void {
    const { state } = this;
    for (const { revision, events } of revisions) {
      if (revision <= state.live) continue;
      if (state.waiting.lowest <= revision) {
        this.flush();
        this.activate(revision);
      }
      this.matchRevision(revision, events);
      state.live = revision;
      if (this.matchedBytes > state.limits.deliveryBytesSoft) this.flush();
    }
    this.flush();
    this.activate(state.live + 1);
  }

  private matchRevision(revision: number, events: Revision['events']): void {
    const shared = events.map((event) => new SharedEvent(event));
    this.revision = revision;
    for (const event of shared) {
      this.event = event;
      this.state.index.visitAt(event.key, this.visitGroups);
    }
    this.state.recent.append(revision, shared);
  }

  /** A field, so that no closure is made per event. */
  private readonly visitGroups = (entry: RangeGroups): void => {
    const event = this.event as SharedEvent; // set by the caller of visitAt
    for (const group of entry) {
      if (group.live.size === 0 || !group.wants(event)) continue;
      if (group.prevKv && !learnPrevious(this.state, event)) {
        this.fallBack(group);
        continue;
      }
      if (!group.hasPending) this.touched.push(group);
      group.collect(this.revision, event);
      this.matchedBytes += event.kv.length;
    }
  };

  /** A prev_kv that is not in memory: the whole group reads this revision from history. */
  private fallBack(group: WatchGroup): void {
    group.uncollect(this.revision);
    this.flushGroup(group, this.revision - 1);
    for (const watcher of group.live.list()) {
      group.live.remove(watcher);
      this.catchUp.add(watcher, this.revision);
    }
  }

  private flush(): void {
    const { touched } = this;
    this.touched = [];
    this.matchedBytes = 0;
    for (const group of touched) this.flushGroup(group, this.state.live);
  }

  private flushGroup(group: WatchGroup, revision: number): void {
    if (!group.hasPending) return;
    const events = group.takePending();
    group.deliveries += 1;
    this.state.deliverEvents(group.live, events, revision);
  }

  /** History showed that nothing happened up to `revision`. */
  private moveLive(revision: number): void {
    this.state.live = revision;
    this.activate(revision + 1);
  }

  /** Watchers that waited for `next` or less get everything from here on. */
  private activate(next: number): void {
    if (this.state.waiting.lowest > next) return;
    for (const watcher of this.state.waiting.take(next)) {
      if (watcher.owner.paused) this.state.setState(watcher, { at: 'held', next });
      else this.state.joinLive(watcher);
    }
  }
}

/** The revision after which the batch has everything. */
function startOf(batch: LiveBatch): number {
  return batch.revisions.length > 0 ? batch.previousRevision : batch.currentRevision;
}

function lastOf(batch: LiveBatch): number {
  return Math.max(batch.currentRevision, batch.revisions.at(-1)?.revision ?? 0);
}
