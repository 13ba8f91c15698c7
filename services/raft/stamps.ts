import { clockShift, decodeEntryTimings, encodeEntryTimings, type EntryTiming } from '../../libs/attribution';
import type { NodeId } from '../../libs/raft';
import type { ForwardedTiming } from '../../proto/gen/hexad';

/** More batches than this are never on their way from log to delivery; older ones would be stuck. */
const BATCHES_MAX = 16_384;
/** Longer, and nobody has looked: nothing was going on. */
const STALL_MICROS_MAX = 60_000_000;

/** Proposals that came from another member, and its stamps of them. */
export interface ForwardedFrom {
  readonly member: NodeId;
  readonly arrived: number;
  readonly sent: number;
}

interface Batch {
  readonly first: number;
  readonly last: number;
  readonly arrived: number;
  readonly appended: number;
  readonly from: ForwardedFrom | undefined;
  synced: number;
  committed: number;
  fsync: number;
  ack: Ack | undefined;
}

interface Ack {
  readonly from: NodeId;
  readonly at: number;
  readonly held: number;
  readonly fsync: number;
}

const NO_BYTES = new Uint8Array(0);

/**
 * Stage stamps of the entries on their way through raft: one record for each batch of proposals, not for each entry. The
 * leader knows when a batch was appended, synced and committed; what it knows of batches that another member passed on
 * goes back to it. Each member hands the records of its own batches to its storage with the entries.
 *
 * Records are in the order of the log. They are only told, never acted on: losing some costs nothing but knowledge.
 */
export class EntryStamps {
  /** This member's, as the leader. */
  private led: Batch[] = [];
  /** How many of `led` are synced, and committed. */
  private synced = 0;
  private committed = 0;
  /** Finished records of this member's own proposals, until their entries are delivered. */
  private done: EntryTiming[] = [];
  private seenAt = Number.NEGATIVE_INFINITY;
  /** The last time that the event loop stood still. */
  private stall = { until: 0, micros: 0 };
  private forOthers = new Map<NodeId, ForwardedTiming[]>();

  constructor(
    private readonly self: NodeId,
    /** Microseconds of the host's monotonic clock. */
    private readonly clock: () => number,
    private readonly enabled: boolean,
    /** Milliseconds between two ticks: the loop is seen at least so often. */
    private readonly tickMs: number,
  ) {}

  /** The event loop runs. */
  tick(): void {
    if (this.enabled) this.seen(this.clock());
  }

  /** Of two looks that are much further apart than two ticks, the loop has stood still in between. */
  private seen(now: number): void {
    const gap = now - this.seenAt;
    this.seenAt = now;
    const tick = this.tickMs * 1000;
    if (gap > 1.5 * tick && gap < STALL_MICROS_MAX) this.stall = { until: now, micros: Math.round(gap - tick / 2) };
  }

  /** `count` proposals were appended just now, the last of them at `last`. */
  appended(last: number, count: number, arrived: number, from: ForwardedFrom | undefined): void {
    // A member without stamps passes proposals on without saying when.
    if (!this.enabled || from?.sent === 0) return;
    if (this.led.length >= BATCHES_MAX) this.leadershipLost();
    const appended = Math.round(this.clock());
    this.seen(appended);
    const first = last - count + 1;
    const start = Math.min(Math.round(arrived), appended);
    this.led.push({ first, last, arrived: start, appended, from, synced: 0, committed: 0, fsync: 0, ack: undefined });
  }

  /** Another member has everything up to `index`. */
  acknowledged(from: NodeId, index: number, held: number, fsync: number): void {
    if (this.committed === this.led.length) return;
    const ack = { from, at: Math.round(this.clock()), held, fsync };
    this.seen(ack.at);
    for (let i = this.committed; i < this.led.length; i++) {
      const batch = this.led[i] as Batch;
      if (batch.last > index) return;
      batch.ack = ack; // the last one before the commit is the one that made the quorum
    }
  }

  /** Where log and commit stand at the end of a turn. `fsyncMicros`: the last write of the own WAL. */
  advance(persistedIndex: number, commitIndex: number, fsyncMicros: number): void {
    const { led } = this;
    if (led.length === 0) return;
    const syncsMore = this.synced < led.length && (led[this.synced] as Batch).last <= persistedIndex;
    const commitsMore = this.committed < led.length && (led[this.committed] as Batch).last <= commitIndex;
    if (!syncsMore && !commitsMore) return;
    const now = Math.round(this.clock());
    this.seen(now);
    for (; this.synced < led.length && (led[this.synced] as Batch).last <= persistedIndex; this.synced++) {
      const batch = led[this.synced] as Batch;
      batch.synced = now;
      batch.fsync = Math.round(fsyncMicros);
    }
    for (; this.committed < led.length && (led[this.committed] as Batch).last <= commitIndex; this.committed++) {
      (led[this.committed] as Batch).committed = now;
    }
    this.finish();
  }

  /** Records that are due to `member`: they go with what tells it of the commit. */
  takeFor(member: NodeId): ForwardedTiming[] | undefined {
    if (this.forOthers.size === 0) return undefined;
    const timings = this.forOthers.get(member);
    this.forOthers.delete(member);
    return timings;
  }

  /** The leader tells of proposals that this member passed on. Its clock counts only if it is this host's. */
  told(timings: readonly ForwardedTiming[]): void {
    if (!this.enabled) return;
    const now = Math.round(this.clock());
    for (const { forwardArrived, forwardSent, timing } of timings) {
      const led = decodeEntryTimings(timing)[0];
      if (led === undefined) continue;
      const shift = clockShift(led.appended, led.committed, forwardSent, now);
      this.done.push({
        ...led,
        arrived: forwardArrived,
        appended: led.appended + shift,
        synced: led.synced + shift,
        committed: led.committed + shift,
        forwardNet: Math.max(0, now - forwardSent - (led.committed - led.appended)),
      });
    }
  }

  /** What storage is told with the entries `first` to `last`: an encoded EntryTimings. */
  forDelivery(first: number, last: number): Uint8Array {
    if (this.done.length === 0) return NO_BYTES;
    let count = 0;
    let over = 0;
    for (const timing of this.done) {
      if (timing.first > last) break;
      count++;
      if (timing.last <= last) over++;
    }
    if (count === 0) return NO_BYTES;
    const chosen = this.done.slice(0, count).filter((timing) => timing.last >= first);
    this.done.splice(0, over);
    if (chosen.length === 0) return NO_BYTES;
    const now = Math.round(this.clock());
    return encodeEntryTimings(chosen.map((timing) => ({ ...timing, delivered: Math.max(timing.committed, now) })));
  }

  /** What this member appended may never be committed. */
  leadershipLost(): void {
    this.led = [];
    this.synced = 0;
    this.committed = 0;
    this.forOthers.clear();
  }

  /** Batches that are both synced here and committed go on. */
  private finish(): void {
    const count = Math.min(this.synced, this.committed);
    if (count === 0) return;
    for (const batch of this.led.splice(0, count)) this.handOn(batch);
    this.synced -= count;
    this.committed -= count;
  }

  private handOn(batch: Batch): void {
    const { first, last, arrived, appended, synced, fsync, ack, from } = batch;
    const timing = {
      first,
      last,
      arrived,
      appended,
      synced,
      // A quorum without the leader may have been quicker; nothing is delivered here before the own sync all the same.
      committed: Math.max(synced, batch.committed),
      fsync,
      leader: this.self,
      follower: ack?.from ?? 0n,
      roundTrip: ack === undefined ? 0 : Math.max(0, ack.at - appended),
      followerHeld: ack?.held ?? 0,
      followerFsync: ack?.fsync ?? 0,
      forwardNet: 0,
      delivered: 0,
      leaderStall: this.stall.until >= appended ? this.stall.micros : 0,
    };
    if (from === undefined) {
      this.done.push(timing);
      if (this.done.length > BATCHES_MAX) this.done.shift();
      return;
    }
    const due = this.forOthers.get(from.member) ?? [];
    due.push({ forwardArrived: from.arrived, forwardSent: from.sent, timing: encodeEntryTimings([timing]) });
    this.forOthers.set(from.member, due);
  }
}
