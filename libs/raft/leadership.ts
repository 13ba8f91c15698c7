import { maybeSendTimeoutNow } from './replication';
import { becomeFollower } from './roles';
import type { RaftState } from './state';
import type { NodeId, ProposeResult, ProposedEntry, Term, TransferResult } from './types';
import { EntryType, NO_NODE } from './types';

// What only a leader does: take proposals, keep its quorum under review, hand over.

/** Appends a batch as leader, or says why not; nothing is appended unless 'ok'. */
export function propose(state: RaftState, entries: readonly ProposedEntry[], requireTerm: Term): ProposeResult {
  if (requireTerm !== 0 && (!state.isLeader || state.term !== requireTerm)) return 'wrong-term';
  // A leader that was removed from the configuration finishes what is under way and takes nothing new.
  if (!state.isLeader || !state.members.selfIsVoter) return 'not-leader';
  if (state.transferee !== NO_NODE) return 'transferring';
  if (entries.length === 0) return 'ok';
  if (!mayProposeConf(state, entries)) return 'conf-pending';
  return state.maybeAppend(entries) ? 'ok' : 'uncommitted-limit';
}

/** One configuration entry at a time: the next one only after the last took effect (raft thesis, section 4.1). */
function mayProposeConf(state: RaftState, entries: readonly ProposedEntry[]): boolean {
  let count = 0;
  for (const entry of entries) if (entry.type === EntryType.Conf) count++;
  if (count === 0) return true;
  return count === 1 && state.pendingConfIndex <= state.log.delivered && state.deliveredConfIndex <= state.confIndex;
}

export function transferLeader(state: RaftState, to: NodeId): TransferResult {
  if (!state.isLeader) return 'not-leader';
  if (to === state.id) return 'already-leader';
  const progress = state.members.get(to);
  if (progress === undefined || !state.members.isVoter(to)) return 'not-a-voter';
  if (state.transferee === to) return 'ok';
  state.transferee = to;
  // The hand-over may take one election timeout from now; then proposals are taken again.
  state.electionElapsed = 0;
  maybeSendTimeoutNow(state, progress);
  return 'ok';
}

/**
 * A leader that was removed leads on, without a say and without new proposals, until a voter took over. Were it to step
 * down at once, the last other voter might hold the removal without knowing that it is committed, need this member's vote
 * for every election, and never get it against this longer log.
 */
export function retire(state: RaftState, tried: NodeId): void {
  const voters = state.members.voterPeers().sort((a, b) => b.match - a.match);
  const successor = voters.find((progress) => progress.id !== tried) ?? voters[0];
  if (successor !== undefined) transferLeader(state, successor.id);
}

/** One tick of a leader. */
export function tickLeader(state: RaftState): void {
  const { config } = state;
  state.electionElapsed++;
  state.heartbeatElapsed++;
  if (state.electionElapsed >= config.electionTicks) {
    const { transferee } = state;
    state.electionElapsed = 0;
    state.transferee = NO_NODE;
    if (config.checkQuorum && !keepsQuorum(state)) return;
    if (!state.members.selfIsVoter) retire(state, transferee);
  }
  if (state.heartbeatElapsed < config.heartbeatTicks) return;
  state.heartbeatElapsed = 0;
  state.heartbeatDue = true;
  for (const progress of state.members.peers) progress.checkOnHeartbeat = true;
}

/** Steps down if nothing came from a majority for an election timeout: another may lead by now (thesis, section 6.2). */
function keepsQuorum(state: RaftState): boolean {
  if (!state.members.quorumIsActive()) {
    becomeFollower(state, state.term, NO_NODE);
    return false;
  }
  for (const progress of state.members.peers) progress.recentlyActive = false;
  return true;
}
