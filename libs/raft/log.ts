import { entryBytes } from './entry-size';
import { invariant } from './invariant';
import type { LogEntry, LogIndex, LogStorage, SnapshotMetadata, Term } from './types';
import { EntryType } from './types';
import { Unstable } from './unstable';

/** A position that two logs may share: the hint of a refused append. */
export interface LogPosition {
  readonly index: LogIndex;
  readonly term: Term;
}

/**
 * The log as one sequence: the host's synced part and the unsynced end.
 * Invariant: delivered ≤ min(commit, persistedIndex) and commit ≤ lastIndex.
 */
export class RaftLog {
  readonly unstable: Unstable;
  commit: LogIndex;
  /** Everything up to here was given out in `Ready.committed`. */
  delivered: LogIndex;
  /** Committed entries are not in memory; the host is loading them. */
  waitingForEntries = false;

  constructor(
    private readonly storage: LogStorage,
    commit: LogIndex,
    applied: LogIndex,
  ) {
    const { firstIndex, lastIndex } = storage;
    invariant(commit <= lastIndex, () => `commit ${commit} is beyond the last entry ${lastIndex}`);
    invariant(
      applied >= firstIndex - 1 && applied <= lastIndex,
      () => `applied ${applied} is outside of the log ${firstIndex}–${lastIndex}`,
    );
    this.unstable = new Unstable(lastIndex + 1);
    this.commit = Math.max(commit, applied);
    this.delivered = applied;
  }

  get firstIndex(): LogIndex {
    return this.unstable.snapshot === undefined ? this.storage.firstIndex : this.unstable.offset;
  }

  get lastIndex(): LogIndex {
    return this.unstable.lastIndex;
  }

  get lastTerm(): Term {
    return this.term(this.lastIndex) as number; // the last entry, or the snapshot before it, always has a term
  }

  /** Last index that is synced here; behind a snapshot that is not recorded yet nothing is. */
  get persistedIndex(): LogIndex {
    return this.unstable.snapshot === undefined ? this.unstable.offset - 1 : 0;
  }

  /** undefined: before the log's start (compacted) or behind its end. */
  term(index: LogIndex): Term | undefined {
    const { unstable } = this;
    if (index >= unstable.offset) return unstable.entries[index - unstable.offset]?.term;
    if (unstable.snapshot !== undefined) return index === unstable.snapshot.index ? unstable.snapshot.term : undefined;
    return this.storage.term(index);
  }

  matches(index: LogIndex, term: Term): boolean {
    return this.term(index) === term;
  }

  /** Section 5.4.1 of the raft paper: a later last term wins, then the longer log. */
  isUpToDate(lastIndex: LogIndex, lastTerm: Term): boolean {
    const own = this.lastTerm;
    return lastTerm > own || (lastTerm === own && lastIndex >= this.lastIndex);
  }

  /** Entries from lo to before hi, at least one, as many as fit; undefined: not in memory just now. */
  entries(lo: LogIndex, hi: LogIndex, maxBytes: number): LogEntry[] | undefined {
    const { unstable } = this;
    if (lo < unstable.offset) return this.storage.entries(lo, Math.min(hi, unstable.offset), maxBytes);
    const from = lo - unstable.offset;
    const to = hi - unstable.offset;
    let end = from;
    for (let bytes = 0; end < to; end++) {
      bytes += entryBytes(unstable.entries[end] as LogEntry);
      if (bytes > maxBytes && end > from) break;
    }
    return unstable.entries.slice(from, end);
  }

  append(entries: readonly LogEntry[]): void {
    this.unstable.append(entries);
  }

  /**
   * Takes a leader's entries behind (prevIndex, prevTerm), which must match. Only what conflicts is cut off: an old append
   * that comes late must not shorten the log. Returns the index up to which the log now equals the leader's.
   */
  mergeFromLeader(prevIndex: LogIndex, entries: readonly LogEntry[]): { last: LogIndex; truncatedFrom: LogIndex } {
    const last = prevIndex + entries.length;
    const known = this.countKnown(prevIndex, entries);
    if (known === entries.length) return { last, truncatedFrom: 0 };
    const from = prevIndex + known + 1;
    let truncatedFrom = 0;
    if (from <= this.lastIndex) {
      invariant(from > this.commit, () => `entry ${from} conflicts with committed entries up to ${this.commit}`);
      this.unstable.truncateFrom(from);
      truncatedFrom = from;
    }
    this.append(known === 0 ? entries : entries.slice(known));
    return { last, truncatedFrom };
  }

  private countKnown(prevIndex: LogIndex, entries: readonly LogEntry[]): number {
    if (prevIndex === this.lastIndex) return 0;
    let known = 0;
    for (const entry of entries) {
      if (entry.index > this.lastIndex || !this.matches(entry.index, entry.term)) break;
      known++;
    }
    return known;
  }

  /**
   * The highest position at or below `index` whose term is at most `term`: nothing above it can be what a log with `term`
   * at `index` holds, so a whole run of terms is skipped at once. Term 0: unknown here (compacted).
   */
  conflictHint(index: LogIndex, term: Term): LogPosition {
    for (let at = index; at > 0; at--) {
      const own = this.term(at);
      if (own === undefined) return { index: at, term: 0 };
      if (own <= term) return { index: at, term: own };
    }
    return { index: 0, term: 0 };
  }

  commitTo(index: LogIndex): void {
    if (index <= this.commit) return;
    invariant(index <= this.lastIndex, () => `commit ${index} is beyond the last entry ${this.lastIndex}`);
    this.commit = index;
  }

  restore(snapshot: SnapshotMetadata): void {
    this.unstable.restore(snapshot);
    this.commit = snapshot.index;
    this.delivered = snapshot.index;
    this.waitingForEntries = false;
  }

  /** Committed and synced, not delivered yet; marked as delivered. */
  takeCommitted(maxBytes: number): LogEntry[] {
    const hi = Math.min(this.commit, this.persistedIndex);
    if (hi <= this.delivered || this.waitingForEntries) return [];
    const entries = this.entries(this.delivered + 1, hi + 1, maxBytes);
    if (entries === undefined) {
      this.waitingForEntries = true;
      return [];
    }
    const first = entries[0];
    invariant(first?.index === this.delivered + 1, () => `entry ${this.delivered + 1} is gone before it was delivered`);
    this.delivered = (entries[entries.length - 1] as LogEntry).index;
    return entries;
  }

  get hasDeliverable(): boolean {
    return !this.waitingForEntries && Math.min(this.commit, this.persistedIndex) > this.delivered;
  }

  /**
   * Commits what configuration entries prove: a leader appends one only when it has applied the one before, so all but
   * the last are committed. A member whose record of the commit was torn off by a power cut must not count votes by a
   * configuration two steps back, since majorities of that and of the present one need not meet. False: can't be told
   * while entries are not in memory.
   */
  maybeCommitOlderConfs(maxBytes: number): boolean {
    let lastConf = 0;
    for (let lo = this.commit + 1; lo <= this.lastIndex; ) {
      const entries = this.entries(lo, this.lastIndex + 1, maxBytes);
      if (entries === undefined || entries.length === 0) return false;
      for (const entry of entries) {
        if (entry.type !== EntryType.Conf) continue;
        if (lastConf > 0) this.commitTo(lastConf);
        lastConf = entry.index;
      }
      lo += entries.length;
    }
    return true;
  }

  /** A committed configuration entry waits for delivery (or can't be ruled out while entries are not in memory). */
  hasUndeliveredConf(maxBytes: number): boolean {
    for (let lo = this.delivered + 1; lo <= this.commit; ) {
      const entries = this.entries(lo, this.commit + 1, maxBytes);
      if (entries === undefined || entries.length === 0) return true;
      for (const entry of entries) if (entry.type === EntryType.Conf) return true;
      lo += entries.length;
    }
    return false;
  }
}
