/** A lease as the replicated state has it. */
export interface GrantedLease {
  readonly id: bigint;
  /** Seconds, ≥ 1. */
  readonly ttl: number;
  /** Seconds left by the last logged checkpoint; 0: none, the full TTL counts. */
  readonly remainingTtl: number;
  /** Log index of the grant: tells two leases with the same id apart. */
  readonly grantedIndex: number;
}

export interface Checkpoint {
  readonly id: bigint;
  /** Seconds, ≥ 1. */
  readonly remainingTtl: number;
}

export type Renewal =
  | { readonly kind: 'renewed'; readonly ttl: number }
  /** A logged checkpoint would outlive the renewal: log its reset, call `checkpointReset`, then renew again. */
  | { readonly kind: 'needs-reset' }
  /** Time is over and the revoke is on its way: too late to renew. */
  | { readonly kind: 'expired' }
  | { readonly kind: 'missing' };

export interface LeaseTimingOptions {
  /** Revokes per second. */
  readonly revokeRate: number;
  /** Revokes that may come at once. */
  readonly revokeBurst: number;
  /** Milliseconds added to each lease when leadership begins: clients need that long to find the new leader. */
  readonly promotionExtensionMs: number;
  /** Milliseconds between checkpoints of a lease; 0: no checkpoints. Only leases with a longer TTL are checkpointed. */
  readonly checkpointIntervalMs: number;
  readonly checkpointsMax: number;
}
