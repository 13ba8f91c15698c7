import { authoriseLease } from '../../../libs/rbac';
import type { BatchCall, BatchPeer } from '../../../libs/rpc';
import {
  decodeLeaseTimeToLiveRequest,
  writeLeaseLeasesResponse,
  writeLeaseTimeToLiveResponse,
} from '../../../proto/gen/etcdserverpb';
import { StorageMethod } from '../../../proto/gen/hexad';
import { refusedRead, replyWith, type ReadContext, type ReadEntry } from './read-context';

export function leaseReads(context: ReadContext): ReadEntry[] {
  return [
    [StorageMethod.STORAGE_LEASE_TIME_TO_LIVE, (call, peer) => timeToLive(context, call, peer)],
    [StorageMethod.STORAGE_LEASE_LEASES, (call, peer) => leases(context, call, peer)],
  ];
}

/** The remaining TTL is known to the lease process; −1 says here that there is no such lease. */
function timeToLive(context: ReadContext, call: BatchCall, peer: BatchPeer): void {
  const { ID, keys } = decodeLeaseTimeToLiveRequest(call.payload);
  const { auth, leases: table } = context.state;
  if (keys && refusedRead(call, peer, authoriseLease(auth, call, ID, 'read', context.keysOfLease))) return;
  const lease = table.get(ID);
  const body =
    lease === undefined ? { ID, TTL: -1 } : { ID, grantedTTL: lease.ttl, keys: keys ? table.keysOf(ID) : [] };
  replyWith(context, call, peer, writeLeaseTimeToLiveResponse, body);
}

function leases(context: ReadContext, call: BatchCall, peer: BatchPeer): void {
  const { auth, leases: table } = context.state;
  const all = [...table.values()].map(({ id }) => ({ ID: id }));
  for (const { ID } of auth.enabled ? all : []) {
    if (refusedRead(call, peer, authoriseLease(auth, call, ID, 'read', context.keysOfLease))) return;
  }
  replyWith(context, call, peer, writeLeaseLeasesResponse, { leases: all });
}
