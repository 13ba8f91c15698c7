import type { ProcessConfig } from '../../libs/config';
import type { LeaseTimingOptions } from '../../libs/lease-timing';
import {
  LEASE_CHECKPOINT_INTERVAL_MS,
  LEASE_CHECKPOINTS_PER_ENTRY_MAX,
  LEASE_REVOKES_PER_SCAN_MAX,
  requestTimeoutMs,
} from '../../libs/limits';

/** Revokes per second, as etcd's. */
const REVOKE_RATE = 1_000;

export interface LeaseConfig {
  readonly memberId: bigint;
  /** How long a keep-alive may wait for a leader, an index or a revoke. */
  readonly requestTimeoutMs: number;
  readonly timing: LeaseTimingOptions;
}

export function leaseConfig(config: ProcessConfig): LeaseConfig {
  return {
    memberId: BigInt(`0x${config.memberId}`),
    requestTimeoutMs: requestTimeoutMs(config.timing.electionMs),
    timing: {
      revokeRate: REVOKE_RATE,
      revokeBurst: LEASE_REVOKES_PER_SCAN_MAX,
      promotionExtensionMs: config.timing.electionMs,
      checkpointIntervalMs: config.leaseCheckpoint ? LEASE_CHECKPOINT_INTERVAL_MS : 0,
      checkpointsMax: LEASE_CHECKPOINTS_PER_ENTRY_MAX,
    },
  };
}
