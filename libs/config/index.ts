export { readConfigFile } from './config-file';
export { parseDuration } from './durations';
export { FLAGS, type Flag } from './flag-table';
export {
  addEnvironment,
  ConfigError,
  environmentName,
  type FlagValues,
  parseArguments,
  UsageError,
} from './flag-values';
export { type LogFlags, logConfigOf } from './log-config';
export { memberConfig, type MemberConfig, processConfig } from './member-config';
export { clusterId, formatId, memberId, parseInitialCluster } from './membership';
export {
  type Attachable,
  type EventBusConfig,
  type InitialMember,
  type LogConfig,
  type LogRotation,
  PROCESS_NAMES,
  type ProcessConfig,
  type ProcessName,
  type TierConfig,
  type TlsFiles,
} from './process-config';
