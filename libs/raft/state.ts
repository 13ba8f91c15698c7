import { entriesBytes } from './entry-size';
import { RaftLog } from './log';
import { Members } from './members';
import { createMessage } from './messages';
import { Outbox } from './outbox';
import { Persistence } from './persistence';
import { ForwardedReads, ReadQueue } from './read-index';
import type {
  LogEntry,
  LogIndex,
  Message,
  NodeId,
  ProposedEntry,
  RaftConfig,
  ReadState,
  Role,
  SnapshotMetadata,
  Term,
} from './types';
import { EntryType, NO_NODE } from './types';
import { UncommittedBytes } from './uncommitted';

const NO_DATA = new Uint8Array(0);

/** Everything a member knows. The modules of roles, election and replication are functions over it. */
export class RaftState {
  readonly id: NodeId;
  readonly log: RaftLog;
  readonly members: Members;
  readonly outbox = new Outbox();
  readonly persistence: Persistence;
  readonly reads = new ReadQueue();
  readonly forwarded: ForwardedReads;
  readonly uncommitted: UncommittedBytes;
  readonly readStates: ReadState[] = [];
  readonly droppedReads: number[] = [];
  /** Accepted and not yet given to the host for its WAL. */
  snapshotToGive: SnapshotMetadata | undefined;

  term: Term;
  vote: NodeId;
  role: Role = 'follower';
  leader: NodeId = NO_NODE;
  /** Where leadership is being handed to. */
  transferee: NodeId = NO_NODE;
  /** Index of this term's first entry while leader, else 0. */
  termStart: LogIndex = 0;

  /** Ticks since the leader was last heard (follower), the campaign began (candidate), quorum was checked (leader). */
  electionElapsed = 0;
  heartbeatElapsed = 0;
  /** Drawn anew at each change of role or term, so that split votes do not repeat. */
  electionTimeout = 0;
  heartbeatDue = false;

  /** Answers to this campaign's vote requests. */
  readonly votes = new Map<NodeId, boolean>();
  /** The own vote is being synced; it counts only then. */
  ownVotePending = false;

  /** Index of the entry that the configuration in force comes from. */
  confIndex: LogIndex;
  /** A leader takes no further configuration entry before the log is delivered up to here. */
  pendingConfIndex: LogIndex = 0;
  /** The last configuration entry that was given to the host to apply. */
  deliveredConfIndex: LogIndex = 0;

  constructor(readonly config: RaftConfig) {
    this.id = config.id;
    this.log = new RaftLog(config.storage, config.hardState.commit, config.applied);
    this.members = new Members(config.id, config, config.confState);
    this.confIndex = config.confIndex;
    this.persistence = new Persistence({ ...config.hardState, commit: this.log.commit });
    // A power cut may leave entries of a term whose own record was torn off; nobody was told of a vote in it.
    const isTorn = this.log.lastTerm > config.hardState.term;
    this.term = isTorn ? this.log.lastTerm : config.hardState.term;
    this.vote = isTorn ? NO_NODE : config.hardState.vote;
    this.forwarded = new ForwardedReads(2 * config.electionTicks);
    this.uncommitted = new UncommittedBytes(config.maxUncommittedBytes);
    this.drawElectionTimeout();
  }

  drawElectionTimeout(): void {
    const { electionTicks, random } = this.config;
    this.electionTimeout = electionTicks + Math.floor(random() * electionTicks);
  }

  get isLeader(): boolean {
    return this.role === 'leader';
  }

  /** A leader may answer reads once it knows of everything committed before its term (raft thesis, section 6.4). */
  get hasCommittedInTerm(): boolean {
    return this.termStart > 0 && this.log.commit >= this.termStart;
  }

  /** This member may become leader: it votes, and its log is not being replaced. */
  get promotable(): boolean {
    return this.members.selfIsVoter && this.log.unstable.snapshot === undefined;
  }

  /** A message of this member in its present term. */
  message(type: number, to: NodeId): Message {
    const message = createMessage(type, to);
    message.from = this.id;
    message.term = this.term;
    return message;
  }

  /** Appends as leader; false if that would exceed the bytes that may be uncommitted. */
  maybeAppend(proposed: readonly ProposedEntry[]): boolean {
    const first = this.log.lastIndex + 1;
    if (!this.uncommitted.maybeAdd(first + proposed.length - 1, entriesBytes(proposed))) return false;
    const { term } = this;
    const entries: LogEntry[] = [];
    for (const { type, data } of proposed) {
      const index = first + entries.length;
      entries.push({ term, index, type, data });
      if (type === EntryType.Conf) this.pendingConfIndex = index;
    }
    this.log.append(entries);
    return true;
  }

  /** The empty entry that begins a leader's term; it commits what earlier terms left (raft paper, section 8). */
  appendTermStart(): void {
    this.termStart = this.log.lastIndex + 1;
    this.log.append([{ term: this.term, index: this.termStart, type: EntryType.Normal, data: NO_DATA }]);
  }

  adoptSnapshot(snapshot: SnapshotMetadata): void {
    this.log.restore(snapshot);
    this.snapshotToGive = snapshot;
    const { voters, votersOutgoing, learners, learnersNext } = snapshot;
    this.members.change({ voters, votersOutgoing, learners, learnersNext }, snapshot.index + 1);
    this.confIndex = snapshot.index;
    this.deliveredConfIndex = 0;
  }
}
