import type { LogEntry, RaftCore } from '../../../libs/raft';
import type { Store } from '../../../libs/mvcc';
import type { Wal } from '../../../libs/wal';
import type { Operation } from '../workload/operation';
import type { Applied } from './truth';

/** A raft process that has just been started, before it does anything. */
export interface RaftStarted {
  readonly member: string;
  readonly core: RaftCore;
  readonly wal: Wal;
}

/** What is left of a member. */
export interface MemberState {
  readonly name: string;
  readonly core: RaftCore | undefined;
  readonly store: Store | undefined;
}

/** What checkers are told. All that comes from a member comes from one that is alive. */
export interface Checker {
  raftStarted?(started: RaftStarted): void;
  elected?(member: string, core: RaftCore): void;
  /** Committed and synced there: about to be applied. */
  delivered?(member: string, entry: LogEntry): void;
  /** Handed to the WAL. */
  appended?(member: string, entries: readonly LogEntry[]): void;
  /** A snapshot has taken the place of the member's log. */
  logReplaced?(member: string): void;
  storeOpened?(member: string, store: Store): void;
  applied?(applied: Applied): void;
  invoked?(operation: Operation): void;
  completed?(operation: Operation): void;
  /** One of its processes is gone. */
  processEnded?(member: MemberState): void;
  /** Once in a while. */
  inspect?(): void;
  /** Everything is healed and has come to rest. */
  finish?(): void;
}

/** Hands everything to each checker, in a fixed order. */
export class Observer implements Required<Checker> {
  constructor(private readonly checkers: readonly Checker[]) {}

  raftStarted(started: RaftStarted): void {
    for (const checker of this.checkers) checker.raftStarted?.(started);
  }
  elected(member: string, core: RaftCore): void {
    for (const checker of this.checkers) checker.elected?.(member, core);
  }
  delivered(member: string, entry: LogEntry): void {
    for (const checker of this.checkers) checker.delivered?.(member, entry);
  }
  appended(member: string, entries: readonly LogEntry[]): void {
    for (const checker of this.checkers) checker.appended?.(member, entries);
  }
  logReplaced(member: string): void {
    for (const checker of this.checkers) checker.logReplaced?.(member);
  }
  storeOpened(member: string, store: Store): void {
    for (const checker of this.checkers) checker.storeOpened?.(member, store);
  }
  applied(applied: Applied): void {
    for (const checker of this.checkers) checker.applied?.(applied);
  }
  invoked(operation: Operation): void {
    for (const checker of this.checkers) checker.invoked?.(operation);
  }
  completed(operation: Operation): void {
    for (const checker of this.checkers) checker.completed?.(operation);
  }
  processEnded(member: MemberState): void {
    for (const checker of this.checkers) checker.processEnded?.(member);
  }
  inspect(): void {
    for (const checker of this.checkers) checker.inspect?.();
  }
  finish(): void {
    for (const checker of this.checkers) checker.finish?.();
  }
}
