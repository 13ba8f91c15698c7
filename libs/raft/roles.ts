import { invariant } from './invariant';
import type { RaftState } from './state';
import type { NodeId, Term } from './types';
import { NO_NODE } from './types';

// Changes of role. follower → pre-candidate → candidate → leader; any → follower.

export function becomeFollower(state: RaftState, term: Term, leader: NodeId): void {
  reset(state, term, leader);
  state.role = 'follower';
}

/** Asks whether an election could be won, without touching term or vote, so that a cut-off member disturbs nobody. */
export function becomePreCandidate(state: RaftState): void {
  invariant(!state.isLeader, () => 'a leader does not campaign');
  reset(state, state.term, NO_NODE);
  state.role = 'pre-candidate';
}

export function becomeCandidate(state: RaftState): void {
  invariant(!state.isLeader, () => 'a leader does not campaign');
  reset(state, state.term + 1, NO_NODE);
  state.role = 'candidate';
  state.vote = state.id;
  state.ownVotePending = true;
}

export function becomeLeader(state: RaftState): void {
  invariant(state.role === 'candidate', () => `a ${state.role} can't become leader`);
  reset(state, state.term, state.id);
  state.role = 'leader';
  // Whatever the log holds behind the commit index may contain a configuration entry that is still to take effect.
  state.pendingConfIndex = state.log.lastIndex;
  state.appendTermStart();
}

function reset(state: RaftState, term: Term, leader: NodeId): void {
  if (term !== state.term) {
    invariant(term > state.term, () => `term would go back from ${state.term} to ${term}`);
    state.term = term;
    state.vote = NO_NODE;
    state.outbox.dropAcknowledgements();
    dropForwardedReads(state);
  }
  followLeader(state, leader);
  state.electionElapsed = 0;
  state.heartbeatElapsed = 0;
  state.heartbeatDue = false;
  state.drawElectionTimeout();
  state.votes.clear();
  state.ownVotePending = false;
  leaveLeadership(state);
  resetProgress(state);
}

function leaveLeadership(state: RaftState): void {
  state.termStart = 0;
  state.transferee = NO_NODE;
  state.pendingConfIndex = 0;
  state.uncommitted.clear();
  for (const read of state.reads.drop()) if (read.from === state.id) state.droppedReads.push(read.context);
}

function resetProgress(state: RaftState): void {
  const { log, members } = state;
  for (const progress of members.all()) progress.reset(log.lastIndex + 1);
  const { self } = members;
  if (self === undefined) return;
  self.match = log.persistedIndex;
  self.becomeReplicate();
  self.recentlyActive = true;
}

/** Notes who leads this term. Reads that were sent to another leader will not be answered by this one. */
export function followLeader(state: RaftState, leader: NodeId): void {
  if (state.leader === leader) return;
  state.leader = leader;
  dropForwardedReads(state);
}

function dropForwardedReads(state: RaftState): void {
  for (const context of state.forwarded.drop()) state.droppedReads.push(context);
}
