import { nextConfiguration } from './configuration';
import { confirmReads } from './leader-reads';
import { maybeCommit } from './replication';
import { becomeFollower } from './roles';
import type { RaftState } from './state';
import type { ConfState, ConfStep, LogIndex } from './types';
import { MessageType, NO_NODE } from './types';

/** Puts a committed configuration entry in force, once; an illegal one changes nothing (on every member alike). */
export function applyConfChange(state: RaftState, index: LogIndex, steps: readonly ConfStep[]): ConfState {
  const { members } = state;
  if (index <= state.confIndex) return members.conf;
  state.confIndex = index;
  const conf = nextConfiguration(members.conf, steps);
  if (conf === undefined || conf === members.conf) return members.conf;
  members.change(conf, state.log.lastIndex + 1);
  if (state.isLeader) adjustLeader(state);
  return conf;
}

/** A quorum may be smaller now, the transferee gone, or the leader itself no voter any more. */
function adjustLeader(state: RaftState): void {
  maybeCommit(state);
  confirmReads(state);
  if (!state.members.isVoter(state.transferee)) state.transferee = NO_NODE;
  if (!state.members.selfIsVoter) handOverAndStepDown(state);
}

/** A removed leader names its successor, so that the others need not wait for an election timeout. */
function handOverAndStepDown(state: RaftState): void {
  const [best] = state.members.voterPeers().sort((a, b) => b.match - a.match);
  if (best !== undefined) state.outbox.send(state.message(MessageType.TimeoutNow, best.id));
  becomeFollower(state, state.term, NO_NODE);
}
