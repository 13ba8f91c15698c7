import type { BoltEntry, BoltFile } from '../bbolt';
import type { LoadedVersion } from '../mvcc';
import type { AuthSettings, RoleRecord, UserRecord } from '../rbac';
import { isStorableName, type RaisedAlarm, roleOf, userOf } from '../state-rows';
import { WireError } from '../wire';
import { decodeAlarmMember } from '../../proto/gen/etcdserverpb';
import { decodeLease } from '../../proto/gen/leasepb';
import { decodeKeyValue } from '../../proto/gen/mvccpb';
import { EtcdFileError } from './errors';
import { hex, revisionOf, safe, uint64Of } from './fields';
import { Bucket, Field } from './names';
import type { EtcdLease } from './write';

/** A row of bucket `key`. A marker is a revision without a key, as etcdutl's --bump-revision leaves it. */
export type EtcdVersion = LoadedVersion | { readonly main: number; readonly sub: number; readonly isMarker: true };

export interface EtcdMeta {
  readonly compactScheduled: number;
  readonly compactFinished: number;
  /** Empty before etcd 3.6. */
  readonly storageVersion: string;
}

const NO_BYTES = new Uint8Array(0);
const decoder = new TextDecoder();

/** What an etcd database holds, row by row. Throws BoltError for damage and EtcdFileError for what etcd would not write. */
export class EtcdFile {
  constructor(private readonly file: BoltFile) {}

  /** Throws when this is a database of something else. */
  checkIsEtcd(): void {
    const names = new Set([...this.file.buckets()].map(({ key }) => decoder.decode(key)));
    for (const name of ['key', 'meta'])
      if (!names.has(name)) throw new EtcdFileError(`this is no database of etcd: it has no bucket "${name}"`);
  }

  /** In order of revision. */
  *versions(): Generator<EtcdVersion, void> {
    for (const { key, value } of this.rows(Bucket.key)) yield versionOf(key, value);
  }

  *leases(): Generator<EtcdLease, void> {
    for (const { key, value } of this.rows(Bucket.lease)) {
      const where = `lease ${hex(key)}`;
      const { ID, TTL, RemainingTTL } = decoded(where, () => decodeLease(value));
      if (key.length !== 8 || viewOf(key).getBigInt64(0) !== BigInt.asIntN(64, ID))
        throw new EtcdFileError(`${where} is stored under another id than its own`);
      // A checkpoint below zero is that of a lease that has expired and is still to be revoked.
      const remaining = RemainingTTL < 0 ? 0 : RemainingTTL;
      yield { id: BigInt.asIntN(64, ID), ttl: safe(TTL, `the TTL of ${where}`), remainingTtl: safe(remaining, where) };
    }
  }

  /** The newest user record of each name. */
  users(): UserRecord[] {
    return [...this.rows(Bucket.authUsers)].map(({ key, value }) => {
      const user = decoded(`user ${hex(key)}`, () => userOf(value));
      checkName('user', user.name, key);
      return user;
    });
  }

  roles(): RoleRecord[] {
    return [...this.rows(Bucket.authRoles)].map(({ key, value }) => {
      const role = decoded(`role ${hex(key)}`, () => roleOf(value));
      checkName('role', role.name, key);
      return role;
    });
  }

  /** As etcd begins when there is nothing. */
  auth(): AuthSettings {
    const fields = this.fields(Bucket.auth);
    const revision = fields(Field.authRevision);
    const where = 'authRevision';
    return {
      enabled: fields(Field.authEnabled)?.[0] === 1,
      revision: revision === undefined ? 1 : Math.max(1, safe(uint64Of(revision, where), where)),
    };
  }

  alarms(): RaisedAlarm[] {
    return [...this.rows(Bucket.alarm)].map(({ key }) => {
      const { memberID, alarm } = decoded(`alarm ${hex(key)}`, () => decodeAlarmMember(key));
      return { memberID: BigInt.asUintN(64, memberID), alarm };
    });
  }

  meta(): EtcdMeta {
    const fields = this.fields(Bucket.meta);
    const revision = (name: string, key: Uint8Array): number => {
      const value = fields(key);
      return value === undefined ? 0 : revisionOf(value, name).main;
    };
    return {
      compactScheduled: revision('scheduledCompactRev', Field.scheduledCompact),
      compactFinished: revision('finishedCompactRev', Field.finishedCompact),
      storageVersion: decoder.decode(fields(Field.storageVersion) ?? NO_BYTES),
    };
  }

  private *rows(name: Uint8Array): Generator<BoltEntry, void> {
    for (const row of this.file.rows(name)) {
      if (row.isBucket) throw new EtcdFileError(`bucket "${decoder.decode(name)}" holds a bucket`);
      yield row;
    }
  }

  /** A small bucket's values by key. */
  private fields(name: Uint8Array): (key: Uint8Array) => Uint8Array | undefined {
    const values = new Map([...this.rows(name)].map(({ key, value }) => [decoder.decode(key), value]));
    return (key) => values.get(decoder.decode(key));
  }
}

/** Reads a row of bucket `key`. Throws EtcdFileError. */
export function versionOf(rowKey: Uint8Array, value: Uint8Array): EtcdVersion {
  const place = revisionOf(rowKey, 'a key of bucket "key"');
  const where = `revision ${place.main}.${place.sub}`;
  if (place.main < 2) throw new EtcdFileError(`${where}: revisions begin at 2`);
  const kv = decoded(where, () => decodeKeyValue(value));
  if (kv.key.length === 0) return { main: place.main, sub: place.sub, isMarker: true };
  if (place.isDelete) {
    return { ...place, key: kv.key, value: NO_BYTES, lease: 0n, createRevision: 0, version: 0 };
  }
  const createRevision = safe(kv.createRevision, `the create revision of ${where}`);
  const version = safe(kv.version, `the version of ${where}`);
  if (kv.modRevision !== place.main) throw new EtcdFileError(`${where} holds a key of revision ${kv.modRevision}`);
  if (createRevision < 1 || createRevision > place.main || version < 1)
    throw new EtcdFileError(`${where} holds a key with create revision ${createRevision} and version ${version}`);
  return { ...place, key: kv.key, value: kv.value, lease: BigInt.asIntN(64, kv.lease), createRevision, version };
}

function checkName(what: string, name: string, key: Uint8Array): void {
  if (name !== decoder.decode(key))
    throw new EtcdFileError(`${what} "${name}" is stored under another name: ${hex(key)}`);
  if (!isStorableName(name))
    throw new EtcdFileError(`the name of ${what} "${name.slice(0, 40)}…" is too long for this store`);
}

function decoded<T>(where: string, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if (error instanceof WireError) throw new EtcdFileError(`${where} can't be decoded: ${error.message}`);
    throw error;
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
