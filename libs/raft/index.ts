// The public face of the consensus core.
export * from './types';
export { RaftInvariantError } from './invariant';
export { createMessage } from './messages';
export { createRaft, Raft } from './raft';
