import { entryFormatAt, type Release, RELEASE } from '../../libs/limits';
import {
  decodeFeedBatch,
  decodeRaftStatus,
  type FeedBatch,
  type FeedMember,
  type FeedToken,
  type RaftStatus,
} from '../../proto/gen/hexad';

export interface AlarmView {
  readonly memberId: bigint;
  /** etcdserverpb.AlarmType */
  readonly alarm: number;
}

export interface MemberViewEvents {
  /** A leader is known now and was not before, or another one is. */
  onLeader(): void;
  onTokens(tokens: readonly FeedToken[], replaceAll: boolean): void;
  onAuth(enabled: boolean): void;
}

/**
 * What this process knows about its member and cluster: raft's status stream and storage's feed. Nothing here is
 * authoritative; storage decides, this view only saves asking it.
 */
export class MemberView {
  clusterId: bigint;
  memberId: bigint;
  term = 0;
  leaderId = 0n;
  commitIndex = 0;
  lastIndex = 0;
  isLearner = false;
  leaderChanges = 0;
  /** When the leader was lost, on the clock given; undefined while there is one. */
  leaderLostAt: number | undefined;
  authEnabled = false;
  authRevision = 0;
  clusterVersion = '';
  /** The format of entries that all members understand. */
  entryFormat = 0;
  /** At least this revision has been applied here. */
  revision = 0;
  feedAppliedIndex = 0;
  /** True once a whole snapshot of the feed has been read. */
  feedReady = false;
  readonly members = new Map<bigint, FeedMember>();
  alarms: readonly AlarmView[] = [];
  private snapshotUnderWay = false;
  private waiters: Array<{ index: number; callback: (reached: boolean) => void; deadline: number }> = [];

  constructor(
    ids: { readonly clusterId: bigint; readonly memberId: bigint },
    private readonly events: MemberViewEvents,
    private readonly now: () => number,
    private readonly ownRelease: Release = RELEASE,
  ) {
    this.clusterId = ids.clusterId;
    this.memberId = ids.memberId;
    this.leaderLostAt = now();
  }

  get hasLeader(): boolean {
    return this.leaderId !== 0n;
  }

  get isLeader(): boolean {
    return this.hasLeader && this.leaderId === this.memberId;
  }

  hasAlarm(alarm: number): boolean {
    return this.alarms.some((one) => one.alarm === alarm);
  }

  onStatusBytes(bytes: Uint8Array): void {
    this.onStatus(decodeRaftStatus(bytes));
  }

  onStatus(status: RaftStatus): void {
    this.term = status.term;
    this.commitIndex = status.commitIndex;
    this.lastIndex = status.lastIndex;
    this.isLearner = status.isLearner;
    if (status.clusterId !== 0n) this.clusterId = status.clusterId;
    if (status.memberId !== 0n) this.memberId = status.memberId;
    this.setLeader(status.leaderId);
  }

  /** Raft is gone: nobody tells us of a leader. */
  statusLost(): void {
    this.setLeader(0n);
  }

  /** Storage is gone; what it last said stays until the next snapshot. */
  feedLost(): void {
    this.snapshotUnderWay = false;
  }

  /** Another member is asked from now on, which may be behind the last one. */
  memberMoved(): void {
    this.feedAppliedIndex = 0;
    this.snapshotUnderWay = false;
  }

  onFeedBytes(bytes: Uint8Array): void {
    this.onFeed(decodeFeedBatch(bytes));
  }

  onFeed(batch: FeedBatch): void {
    const startsSnapshot = batch.snapshot && !this.snapshotUnderWay;
    this.snapshotUnderWay = batch.snapshot && !batch.snapshotEnd;
    if (startsSnapshot) this.members.clear();
    if (batch.clusterVersion !== '') {
      this.clusterVersion = batch.clusterVersion;
      this.entryFormat = entryFormatAt(this.clusterVersion, this.ownRelease);
    }
    if (batch.revision > this.revision) this.revision = batch.revision;
    for (const member of batch.members) this.applyMember(member);
    if (batch.alarmsChanged || startsSnapshot) this.alarms = batch.alarms;
    if (batch.tokens.length > 0 || startsSnapshot) this.events.onTokens(batch.tokens, startsSnapshot);
    if (batch.auth !== undefined) {
      this.authEnabled = batch.auth.enabled;
      this.authRevision = batch.auth.revision;
      this.events.onAuth(batch.auth.enabled);
    }
    if (!this.snapshotUnderWay) this.reached(batch.appliedIndex);
  }

  /** Runs when the feed has reached `index` (true) or the deadline has passed (false); at once if it has. */
  whenApplied(index: number, deadline: number, callback: (reached: boolean) => void): void {
    if (this.feedAppliedIndex >= index) callback(true);
    else this.waiters.push({ index, deadline, callback });
  }

  get waiterCount(): number {
    return this.waiters.length;
  }

  sweep(now: number): void {
    this.release((waiter) => waiter.deadline <= now, false);
  }

  private reached(appliedIndex: number): void {
    this.feedReady = true;
    if (appliedIndex <= this.feedAppliedIndex) return;
    this.feedAppliedIndex = appliedIndex;
    this.release((waiter) => waiter.index <= appliedIndex, true);
  }

  private release(isDue: (waiter: { index: number; deadline: number }) => boolean, reached: boolean): void {
    if (this.waiters.length === 0) return;
    const due = this.waiters.filter(isDue);
    if (due.length === 0) return;
    this.waiters = this.waiters.filter((waiter) => !isDue(waiter));
    for (const waiter of due) waiter.callback(reached);
  }

  private applyMember(member: FeedMember): void {
    if (member.removed) this.members.delete(member.id);
    else this.members.set(member.id, member);
  }

  private setLeader(leaderId: bigint): void {
    const before = this.leaderId;
    if (leaderId === before) return;
    this.leaderId = leaderId;
    if (leaderId === 0n) {
      this.leaderLostAt = this.now();
      return;
    }
    this.leaderLostAt = undefined;
    this.leaderChanges++;
    this.events.onLeader();
  }
}
