import { invariant } from './invariant';
import type { RaftConfig } from './types';
import { NO_NODE } from './types';

/** Throws RaftInvariantError on a configuration that no host means. */
export function validateConfig(config: RaftConfig): void {
  invariant(config.id !== NO_NODE, () => 'a member has an id');
  atLeastOne(config, 'heartbeatTicks');
  atLeastOne(config, 'maxInflightMessages');
  atLeastOne(config, 'maxInflightBytes');
  atLeastOne(config, 'maxMessageBytes');
  atLeastOne(config, 'maxUncommittedBytes');
  atLeastOne(config, 'maxCommittedBytes');
  invariant(config.electionTicks > config.heartbeatTicks, () => 'an election timeout is longer than a heartbeat');
  invariant(config.confIndex <= config.storage.lastIndex, () => 'the configuration is newer than the log');
}

type Count =
  | 'heartbeatTicks'
  | 'maxInflightMessages'
  | 'maxInflightBytes'
  | 'maxMessageBytes'
  | 'maxUncommittedBytes'
  | 'maxCommittedBytes';

function atLeastOne(config: RaftConfig, name: Count): void {
  invariant(config[name] >= 1, () => `${name} is ${config[name]}, must be at least 1`);
}
