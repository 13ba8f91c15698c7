import type { BoltBucket, BoltRow } from '../bbolt';
import { compareBytes, type StoredVersion } from '../mvcc';
import type { AuthSettings } from '../rbac';
import type { MemberRecord, RaisedAlarm } from '../state-rows';
import { encodeAlarmMember } from '../../proto/gen/etcdserverpb';
import { encodeLease } from '../../proto/gen/leasepb';
import { encodeKeyValue } from '../../proto/gen/mvccpb';
import { revisionKey, uint64Field } from './fields';
import { Bucket, Field, STORAGE_VERSION } from './names';

export interface EtcdLease {
  readonly id: bigint;
  readonly ttl: number;
  /** Seconds; 0: the whole TTL. */
  readonly remainingTtl: number;
}

/** The replicated state at one applied index, as the file is to have it. Iterables are read once in each pass. */
export interface EtcdState {
  /** In order, with revisions up to the current one. */
  versions(): Iterable<Pick<StoredVersion, 'modRevision' | 'sub' | 'isDelete' | 'key' | 'kv'>>;
  /** The logged compact revision and the one up to which everything compacted is gone; below 1: none. */
  readonly compactRevision: number;
  readonly compactFinished: number;
  /** Ascending by the unsigned id. */
  leases(): Iterable<EtcdLease>;
  readonly auth: AuthSettings;
  /** Rows as stored, under the name, ascending. */
  readonly users: readonly BoltRow[];
  readonly roles: readonly BoltRow[];
  readonly alarms: readonly RaisedAlarm[];
  readonly members: readonly MemberRecord[];
  readonly removedMembers: readonly bigint[];
  readonly applied: { readonly index: number; readonly term: number };
}

const NO_BYTES = new Uint8Array(0);
const encoder = new TextEncoder();

/**
 * The buckets of an etcd database with this state. The cluster version is left out: a new cluster agrees on its own, and a
 * server older than the version found there would refuse the file.
 */
export function etcdBuckets(state: EtcdState): BoltBucket[] {
  const { alarms, members, removedMembers } = state;
  return [
    sorted(
      Bucket.alarm,
      alarms.map((alarm) => [encodeAlarmMember(alarm), NO_BYTES]),
    ),
    sorted(Bucket.auth, authRows(state.auth)),
    sorted(Bucket.authRoles, state.roles),
    sorted(Bucket.authUsers, state.users),
    sorted(Bucket.cluster, []),
    { name: Bucket.key, rows: () => keyRows(state) },
    { name: Bucket.lease, rows: () => leaseRows(state) },
    sorted(
      Bucket.members,
      members.map((member) => [idText(member.id), memberJson(member)]),
    ),
    sorted(
      Bucket.membersRemoved,
      removedMembers.map((id) => [idText(id), encoder.encode('removed')]),
    ),
    sorted(Bucket.meta, metaRows(state)),
  ];
}

/** A small bucket. */
function sorted(name: Uint8Array, rows: readonly BoltRow[]): BoltBucket {
  const ascending = [...rows].sort(([a], [b]) => compareBytes(a, b));
  return { name, rows: () => ascending };
}

function* keyRows(state: EtcdState): Generator<BoltRow, void> {
  for (const { modRevision, sub, isDelete, key, kv } of state.versions())
    yield [revisionKey(modRevision, sub, isDelete), isDelete ? encodeKeyValue({ key }) : kv];
}

function* leaseRows(state: EtcdState): Generator<BoltRow, void> {
  for (const { id, ttl, remainingTtl } of state.leases()) {
    const key = new Uint8Array(8);
    new DataView(key.buffer).setBigInt64(0, id);
    yield [key, encodeLease({ ID: id, TTL: ttl, RemainingTTL: remainingTtl })];
  }
}

function authRows({ enabled, revision }: AuthSettings): BoltRow[] {
  return [
    [Field.authEnabled, Uint8Array.of(enabled ? 1 : 0)],
    [Field.authRevision, uint64Field(revision)],
  ];
}

function metaRows(state: EtcdState): BoltRow[] {
  const { applied, compactRevision, compactFinished, members } = state;
  const rows: BoltRow[] = [
    [Field.confState, encoder.encode(confStateJson(members))],
    [Field.consistentIndex, uint64Field(applied.index)],
    [Field.storageVersion, encoder.encode(STORAGE_VERSION)],
    [Field.term, uint64Field(applied.term)],
  ];
  if (compactRevision > 0) rows.push([Field.scheduledCompact, revisionKey(compactRevision, 0)]);
  if (compactFinished > 0) rows.push([Field.finishedCompact, revisionKey(compactFinished, 0)]);
  return rows;
}

/** Ids have 64 bits, which JSON.stringify can't write as numbers. */
function confStateJson(members: readonly MemberRecord[]): string {
  const ids = (learners: boolean): string =>
    members
      .filter(({ isLearner }) => isLearner === learners)
      .map(({ id }) => BigInt.asUintN(64, id))
      .join(',');
  const learners = ids(true);
  return `{"voters":[${ids(false)}],${learners === '' ? '' : `"learners":[${learners}],`}"auto_leave":false}`;
}

function memberJson({ id, name, peerUrls, clientUrls, isLearner }: MemberRecord): Uint8Array {
  const fields = [`"id":${BigInt.asUintN(64, id)}`, `"peerURLs":${JSON.stringify(peerUrls)}`];
  if (isLearner) fields.push('"isLearner":true');
  if (name !== '') fields.push(`"name":${JSON.stringify(name)}`);
  if (clientUrls.length > 0) fields.push(`"clientURLs":${JSON.stringify(clientUrls)}`);
  return encoder.encode(`{${fields.join(',')}}`);
}

function idText(id: bigint): Uint8Array {
  return encoder.encode(BigInt.asUintN(64, id).toString(16));
}
