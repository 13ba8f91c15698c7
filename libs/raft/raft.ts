import { applyConfChange } from './conf-change';
import {
  campaignForTransfer,
  handleVoteReply,
  handleVoteRequest,
  ignoresVoteRequest,
  maybeCampaign,
  noteVoteSynced,
  tickElection,
} from './election';
import { askReadIndex, handleReadIndex, handleReadIndexReply } from './leader-reads';
import { propose, tickLeader, transferLeader } from './leadership';
import { isFromLeader, isVoteRequest } from './messages';
import { ReadyBuilder } from './ready';
import {
  advanceOwnMatch,
  handleAppend,
  handleAppendReply,
  handleHeartbeat,
  handleHeartbeatReply,
  handleSnapshot,
  heardLeader,
  installSnapshot,
} from './replication';
import { becomeFollower } from './roles';
import { RaftState } from './state';
import type {
  ConfState,
  ConfStep,
  LogIndex,
  Message,
  NodeId,
  ProgressView,
  ProposedEntry,
  ProposeResult,
  RaftConfig,
  RaftCore,
  Ready,
  Role,
  SnapshotMetadata,
  Term,
  TransferResult,
} from './types';
import { MessageType, NO_NODE } from './types';
import { validateConfig } from './validate-config';

/** Makes a core from what the WAL held at start. Throws RaftInvariantError if that does not fit together. */
export function createRaft(config: RaftConfig): RaftCore {
  return new Raft(config);
}

/** The consensus core: see RaftCore for what each method does. */
export class Raft implements RaftCore {
  private readonly state: RaftState;
  private readonly readyBuilder: ReadyBuilder;

  constructor(config: RaftConfig) {
    validateConfig(config);
    this.state = new RaftState(config);
    this.readyBuilder = new ReadyBuilder(this.state);
  }

  get id(): NodeId {
    return this.state.id;
  }
  get term(): Term {
    return this.state.term;
  }
  get role(): Role {
    return this.state.role;
  }
  get leader(): NodeId {
    return this.state.leader;
  }
  get commit(): LogIndex {
    return this.state.log.commit;
  }
  get lastIndex(): LogIndex {
    return this.state.log.lastIndex;
  }
  get persistedIndex(): LogIndex {
    return this.state.log.persistedIndex;
  }
  get confState(): ConfState {
    return this.state.members.conf;
  }
  get termStartIndex(): LogIndex {
    return this.state.termStart;
  }
  get transferee(): NodeId {
    return this.state.transferee;
  }

  tick(): void {
    if (this.state.isLeader) tickLeader(this.state);
    else tickElection(this.state);
  }

  campaign(): void {
    maybeCampaign(this.state);
  }

  propose(entries: readonly ProposedEntry[], requireTerm: Term = 0): ProposeResult {
    return propose(this.state, entries, requireTerm);
  }

  readIndex(context: number): 'ok' | 'no-leader' {
    return askReadIndex(this.state, context);
  }

  transferLeader(to: NodeId): TransferResult {
    return transferLeader(this.state, to);
  }

  applyConfChange(index: LogIndex, steps: readonly ConfStep[]): ConfState {
    return applyConfChange(this.state, index, steps);
  }

  ready(): Ready | undefined {
    const { state } = this;
    // A sole voter has nobody to wait for.
    if (state.role === 'follower' && state.members.selfIsSoleVoter) maybeCampaign(state);
    return this.readyBuilder.take();
  }

  persisted(number: number): void {
    const { state } = this;
    const done = state.persistence.finish(number);
    if (done === undefined) return;
    state.log.unstable.stableSnapshot(done.snapshotIndex);
    state.log.unstable.stableTo(done.lastIndex);
    noteVoteSynced(state);
    if (state.isLeader) advanceOwnMatch(state);
  }

  entriesAvailable(): void {
    this.state.log.waitingForEntries = false;
    for (const progress of this.state.members.peers) progress.waitingForEntries = false;
  }

  raiseCommit(index: LogIndex, term: Term): boolean {
    const { log } = this.state;
    if (index > log.lastIndex) return false;
    // Compacted entries were committed; of the others the term tells whether they are the same.
    if (index >= log.firstIndex && !log.matches(index, term)) return false;
    log.commitTo(index);
    return true;
  }

  installSnapshot(snapshot: SnapshotMetadata): boolean {
    return installSnapshot(this.state, snapshot);
  }

  reportUnreachable(id: NodeId): void {
    const progress = this.state.members.get(id);
    // Only when appends are sent ahead can some be lost unnoticed.
    if (this.state.isLeader && progress?.state === 'replicate') progress.becomeProbe();
  }

  reportSnapshot(id: NodeId, ok: boolean): void {
    const progress = this.state.members.get(id);
    if (!this.state.isLeader || progress?.state !== 'snapshot') return;
    if (!ok) progress.pendingSnapshot = 0;
    progress.becomeProbe();
    // It may have come further than is known here, by a copy whose end nobody told of: asked first, it is not sent another.
    if (!ok) progress.next = this.state.log.lastIndex + 1;
    // Its answer to the snapshot, or else the next heartbeat, starts the probing: not before, lest it loops on failures.
    progress.probePaused = true;
  }

  progress(): ProgressView[] {
    return this.state.isLeader ? [...this.state.members.all()].map((progress) => progress.view()) : [];
  }

  step(message: Message): void {
    const { state } = this;
    if (message.to !== state.id || message.from === state.id || message.from === NO_NODE) return;
    if (message.term > state.term) {
      if (ignoresVoteRequest(state, message)) return;
      this.adoptLaterTerm(message);
    } else if (message.term < state.term) {
      this.answerEarlierTerm(message);
      return;
    }
    this.dispatch(message);
  }

  /** A pre-vote and its grant speak of a term that nobody is in yet. */
  private adoptLaterTerm(message: Message): void {
    const { type, term, from } = message;
    if (type === MessageType.PreVote || (type === MessageType.PreVoteReply && !message.reject)) return;
    becomeFollower(this.state, term, isFromLeader(type) ? from : NO_NODE);
  }

  /**
   * Mostly silence. But a leader or a pre-candidate of an earlier term must be told, or it would go on for ever: with
   * pre-vote and stickiness this member does not depose it by a campaign.
   */
  private answerEarlierTerm({ type, from }: Message): void {
    const { state } = this;
    const told = isFromLeader(type) ? MessageType.AppendReply : MessageType.PreVoteReply;
    if (!isFromLeader(type) && type !== MessageType.PreVote) return;
    const reply = state.message(told, from);
    reply.reject = true;
    state.outbox.send(reply);
  }

  private dispatch(message: Message): void {
    if (isVoteRequest(message.type)) handleVoteRequest(this.state, message);
    else if (isFromLeader(message.type)) this.stepFromLeader(message);
    else this.stepOther(message);
  }

  private stepFromLeader(message: Message): void {
    heardLeader(this.state, message.from);
    if (message.type === MessageType.Append) handleAppend(this.state, message);
    else if (message.type === MessageType.Heartbeat) handleHeartbeat(this.state, message);
    else handleSnapshot(this.state, message);
  }

  private stepOther(message: Message): void {
    const { state } = this;
    switch (message.type) {
      case MessageType.AppendReply:
      case MessageType.HeartbeatReply:
        this.stepFollowerReply(message);
        break;
      case MessageType.PreVoteReply:
      case MessageType.VoteReply:
        handleVoteReply(state, message);
        break;
      case MessageType.ReadIndex:
        handleReadIndex(state, message);
        break;
      case MessageType.ReadIndexReply:
        handleReadIndexReply(state, message);
        break;
      case MessageType.TimeoutNow:
        if (state.role === 'follower' && state.leader === message.from) campaignForTransfer(state);
        break;
      default: // of a later version
    }
  }

  private stepFollowerReply(message: Message): void {
    const progress = this.state.members.get(message.from);
    if (!this.state.isLeader || progress === undefined) return;
    if (message.type === MessageType.AppendReply) handleAppendReply(this.state, progress, message);
    else handleHeartbeatReply(this.state, progress, message);
  }
}
