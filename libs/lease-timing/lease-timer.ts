import { TimeHeap } from './time-heap';
import type { Checkpoint, GrantedLease, LeaseTimingOptions, Renewal } from './types';

const MS = 1000;
/** Above this many leases a new leader spreads the expiries, at this share of the revoke rate, as etcd does. */
const SPREAD_SHARE = 0.75;
/** Heap entries of revoked leases are swept out when there are more than this, and more than leases. */
const GARBAGE_MIN = 1_024;

interface TimedLease {
  ttl: number;
  remainingTtl: number;
  grantedIndex: number;
  readonly id: bigint;
  /** Milliseconds on the host's monotonic clock. Counts only on the primary. */
  expiresAt: number;
  /** An expiry entry for this lease is in the heap; renewals leave it there and it is pushed on when it comes up. */
  queued: boolean;
  /** A revoke has been handed out and is not known to be refused. */
  revoking: boolean;
  checkpointQueued: boolean;
  gone: boolean;
}

/**
 * When leases end. Times are milliseconds of the caller's monotonic clock; nothing happens by itself. Only a primary
 * (the leader, once it has applied its term's first entry) counts time; another member just keeps the list.
 */
export class LeaseTimer {
  private readonly leases = new Map<bigint, TimedLease>();
  private readonly expiries = new TimeHeap<TimedLease>();
  private readonly checkpoints = new TimeHeap<TimedLease>();
  private primaryTerm = 0;
  private tokens: number;
  private tokensAt = 0;

  constructor(private readonly options: LeaseTimingOptions) {
    this.tokens = options.revokeBurst;
  }

  get size(): number {
    return this.leases.size;
  }

  /** The term this member is primary of; 0: it is not. */
  get term(): number {
    return this.primaryTerm;
  }

  /** Replaces the whole list. A lease that was known before keeps its time. */
  replaceAll(leases: readonly GrantedLease[], now: number): void {
    const kept = new Set<bigint>();
    for (const lease of leases) {
      kept.add(lease.id);
      this.granted(lease, now);
    }
    for (const id of this.leases.keys()) if (!kept.has(id)) this.revoked(id);
  }

  /** A lease was granted, or a checkpoint changed its remaining TTL. */
  granted(lease: GrantedLease, now: number): void {
    const known = this.leases.get(lease.id);
    if (known !== undefined && known.grantedIndex === lease.grantedIndex) {
      known.remainingTtl = lease.remainingTtl;
      return;
    }
    if (known !== undefined) this.revoked(lease.id);
    const timed: TimedLease = {
      ...lease,
      expiresAt: 0,
      queued: false,
      revoking: false,
      checkpointQueued: false,
      gone: false,
    };
    this.leases.set(lease.id, timed);
    if (this.primaryTerm > 0) this.start(timed, now, 0);
  }

  revoked(id: bigint): void {
    const lease = this.leases.get(id);
    if (lease === undefined) return;
    lease.gone = true;
    this.leases.delete(id);
    this.sweep();
  }

  has(id: bigint): boolean {
    return this.leases.has(id);
  }

  /** This member now leads `term`: every lease gets its full (or checkpointed) time again. */
  promote(term: number, now: number): void {
    this.primaryTerm = term;
    this.expiries.clear();
    this.checkpoints.clear();
    for (const lease of this.leases.values()) {
      lease.queued = false;
      lease.checkpointQueued = false;
      lease.revoking = false;
      this.start(lease, now, this.options.promotionExtensionMs);
    }
    if (this.leases.size > this.options.revokeRate) this.spread();
  }

  demote(): void {
    this.primaryTerm = 0;
  }

  /** Starts the lease's time anew. Only on the primary. */
  renew(id: bigint, now: number): Renewal {
    const lease = this.leases.get(id);
    if (lease === undefined) return { kind: 'missing' };
    if (lease.revoking || lease.expiresAt <= now) return { kind: 'expired' };
    if (lease.remainingTtl > 0) return { kind: 'needs-reset' };
    lease.expiresAt = now + lease.ttl * MS;
    this.queueCheckpoint(lease, now);
    return { kind: 'renewed', ttl: lease.ttl };
  }

  /** The reset of the lease's checkpoint is in the log. */
  checkpointReset(id: bigint): void {
    const lease = this.leases.get(id);
    if (lease !== undefined) lease.remainingTtl = 0;
  }

  /** Whole seconds left, and the TTL granted; undefined: no such lease. */
  remaining(id: bigint, now: number): { ttl: number; grantedTtl: number } | undefined {
    const lease = this.leases.get(id);
    if (lease === undefined) return undefined;
    const left = lease.revoking ? 0 : Math.max(0, lease.expiresAt - now);
    return { ttl: Math.floor(left / MS), grantedTtl: lease.ttl };
  }

  /** Leases whose time is over and whose revoke is to be proposed now, as many as the rate allows; each only once. */
  takeExpired(now: number): bigint[] {
    if (this.primaryTerm === 0) return [];
    this.refill(now);
    const expired: bigint[] = [];
    while (this.tokens >= 1) {
      const lease = this.expiries.popDue(now);
      if (lease === undefined) break;
      if (lease.gone) continue;
      lease.queued = false;
      if (lease.expiresAt > now) {
        this.queueExpiry(lease); // renewed since
        continue;
      }
      lease.revoking = true;
      this.tokens -= 1;
      expired.push(lease.id);
    }
    return expired;
  }

  /** The revoke handed out for `id` is known not to be in the log: it is handed out again. */
  revokeRefused(id: bigint): void {
    const lease = this.leases.get(id);
    if (lease === undefined || !lease.revoking) return;
    lease.revoking = false;
    this.queueExpiry(lease);
  }

  /** Checkpoints to be proposed now. */
  takeCheckpoints(now: number): Checkpoint[] {
    const due: Checkpoint[] = [];
    if (this.primaryTerm === 0) return due;
    while (due.length < this.options.checkpointsMax) {
      const lease = this.checkpoints.popDue(now);
      if (lease === undefined) break;
      if (lease.gone) continue;
      lease.checkpointQueued = false;
      if (lease.expiresAt <= now) continue;
      const remainingTtl = Math.ceil((lease.expiresAt - now) / MS);
      this.queueCheckpoint(lease, now);
      if (remainingTtl < lease.ttl) due.push({ id: lease.id, remainingTtl });
    }
    return due;
  }

  /** When `takeExpired` or `takeCheckpoints` may next have something; infinity: not before something changes. */
  nextDue(now: number): number {
    if (this.primaryTerm === 0) return Number.POSITIVE_INFINITY;
    const expiry = this.expiries.earliest;
    this.refill(now);
    const allowed = this.tokens >= 1 ? expiry : Math.max(expiry, now + (1 - this.tokens) * this.msPerToken);
    return Math.min(allowed, this.checkpoints.earliest);
  }

  private get msPerToken(): number {
    return MS / this.options.revokeRate;
  }

  private start(lease: TimedLease, now: number, extensionMs: number): void {
    const seconds = lease.remainingTtl > 0 ? lease.remainingTtl : lease.ttl;
    lease.expiresAt = now + seconds * MS + extensionMs;
    this.queueExpiry(lease);
    this.queueCheckpoint(lease, now);
  }

  private queueExpiry(lease: TimedLease): void {
    if (lease.queued) return;
    lease.queued = true;
    this.expiries.push(lease.expiresAt, lease);
  }

  private queueCheckpoint(lease: TimedLease, now: number): void {
    const interval = this.options.checkpointIntervalMs;
    if (interval === 0 || lease.checkpointQueued || lease.expiresAt - now <= interval) return;
    lease.checkpointQueued = true;
    this.checkpoints.push(now + interval, lease);
  }

  /** Leases that are revoked long before their time must not pile up in the heaps. */
  private sweep(): void {
    const limit = Math.max(GARBAGE_MIN, 2 * this.leases.size);
    if (this.expiries.size > limit) this.expiries.retain((lease) => !lease.gone);
    if (this.checkpoints.size > limit) this.checkpoints.retain((lease) => !lease.gone);
  }

  private refill(now: number): void {
    const { revokeBurst } = this.options;
    this.tokens = Math.min(revokeBurst, this.tokens + Math.max(0, now - this.tokensAt) / this.msPerToken);
    this.tokensAt = now;
  }

  /** Keeps many leases of equal TTL from ending in the same moment: a least distance between neighbours. */
  private spread(): void {
    const step = MS / (this.options.revokeRate * SPREAD_SHARE);
    const ordered = [...this.leases.values()].sort((a, b) => a.expiresAt - b.expiresAt);
    let earliest = 0;
    this.expiries.clear();
    for (const lease of ordered) {
      lease.expiresAt = Math.max(lease.expiresAt, earliest);
      earliest = lease.expiresAt + step;
      lease.queued = false;
      this.queueExpiry(lease);
    }
  }
}
