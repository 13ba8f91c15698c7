import type { NodeSettings } from './sim-node';

/** Settings under which nothing happens by chance and no limit is met: what a test changes is what it is about. */
export const quietSettings: NodeSettings = {
  electionTicks: 3,
  heartbeatTicks: 1,
  maxInflightMessages: 4,
  maxInflightBytes: 1_000_000,
  maxMessageBytes: 1_000_000,
  maxUncommittedBytes: 1_000_000,
  maxCommittedBytes: 1_000_000,
  preVote: true,
  checkQuorum: true,
  random: () => 0,
  nonce: 1,
};
