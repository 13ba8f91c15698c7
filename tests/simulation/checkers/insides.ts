import type { RaftCore } from '../../../libs/raft';
import type { RaftState } from '../../../libs/raft/state';

/** The state within a core: for looking at it, and for spoiling it. */
export function insides(core: RaftCore): RaftState {
  return (core as unknown as { readonly state: RaftState }).state;
}
