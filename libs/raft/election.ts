import { isVoteRequest } from './messages';
import { becomeCandidate, becomeFollower, becomeLeader, becomePreCandidate, followLeader } from './roles';
import type { RaftState } from './state';
import type { Message, NodeId } from './types';
import { MessageType, NO_NODE } from './types';

// Campaigns and votes (raft paper, section 5.2; pre-vote and stickiness: raft thesis, sections 9.6 and 4.2.3).

export type CampaignKind = 'pre-vote' | 'vote' | 'transfer';

/** A campaign of the usual kind, unless this member may not lead or a configuration change is still to take effect. */
export function maybeCampaign(state: RaftState): boolean {
  if (!mayCampaign(state)) return false;
  campaign(state, state.config.preVote ? 'pre-vote' : 'vote');
  return true;
}

/** The leader told this member to take over: no pre-vote, and voters need not wait for their election timeout. */
export function campaignForTransfer(state: RaftState): void {
  if (mayCampaign(state)) campaign(state, 'transfer');
}

function mayCampaign(state: RaftState): boolean {
  if (state.isLeader || !state.promotable) return false;
  // With a committed change not yet in force, votes would be counted among the wrong members.
  const bytes = state.config.maxCommittedBytes;
  return state.log.maybeCommitOlderConfs(bytes) && !state.log.hasUndeliveredConf(bytes);
}

function campaign(state: RaftState, kind: CampaignKind): void {
  if (kind === 'pre-vote') {
    becomePreCandidate(state);
    state.votes.set(state.id, true);
    if (state.members.selfIsSoleVoter) {
      campaign(state, 'vote');
      return;
    }
  } else {
    becomeCandidate(state); // the own vote counts once it is synced
  }
  askForVotes(state, kind);
}

function askForVotes(state: RaftState, kind: CampaignKind): void {
  const type = kind === 'pre-vote' ? MessageType.PreVote : MessageType.Vote;
  for (const { id } of state.members.voterPeers()) {
    const message = state.message(type, id);
    message.term = kind === 'pre-vote' ? state.term + 1 : state.term;
    message.index = state.log.lastIndex;
    message.logTerm = state.log.lastTerm;
    message.campaignTransfer = kind === 'transfer';
    state.outbox.send(message);
  }
}

/** The own vote is synced if term and vote still are what was synced. */
export function noteVoteSynced(state: RaftState): void {
  if (!state.ownVotePending || !state.persistence.isVoteSynced(state.term, state.id)) return;
  state.ownVotePending = false;
  recordVote(state, state.id, true);
}

/** An answer to this campaign; the first one of a member counts. */
export function recordVote(state: RaftState, from: NodeId, granted: boolean): void {
  if (!state.votes.has(from)) state.votes.set(from, granted);
  const result = state.members.vote((id) => state.votes.get(id));
  if (result === 'lost') becomeFollower(state, state.term, NO_NODE);
  if (result !== 'won') return;
  if (state.role === 'pre-candidate') campaign(state, 'vote');
  else becomeLeader(state);
}

export function handleVoteReply(state: RaftState, message: Message): void {
  if (message.reject) learnCommit(state, message);
  const expected = state.role === 'pre-candidate' ? MessageType.PreVoteReply : MessageType.VoteReply;
  const campaigning = state.role === 'pre-candidate' || state.role === 'candidate';
  if (campaigning && message.type === expected) recordVote(state, message.from, !message.reject);
}

/**
 * While a leader was heard within the election timeout, requests for votes are not even looked at: a member that a
 * configuration change removed, or that comes back, must not depose a working leader.
 */
export function ignoresVoteRequest(state: RaftState, message: Message): boolean {
  if (!isVoteRequest(message.type) || message.campaignTransfer || !state.config.checkQuorum) return false;
  return state.leader !== NO_NODE && state.electionElapsed < state.config.electionTicks;
}

/** A request for a vote, at this member's term or (pre-vote) a later one. */
export function handleVoteRequest(state: RaftState, message: Message): void {
  const isPreVote = message.type === MessageType.PreVote;
  const free = state.vote === NO_NODE && state.leader === NO_NODE;
  const mayVote = state.vote === message.from || free || (isPreVote && message.term > state.term);
  const granted = mayVote && state.log.isUpToDate(message.index, message.logTerm);
  const reply = state.message(isPreVote ? MessageType.PreVoteReply : MessageType.VoteReply, message.from);
  reply.reject = !granted;
  if (!granted) tellCommit(state, message, reply);
  if (isPreVote) {
    // In the term asked for, or the asker's own: an asker whose term is ahead must not take the answer as stale.
    reply.term = granted ? message.term : Math.max(state.term, message.term - 1);
    state.outbox.send(reply);
    if (granted) yieldTo(state, message.from);
    return;
  }
  if (granted) {
    state.electionElapsed = 0;
    state.vote = message.from;
  }
  state.outbox.sendAfterPersist(reply);
}

/**
 * A refusal tells the candidate what it holds and does not know to be committed. It may be the removal of this very member,
 * whose vote it would else need for ever and never get against a longer log.
 */
function tellCommit({ log }: RaftState, request: Message, reply: Message): void {
  const index = Math.min(log.commit, request.index);
  const term = log.term(index);
  if (term === undefined) return;
  reply.index = index;
  reply.logTerm = term;
}

/** Committed is committed, whoever says so: an entry with this index and term is the same in every log. */
function learnCommit({ log }: RaftState, refusal: Message): void {
  if (refusal.index > log.commit && log.matches(refusal.index, refusal.logTerm)) log.commitTo(refusal.index);
}

/**
 * Of two members that ask at the same moment the one with the lower id gives way. Otherwise both would be granted, both
 * would campaign, and with one more member down neither could win before the next timeout.
 */
function yieldTo(state: RaftState, rival: NodeId): void {
  if (state.role === 'pre-candidate' && rival > state.id) becomeFollower(state, state.term, NO_NODE);
}

/** One tick of a member that does not lead. */
export function tickElection(state: RaftState): void {
  state.electionElapsed++;
  for (const context of state.forwarded.tick()) state.droppedReads.push(context);
  if (state.electionElapsed < state.electionTimeout) return;
  if (maybeCampaign(state) || state.promotable) return;
  // A member that can't campaign (a learner) must at least not send reads to a leader that is gone.
  state.electionElapsed = 0;
  followLeader(state, NO_NODE);
}
