import type { Checker } from '../cluster/observer';
import type { Applied, Truth } from '../cluster/truth';
import { latin1 } from '../cluster/truth';
import { Violation } from '../cluster/violation';
import type { World } from '../world/world';
import type { Operation } from '../workload/operation';
import { LEASE_PREFIX, leaseKey } from '../workload/lease-clients';

/** Clocks of members run up to 1 % fast or slow. */
const CLOCK_TOLERANCE = 0.02;
/** A lease is gone so long after its time at the latest, when the cluster is well: the longest extension, and the work. */
const LATE_MS = 10_000;

interface Known {
  readonly ttl: number;
  /** It may not end before, by what clients were told. */
  notBefore: number;
  /** It may have been renewed last at this time. */
  lastTouched: number;
  mayBeRevoked: boolean;
  endedAt: number | undefined;
}

/** A lease never ends before the time that its holder was promised, and ends soon after it when the cluster is well. */
export class LeaseTimes implements Checker {
  private readonly leases = new Map<string, Known>();

  constructor(
    private readonly world: World,
    private readonly truthOf: () => Truth,
  ) {}

  private get truth(): Truth {
    return this.truthOf();
  }

  invoked({ kind, lease, invokedAt }: Operation): void {
    if (lease === undefined) return;
    const key = leaseKey(lease.id);
    const known = this.leases.get(key);
    if (known === undefined) {
      const fresh = { ttl: lease.ttl, notBefore: 0, lastTouched: invokedAt, mayBeRevoked: false, endedAt: undefined };
      this.leases.set(key, fresh);
      return;
    }
    if (kind === 'revoke') known.mayBeRevoked = true;
  }

  completed({ kind, lease, outcome, invokedAt, completedAt, id }: Operation): void {
    if (lease === undefined) return;
    const known = this.leases.get(leaseKey(lease.id));
    if (known === undefined) return;
    known.lastTouched = completedAt;
    if (outcome?.kind !== 'ok' || kind === 'revoke') return;
    if (kind === 'keep-alive' && outcome.ttl === 0) {
      this.checkEnd(known, completedAt, `keep-alive ${id} found lease ${lease.id} gone`);
      return;
    }
    known.notBefore = Math.max(known.notBefore, invokedAt + lease.ttl * 1_000 * (1 - CLOCK_TOLERANCE));
    if (known.endedAt !== undefined) {
      this.checkEnd(known, known.endedAt, `lease ${lease.id} had ended before operation ${id} was told that it lives`);
    }
  }

  applied({ index, hash, made }: Applied): void {
    // Only the first member that applies it makes it so.
    if (this.truth.applied[index]?.hash !== hash) return;
    for (const { changes } of made) {
      for (const { version } of changes) {
        const key = latin1(version.key);
        if (!version.isDelete || !key.startsWith(LEASE_PREFIX)) continue;
        const known = this.leases.get(key);
        if (known === undefined || known.endedAt !== undefined) continue;
        known.endedAt = this.world.now;
        this.checkEnd(known, this.world.now, `${key} was deleted`);
      }
    }
  }

  finish(): void {
    for (const [key] of this.truth.stateAt(this.truth.revision, LEASE_PREFIX)) {
      const known = this.leases.get(key);
      if (known === undefined) continue;
      const due = known.lastTouched + known.ttl * 1_000 + LATE_MS;
      if (due >= this.world.now) continue;
      throw new Violation(
        'leases',
        `${key} should have ended at ${due.toFixed(0)} and is there at ${this.world.now.toFixed(0)}`,
      );
    }
  }

  private checkEnd(known: Known, at: number, what: string): void {
    if (known.mayBeRevoked || at >= known.notBefore) return;
    throw new Violation('leases', `${what} at ${at.toFixed(0)}, promised until ${known.notBefore.toFixed(0)}`);
  }
}
