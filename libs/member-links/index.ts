export { type ProposalOptions, type ProposalOutcome, Proposer } from './proposer';
export { RaftStatusLink } from './raft-status-link';
export { ReadIndexer, type ReadIndexResult } from './read-indexer';
