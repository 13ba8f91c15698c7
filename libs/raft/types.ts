// The public types of the consensus core. Message, LogEntry and SnapshotMetadata have the shape of the generated
// hexad.RaftMessage, hexad.LogEntry and hexad.RaftSnapshot, so that a host encodes them without copying.

/** A member's 64-bit id; 0n means "none". */
export type NodeId = bigint;
/** A position in the log, from 1; 0 is before the first entry. Below 2^53. */
export type LogIndex = number;
/** An election term, from 1; 0 before the first. Below 2^53. */
export type Term = number;

export const NO_NODE: NodeId = 0n;

/** Equal to hexad.LogEntryType. */
export const EntryType = { Normal: 0, Conf: 1 } as const;
export type EntryType = (typeof EntryType)[keyof typeof EntryType];

/** One log entry. Never changed after it was made: log, messages and Ready share it. */
export interface LogEntry {
  readonly term: Term;
  readonly index: LogIndex;
  readonly type: number;
  readonly data: Uint8Array;
}

/** What `propose` takes: an entry that has no place in the log yet. The core keeps `data`, it does not copy it. */
export interface ProposedEntry {
  readonly type: number;
  readonly data: Uint8Array;
}

/** Equal to hexad.RaftMessageType. */
export const MessageType = {
  Unspecified: 0,
  PreVote: 1,
  PreVoteReply: 2,
  Vote: 3,
  VoteReply: 4,
  Append: 5,
  AppendReply: 6,
  Heartbeat: 7,
  HeartbeatReply: 8,
  ReadIndex: 9,
  ReadIndexReply: 10,
  TimeoutNow: 11,
  Snapshot: 12,
} as const;
export type MessageType = (typeof MessageType)[keyof typeof MessageType];

/** Who decides. While `votersOutgoing` is not empty the configuration is joint: both groups must agree. */
export interface ConfState {
  readonly voters: readonly NodeId[];
  readonly votersOutgoing: readonly NodeId[];
  readonly learners: readonly NodeId[];
  /** Voters of the outgoing group that become learners when the joint configuration is left. */
  readonly learnersNext: readonly NodeId[];
}

/** The end of the log that a snapshot replaces, and the configuration in force there. */
export interface SnapshotMetadata extends ConfState {
  readonly index: LogIndex;
  readonly term: Term;
}

/** One message between members; which fields count depends on `type` (see messages.ts). */
export interface Message {
  type: number;
  from: NodeId;
  to: NodeId;
  term: Term;
  logTerm: Term;
  index: LogIndex;
  commit: LogIndex;
  entries: LogEntry[];
  reject: boolean;
  rejectHint: LogIndex;
  context: number;
  contextNonce: number;
  campaignTransfer: boolean;
  snapshot: SnapshotMetadata | undefined;
}

/** What must survive a restart besides the entries. */
export interface HardState {
  readonly term: Term;
  readonly vote: NodeId;
  readonly commit: LogIndex;
}

/**
 * The synced part of the log, kept by the host. The core reads it only at indexes that it was told are persisted, so the
 * host may add entries when they come in a Ready, and must have them when it calls `persisted`. Entries that a Ready
 * repeats at an old index replace everything from there on.
 */
export interface LogStorage {
  /** Index of the first entry still there (snapshot index + 1); lastIndex + 1 when there is none. */
  readonly firstIndex: LogIndex;
  readonly lastIndex: LogIndex;
  /** The term at `index`, for firstIndex − 1 ≤ index ≤ lastIndex (term(0) is 0); undefined outside. Must not need I/O. */
  term(index: LogIndex): Term | undefined;
  /**
   * Entries lo ≤ index < hi: at least one, then as many as fit into `maxBytes` of data. undefined: not in memory; the
   * call itself is the request to load them, and the host calls `entriesAvailable()` when it can answer.
   */
  entries(lo: LogIndex, hi: LogIndex, maxBytes: number): LogEntry[] | undefined;
}

export interface RaftConfig {
  readonly id: NodeId;
  /** The configuration at start, and the index of the entry (or snapshot) it comes from. */
  readonly confState: ConfState;
  readonly confIndex: LogIndex;
  /** As recovered from the WAL; `commit` may have been raised, at most to storage.lastIndex. */
  readonly hardState: HardState;
  readonly storage: LogStorage;
  /** `Ready.committed` starts after this index (at least storage.firstIndex − 1). */
  readonly applied: LogIndex;
  /** Ticks without a leader before a campaign; each wait is randomised in [electionTicks, 2 × electionTicks). */
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  /** Bounds of what is sent to one follower and not yet acknowledged. */
  readonly maxInflightMessages: number;
  readonly maxInflightBytes: number;
  /** Bytes of entry data in one append message (a single larger entry still goes). */
  readonly maxMessageBytes: number;
  /** Bytes of entry data a leader holds that are not yet committed; beyond it proposals are refused. */
  readonly maxUncommittedBytes: number;
  /** Bytes of entry data in one Ready's `committed`. */
  readonly maxCommittedBytes: number;
  readonly preVote: boolean;
  readonly checkQuorum: boolean;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** The process's random nonce below 2^52, new at each start; read contexts and heartbeat rounds carry it. */
  readonly nonce: number;
}

export type Role = 'follower' | 'pre-candidate' | 'candidate' | 'leader';

export interface SoftState {
  readonly leader: NodeId;
  readonly role: Role;
  readonly term: Term;
}

/** A confirmed read: once `index` is applied, what is read then is linearizable for the asker of `context`. */
export interface ReadState {
  readonly context: number;
  readonly index: LogIndex;
}

/** Why a proposal was not appended; only 'ok' appended anything. A batch is taken or refused as a whole. */
export type ProposeResult =
  | 'ok'
  | 'not-leader' // `raft.leader` says whom to forward to, 0n: nobody known
  | 'uncommitted-limit' // etcd's "too many requests"
  | 'transferring' // leadership is being handed over
  | 'wrong-term' // `requireTerm` is not the current term
  | 'conf-pending'; // an earlier configuration entry is not applied yet

/**
 * One batch of work for the host, made by `ready()`. The host
 * 1. sends `messages` at once,
 * 2. writes snapshot, entriesToPersist and hardState to its WAL in this order and, if `mustSync`, syncs it and then calls
 *    `persisted(number)`. Readies are written in order; several may be written by one sync, then the last number counts
 *    for all before it,
 * 3. sends `messagesAfterPersist` once every Ready up to this one that has `mustSync` is synced,
 * 4. hands `committed` to the state machine, and calls `applyConfChange` for each conf entry in it before the next `ready()`.
 */
export interface Ready {
  readonly number: number;
  /** Present when term, vote or commit changed. A change of commit alone mostly needs no sync: `mustSync` says. */
  readonly hardState: HardState | undefined;
  readonly mustSync: boolean;
  /** Contiguous; replaces everything the WAL holds from the first one's index on. */
  readonly entriesToPersist: LogEntry[];
  /** A snapshot that was accepted: the log now starts behind it. The store must already be durable at it. */
  readonly snapshot: SnapshotMetadata | undefined;
  readonly messages: Message[];
  readonly messagesAfterPersist: Message[];
  /** Committed and persisted here, contiguous, each delivered once. */
  readonly committed: LogEntry[];
  readonly readStates: ReadState[];
  /** Contexts of reads whose leadership was lost: ask again or fail. */
  readonly droppedReads: number[];
  readonly softState: SoftState | undefined;
}

export const ConfOp = { AddVoter: 0, AddLearner: 1, Remove: 2, Update: 3, Promote: 4, LeaveJoint: 5 } as const;
export type ConfOp = (typeof ConfOp)[keyof typeof ConfOp];

/** One step of a configuration entry, numbered as hexad.ConfChangeType. Several in one entry make a joint change. */
export interface ConfStep {
  readonly op: number;
  readonly node: NodeId;
}

export type ProgressState = 'probe' | 'replicate' | 'snapshot';

/** What the leader knows of a member. */
export interface ProgressView {
  readonly id: NodeId;
  readonly match: LogIndex;
  readonly next: LogIndex;
  readonly state: ProgressState;
  readonly isLearner: boolean;
  readonly recentlyActive: boolean;
}

export type TransferResult = 'ok' | 'not-leader' | 'not-a-voter' | 'already-leader';

/** The core as the host sees it. No method calls the host back; all effects come out of `ready()`. */
export interface RaftCore {
  readonly id: NodeId;
  readonly term: Term;
  readonly role: Role;
  /** The leader of this term as far as known, 0n: none. */
  readonly leader: NodeId;
  readonly commit: LogIndex;
  readonly lastIndex: LogIndex;
  /** Last index that is synced here. */
  readonly persistedIndex: LogIndex;
  readonly confState: ConfState;
  /** Index of this term's first entry when leader, else 0. Reads are served once it is committed. */
  readonly termStartIndex: LogIndex;
  /** Where leadership is being handed to, 0n: nowhere. */
  readonly transferee: NodeId;

  /** One tick of the host's clock (the heartbeat interval divided by heartbeatTicks). */
  tick(): void;
  /** Takes a message from another member. Messages not for this member or malformed ones are ignored, never thrown on. */
  step(message: Message): void;
  /** Campaigns now instead of waiting for the election timeout; nothing happens if that is not allowed. */
  campaign(): void;
  /** Appends entries as leader. `requireTerm` (not 0): only as leader of exactly this term. */
  propose(entries: readonly ProposedEntry[], requireTerm?: Term): ProposeResult;
  /** Asks for a read index; the answer comes as readStates or droppedReads. 'no-leader': nobody to ask, no answer will come. */
  readIndex(context: number): 'ok' | 'no-leader';
  /** Begins to hand leadership to a voter; given up after one election timeout. */
  transferLeader(to: NodeId): TransferResult;
  /**
   * Applies the configuration entry at `index` (no steps: an entry that was refused or changes nothing here). At or below
   * the configuration's own index it is ignored. Returns the configuration in force, to be stored with the index. A leader
   * that removes itself leads on (and takes no proposals) until a voter took over: it should not be stopped before.
   */
  applyConfChange(index: LogIndex, steps: readonly ConfStep[]): ConfState;
  /** Takes the work that has come up, undefined when there is none. */
  ready(): Ready | undefined;
  /** Everything of the Readies up to `number` is synced. */
  persisted(number: number): void;
  /** LogStorage.entries would answer now what it refused before. */
  entriesAvailable(): void;
  /** After a restart: the store shows entries up to `index`, so they were committed. False if the log disagrees. */
  raiseCommit(index: LogIndex, term: Term): boolean;
  /**
   * The host's store was replaced by one that stands at this snapshot, durably. The log then begins behind it, unless it
   * holds that entry already; entries may be delivered once `persistedIndex` has reached it. True: the log was replaced.
   */
  installSnapshot(snapshot: SnapshotMetadata): boolean;
  /** The link to a member broke: what is under way to it may be lost. */
  reportUnreachable(id: NodeId): void;
  /** The host finished or failed to stream the snapshot that a Snapshot message asked it to send. */
  reportSnapshot(id: NodeId, ok: boolean): void;
  /** What a leader knows of all members; empty when not leader. */
  progress(): ProgressView[];
}
