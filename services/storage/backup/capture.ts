import type { EtcdLease, EtcdState } from '../../../libs/etcd-file';
import type { RevisionPlace, Store, StoredVersion } from '../../../libs/mvcc';
import { limits } from '../limits';
import { Alarm } from '../state/alarms';
import type { LeaseTable } from '../state/leases';
import type { ReplicatedState } from '../state/state';

/**
 * The state as it is at the call, to be read later and as often as wanted: keys at the current revision from the store, as
 * long as compaction deletes nothing, everything else from a copy.
 */
export function captureState(state: ReplicatedState): EtcdState {
  const { store, auth, alarms, members } = state;
  const { revision, compactRevision, compactFinished, applied } = store;
  const leases = captureLeases(state.leases);
  return {
    versions: () => versionsUpTo(store, revision),
    compactRevision,
    compactFinished,
    leases: () => leases,
    auth: { enabled: auth.enabled, revision: auth.revision },
    users: store.table('authUsers').scan(),
    roles: store.table('authRoles').scan(),
    alarms: alarms.list(Alarm.NONE),
    members: members.list(),
    removedMembers: members.removedIds(),
    applied,
  };
}

/** In slices, each within one turn of the event loop. */
function* versionsUpTo(store: Store, revision: number): Generator<StoredVersion, void> {
  let from: RevisionPlace | undefined = { main: 0, sub: 0 };
  while (from !== undefined) {
    const slice = store.versionSlice(from, revision, limits.backupReadBytes);
    yield* slice.versions;
    from = slice.next;
  }
}

/** By unsigned id. A lease's record is replaced when it changes, never changed. */
function captureLeases(leases: LeaseTable): readonly EtcdLease[] {
  const ids = BigUint64Array.from([...leases.values()].map(({ id }) => BigInt.asUintN(64, id))).sort();
  return Array.from(ids, (id) => leases.get(BigInt.asIntN(64, id)) as EtcdLease);
}
