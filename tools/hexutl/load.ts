import { createHash } from 'node:crypto';
import type { EtcdFile } from '../../libs/etcd-file';
import type { BulkLoader, LoadedVersion, StoredVersion } from '../../libs/mvcc';
import {
  ALARM_VALUE,
  alarmKey,
  attachmentKey,
  attachmentValue,
  AUTH_SETTINGS_KEY,
  authSettingsRow,
  IDENTITY_KEY,
  type Identity,
  identityRow,
  idKey,
  leaseRow,
  nameKey,
  roleRow,
  userRow,
} from '../../libs/state-rows';
import { openBulkLoader, openStore } from '../../libs/store';
import { compareBytes } from '../../libs/mvcc';
import { Failure } from './failure';

export interface LoadOptions {
  /** Added to the last revision. */
  readonly bumpRevision: number;
  /** Everything up to the last revision is compacted. */
  readonly markCompacted: boolean;
  /** Whose store it becomes; undefined: a store to look at, with keys alone. */
  readonly identity: Identity | undefined;
}

export interface Loaded {
  readonly revision: number;
  readonly compactRevision: number;
}

const COMPACTION_ROWS = 10_000;

/** Makes a store in a directory that has none. Throws Failure, BoltError or EtcdFileError, and leaves what is made then. */
export async function loadStore(file: EtcdFile, directory: string, options: LoadOptions): Promise<Loaded> {
  const loader = openBulkLoader(directory);
  const leases = options.identity === undefined ? new Set<bigint>() : loadSmallTables(file, loader, options.identity);
  const last = await loadVersions(file, loader, leases);
  const { compactScheduled, compactFinished } = file.meta();
  const compacted = Math.max(compactScheduled, compactFinished);
  const revision = Math.max(1, last, compacted) + options.bumpRevision;
  if (!Number.isSafeInteger(revision)) throw new Failure(`the revision would be ${revision}, beyond 2^53 - 1`);
  const compactRevision = options.markCompacted ? revision : compacted > 0 ? compacted : -1;
  await loader.finish(revision, compactRevision);
  await compactAll(directory);
  return { revision, compactRevision };
}

/** Gives the leases' ids. */
function loadSmallTables(file: EtcdFile, loader: BulkLoader, identity: Identity): ReadonlySet<bigint> {
  loader.table('meta').put(IDENTITY_KEY, identityRow(identity));
  loader.table('auth').put(AUTH_SETTINGS_KEY, authSettingsRow(file.auth()));
  const users = loader.table('authUsers');
  for (const user of file.users()) users.put(nameKey(user.name), userRow({ ...user, roles: sortedNames(user.roles) }));
  const roles = loader.table('authRoles');
  for (const { name, permissions } of file.roles()) {
    // etcd sorts by key alone.
    const sorted = [...permissions].sort((a, b) => compareBytes(a.key, b.key) || compareBytes(a.rangeEnd, b.rangeEnd));
    roles.put(nameKey(name), roleRow({ name, permissions: sorted }));
  }
  for (const alarm of file.alarms()) loader.table('alarm').put(alarmKey(alarm), ALARM_VALUE);
  const rows = loader.table('lease');
  const ids = new Set<bigint>();
  for (const lease of file.leases()) {
    ids.add(lease.id);
    rows.put(idKey(lease.id), leaseRow({ ...lease, grantedIndex: 0 }));
  }
  return ids;
}

function sortedNames(names: readonly string[]): string[] {
  return [...new Set(names)].sort((a, b) => compareBytes(nameKey(a), nameKey(b)));
}

/** Gives the last revision, 0 without one. */
async function loadVersions(file: EtcdFile, loader: BulkLoader, leases: ReadonlySet<bigint>): Promise<number> {
  let last = 0;
  for (const version of file.versions()) {
    if (version.main > last && loader.isFull) await loader.flush();
    last = version.main;
    if ('isMarker' in version) continue;
    const previous = loader.append(version);
    if (leases.size > 0) follow(loader, leases, version, previous);
  }
  return last;
}

/** Keeps the rows that attach keys to leases as the storage process would have; unknown leases have none. */
function follow(
  loader: BulkLoader,
  leases: ReadonlySet<bigint>,
  version: LoadedVersion,
  previous: StoredVersion | undefined,
): void {
  const before = previous === undefined || previous.isDelete ? 0n : previous.lease;
  const after = version.isDelete ? 0n : version.lease;
  if (before === after) return;
  const rows = loader.table('leaseKeys');
  if (leases.has(before)) rows.delete(attachmentKey(before, version.key, sha256));
  if (leases.has(after)) rows.put(attachmentKey(after, version.key, sha256), attachmentValue(version.key));
}

function sha256(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(bytes).digest();
}

/** Deletes what is compacted, so that the store begins without work left over. */
async function compactAll(directory: string): Promise<void> {
  const store = openStore({
    directory,
    onFatal: (error) => {
      throw error;
    },
  });
  while (!store.compactSlice(COMPACTION_ROWS)) await store.flush();
  await store.close();
}
