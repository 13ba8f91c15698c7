import { randomBytes } from 'node:crypto';
import type { ProcessConfig } from '../../libs/config';
import { QUOTA_BYTES_DEFAULT, type Release, RELEASE } from '../../libs/limits';
import type { Identity } from './state/ids';

export interface StorageConfig {
  readonly release: Release;
  readonly identity: Identity;
  readonly name: string;
  readonly clientUrls: readonly string[];
  readonly storeDir: string;
  /** Bytes; 0: no quota. */
  readonly quotaBytes: number;
  /** The NOSPACE alarm clears itself when there is room again. */
  readonly autoDisarm: boolean;
  /** Retention is in milliseconds or revisions, by mode; 0: off. */
  readonly compaction: { readonly mode: 'periodic' | 'revision'; readonly retention: number };
  readonly checks: ProcessConfig['checks'];
  /** Others are in the cluster, as far as the configuration says: a store that can't be opened is fetched from them. */
  readonly hasOthers: boolean;
  /** Random nonce of this process's own proposals, from 1 to below 2^52. */
  readonly origin: number;
  /** Whether results and reads tell where their time went. */
  readonly stageStamps: boolean;
}

export function storageConfig(config: ProcessConfig): StorageConfig {
  return {
    release: RELEASE,
    identity: { clusterId: BigInt(`0x${config.clusterId}`), memberId: BigInt(`0x${config.memberId}`) },
    name: config.name,
    clientUrls: config.urls.advertiseClient,
    storeDir: config.paths.storeDir,
    quotaBytes: quotaBytes(config.limits.quotaBackendBytes),
    autoDisarm: config.limits.autoDisarm,
    compaction: { mode: config.timing.autoCompactionMode, retention: config.timing.autoCompactionRetention },
    checks: config.checks,
    hasOthers: config.clusterState === 'existing' || config.initialMembers.length > 1,
    stageStamps: config.telemetry.stageStamps,
    origin: Number(BigInt.asUintN(52, randomBytes(8).readBigUInt64BE())) || 1,
  };
}

/** As etcd: 0 stands for the default, a negative value turns the quota off. */
function quotaBytes(configured: number): number {
  if (configured < 0) return 0;
  return configured === 0 ? QUOTA_BYTES_DEFAULT : configured;
}
