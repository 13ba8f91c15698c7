export * from './types';
export { createRaft } from './raft';
