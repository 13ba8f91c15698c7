import { Inflights } from './inflights';
import type { LogIndex, NodeId, ProgressState, ProgressView, RaftConfig } from './types';

/**
 * What a leader knows of one member, itself included. Invariant: 0 ≤ match < next.
 * - probe: it is unknown where the follower's log ends; one append at a time.
 * - replicate: appends are sent ahead of their answers, as far as the window reaches.
 * - snapshot: the follower needs what the log no longer has; nothing is sent until the host reports.
 */
export class Progress {
  match: LogIndex = 0;
  next: LogIndex = 1;
  state: ProgressState = 'probe';
  isLearner = false;
  /** Something came from it since the last quorum check. */
  recentlyActive = false;
  /** The highest read round it has acknowledged. */
  ackedRound = 0;
  /** The highest commit index that was sent with an append it may have got. */
  sentCommit: LogIndex = 0;
  /** In probe: an append is under way. */
  probePaused = false;
  /** An append must go even without entries, to learn whether the follower still has what was sent. */
  appendDue = false;
  /** The next heartbeat reply may cause an empty append; set once a tick, so that read rounds do not multiply appends. */
  checkOnHeartbeat = false;
  /** Its next entries are not in memory; the host is loading them. */
  waitingForEntries = false;
  pendingSnapshot: LogIndex = 0;
  readonly inflights: Inflights;

  constructor(
    readonly id: NodeId,
    limits: Pick<RaftConfig, 'maxInflightMessages' | 'maxInflightBytes'>,
  ) {
    this.inflights = new Inflights(limits.maxInflightMessages, limits.maxInflightBytes);
  }

  /** Forgets everything, at the start of a term. */
  reset(next: LogIndex): void {
    this.match = 0;
    this.next = next;
    this.recentlyActive = false;
    this.ackedRound = 0;
    this.sentCommit = 0;
    this.checkOnHeartbeat = false;
    this.become('probe');
  }

  becomeProbe(): void {
    // What a finished snapshot covered need not be probed for.
    const behind = this.state === 'snapshot' ? Math.max(this.match, this.pendingSnapshot) : this.match;
    this.become('probe');
    this.next = behind + 1;
    this.sentCommit = Math.min(this.sentCommit, behind);
  }

  becomeReplicate(): void {
    this.become('replicate');
    this.next = this.match + 1;
  }

  becomeSnapshot(index: LogIndex): void {
    this.become('snapshot');
    this.pendingSnapshot = index;
  }

  private become(state: ProgressState): void {
    this.state = state;
    this.probePaused = false;
    this.appendDue = false;
    this.waitingForEntries = false;
    this.pendingSnapshot = 0;
    this.inflights.clear();
  }

  /** The follower has everything up to `index`; false if that was known. */
  maybeAdvance(index: LogIndex): boolean {
    this.next = Math.max(this.next, index + 1);
    if (index <= this.match) return false;
    this.match = index;
    this.probePaused = false;
    return true;
  }

  /**
   * The follower refused an append behind `rejected` and may match at `hint`. False if the answer is stale: replies are
   * reordered and repeated, and going back on a stale one would send everything again.
   */
  maybeRetreat(rejected: LogIndex, hint: LogIndex): boolean {
    if (this.state === 'replicate') {
      if (rejected <= this.match) return false;
      this.next = this.match + 1;
      return true;
    }
    if (this.next - 1 !== rejected) return false;
    this.next = Math.max(Math.min(rejected, hint + 1), this.match + 1);
    this.probePaused = false;
    return true;
  }

  /** No entries may be sent just now. */
  get paused(): boolean {
    if (this.state === 'replicate') return this.inflights.full;
    return this.state === 'snapshot' || this.probePaused;
  }

  view(): ProgressView {
    const { id, match, next, state, isLearner, recentlyActive } = this;
    return { id, match, next, state, isLearner, recentlyActive };
  }
}
