import { Errors } from '../../../libs/errors';
import type { Position, WriteHooks } from '../../../libs/mvcc';
import { type LeaseGrantRequest, writeLeaseGrantResponse } from '../../../proto/gen/etcdserverpb';
import type { LeaseCheckpoints } from '../../../proto/gen/hexad';
import type { ResponseHeaders } from '../headers';
import type { ReplicatedState } from '../state/state';
import { answered, done, refused, type ApplyOutcome } from './applier';
import type { FeedChanges } from './feed-changes';

/** Seconds; etcd's limit. */
const LEASE_TTL_MAX = 9_000_000_000;

export class LeaseExecutor implements WriteHooks {
  constructor(
    private readonly state: ReplicatedState,
    private readonly headers: ResponseHeaders,
    private readonly changes: FeedChanges,
  ) {}

  leaseExists(id: bigint): boolean {
    return this.state.leases.has(id);
  }

  /** The id and the effective TTL were chosen before the log. */
  grant(request: LeaseGrantRequest, position: Position): ApplyOutcome {
    if (request.ID === 0n) return refused(Errors.LeaseNotFound);
    if (request.TTL > LEASE_TTL_MAX) return refused(Errors.LeaseTTLTooLarge);
    if (this.state.leases.has(request.ID)) return refused(Errors.LeaseExist);
    const ttl = request.TTL < 1 ? 1 : Number(request.TTL);
    const lease = { id: request.ID, ttl, remainingTtl: 0, grantedIndex: position.index };
    this.state.leases.put(lease);
    this.changes.leaseChanged(lease);
    const body = { ID: lease.id, TTL: ttl };
    return answered(this.headers.response(writeLeaseGrantResponse, body, this.state.store.revision, position.term));
  }

  /** Deletes the attached keys in key order, all in one revision. */
  revoke(id: bigint, position: Position): ApplyOutcome {
    const { leases, store } = this.state;
    if (!leases.has(id)) return refused(Errors.LeaseNotFound);
    const keys = leases.keysOf(id);
    const made = keys.length === 0 ? undefined : store.deleteKeys(keys);
    leases.delete(id);
    this.changes.leaseRevoked(id);
    return answered(this.headers.empty(store.revision, position.term), made);
  }

  /** Leases that are gone by now are passed over. */
  checkpoint({ checkpoints }: LeaseCheckpoints): ApplyOutcome {
    for (const { id, remainingTtl } of checkpoints) {
      const lease = this.state.leases.get(id);
      if (lease === undefined) continue;
      const changed = { ...lease, remainingTtl };
      this.state.leases.put(changed);
      this.changes.leaseChanged(changed);
    }
    return done();
  }
}
