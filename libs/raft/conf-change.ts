import { nextConfiguration } from './configuration';
import { confirmReads } from './leader-reads';
import { retire } from './leadership';
import { maybeCommit } from './replication';
import type { RaftState } from './state';
import type { ConfState, ConfStep, LogIndex } from './types';
import { NO_NODE } from './types';

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
  if (!state.members.selfIsVoter) retire(state, NO_NODE);
}
