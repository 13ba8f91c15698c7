import { allMembers, isJoint, isSoleVoter, isVoter } from './configuration';
import { Progress } from './progress';
import type { VoteResult } from './quorum';
import { jointVote, majorityReached, majorityVote } from './quorum';
import type { ConfState, LogIndex, NodeId, RaftConfig } from './types';

type Limits = Pick<RaftConfig, 'maxInflightMessages' | 'maxInflightBytes'>;

/** The configuration in force and what is known of each member in it. */
export class Members {
  private byId = new Map<NodeId, Progress>();
  private incoming: Progress[] = [];
  private outgoing: Progress[] = [];
  /** Everyone but this member. */
  peers: Progress[] = [];
  self: Progress | undefined;

  constructor(
    private readonly selfId: NodeId,
    private readonly limits: Limits,
    public conf: ConfState,
  ) {
    this.change(conf, 1);
  }

  /** Takes another configuration. Members new in it start with nothing known, at `next`. */
  change(conf: ConfState, next: LogIndex): void {
    const byId = new Map<NodeId, Progress>();
    for (const id of allMembers(conf)) byId.set(id, this.byId.get(id) ?? this.createProgress(id, next));
    for (const progress of byId.values()) progress.isLearner = !isVoter(conf, progress.id);
    this.conf = conf;
    this.byId = byId;
    this.incoming = this.progressOf(conf.voters);
    this.outgoing = this.progressOf(conf.votersOutgoing);
    this.self = byId.get(this.selfId);
    this.peers = [...byId.values()].filter((progress) => progress.id !== this.selfId);
  }

  private createProgress(id: NodeId, next: LogIndex): Progress {
    const progress = new Progress(id, this.limits);
    progress.next = next;
    // A member that was just added has had no chance to answer; the quorum check must not count that against the leader.
    progress.recentlyActive = true;
    return progress;
  }

  private progressOf(ids: readonly NodeId[]): Progress[] {
    return ids.map((id) => this.byId.get(id) as Progress); // every voter is a member
  }

  get(id: NodeId): Progress | undefined {
    return this.byId.get(id);
  }

  all(): IterableIterator<Progress> {
    return this.byId.values();
  }

  get selfIsVoter(): boolean {
    return isVoter(this.conf, this.selfId);
  }

  get selfIsSoleVoter(): boolean {
    return isSoleVoter(this.conf, this.selfId);
  }

  isVoter(id: NodeId): boolean {
    return isVoter(this.conf, id);
  }

  /** Voters of both groups, without this member. */
  voterPeers(): Progress[] {
    return this.peers.filter((progress) => !progress.isLearner);
  }

  /** The index that a majority (of each group) has synced. */
  matchedByQuorum(): LogIndex {
    return this.reached(readMatch);
  }

  /** The read round that a majority (of each group) has acknowledged. */
  roundByQuorum(): number {
    return this.reached(readRound);
  }

  private reached(read: (progress: Progress) => number): number {
    const incoming = majorityReached(this.incoming.map(read));
    return isJoint(this.conf) ? Math.min(incoming, majorityReached(this.outgoing.map(read))) : incoming;
  }

  /** Something came from a majority since the last check (this member counts as active). */
  quorumIsActive(): boolean {
    return this.vote((id) => id === this.selfId || this.byId.get(id)?.recentlyActive === true) === 'won';
  }

  /** Outcome of a vote; `voteOf` gives undefined for who has not answered. */
  vote(voteOf: (id: NodeId) => boolean | undefined): VoteResult {
    const { voters, votersOutgoing } = this.conf;
    return jointVote(majorityVote(voters.map(voteOf)), majorityVote(votersOutgoing.map(voteOf)));
  }
}

const readMatch = (progress: Progress): number => progress.match;
const readRound = (progress: Progress): number => progress.ackedRound;
