import type { HardState, LogIndex, NodeId, Term } from './types';

interface PendingWrite {
  readonly number: number;
  /** Entries of the log as it is now that this write makes durable; lowered when the log is cut meanwhile. */
  lastIndex: LogIndex;
  readonly term: Term;
  readonly vote: NodeId;
  readonly commit: LogIndex;
  readonly snapshotIndex: LogIndex;
}

/** What a sync that ended has made durable. */
export interface Persisted {
  readonly lastIndex: LogIndex;
  readonly snapshotIndex: LogIndex;
}

/**
 * The writes that the host was given and has not reported as synced. They are told apart by the number of their Ready and
 * not by index and term, since the same (index, term) can be cut off and written again while the first write is under way.
 */
export class Persistence {
  private readonly pending: PendingWrite[] = [];
  /** The number of the last Ready made. */
  number = 0;
  /** As last handed over, and as known to be synced. */
  private given: HardState;
  private synced: HardState;

  constructor(hardState: HardState) {
    this.given = hardState;
    this.synced = hardState;
  }

  /** Nothing is under way. */
  get idle(): boolean {
    return this.pending.length === 0;
  }

  /** Term or vote differ from what was handed over. */
  voteChanged(term: Term, vote: NodeId): boolean {
    return this.given.term !== term || this.given.vote !== vote;
  }

  commitChanged(commit: LogIndex): boolean {
    return this.given.commit !== commit;
  }

  /** These very term and vote are synced. */
  isVoteSynced(term: Term, vote: NodeId): boolean {
    return this.synced.term === term && this.synced.vote === vote;
  }

  isCommitGiven(index: LogIndex): boolean {
    return this.given.commit >= index;
  }

  isCommitSynced(index: LogIndex): boolean {
    return this.synced.commit >= index;
  }

  give(hardState: HardState): void {
    this.given = hardState;
  }

  /** A write that must be synced leaves with this Ready. */
  begin(lastIndex: LogIndex, snapshotIndex: LogIndex): void {
    const { term, vote, commit } = this.given;
    this.pending.push({ number: this.number, lastIndex, term, vote, commit, snapshotIndex });
  }

  /** The log was cut from `index` on: what is under way makes durable only what is before. */
  truncatedFrom(index: LogIndex): void {
    for (const write of this.pending) write.lastIndex = Math.min(write.lastIndex, index - 1);
  }

  /** All writes up to `number` are synced. undefined: there were none that had not been reported before. */
  finish(number: number): Persisted | undefined {
    let count = 0;
    let lastIndex = 0;
    let snapshotIndex = 0;
    for (const write of this.pending) {
      if (write.number > number) break;
      count++;
      lastIndex = Math.max(lastIndex, write.lastIndex);
      snapshotIndex = Math.max(snapshotIndex, write.snapshotIndex);
      this.synced = write;
    }
    if (count === 0) return undefined;
    this.pending.splice(0, count);
    return { lastIndex, snapshotIndex };
  }
}
