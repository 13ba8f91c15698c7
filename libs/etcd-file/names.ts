const encoder = new TextEncoder();
const name = (text: string): Uint8Array => encoder.encode(text);

/** Buckets of an etcd database. */
export const Bucket = {
  alarm: name('alarm'),
  auth: name('auth'),
  authRoles: name('authRoles'),
  authUsers: name('authUsers'),
  cluster: name('cluster'),
  key: name('key'),
  lease: name('lease'),
  members: name('members'),
  membersRemoved: name('members_removed'),
  meta: name('meta'),
} as const;

/** Keys in `auth` and `meta`. */
export const Field = {
  authEnabled: name('authEnabled'),
  authRevision: name('authRevision'),
  confState: name('confState'),
  consistentIndex: name('consistent_index'),
  finishedCompact: name('finishedCompactRev'),
  scheduledCompact: name('scheduledCompactRev'),
  storageVersion: name('storageVersion'),
  term: name('term'),
} as const;

/**
 * The schema version that is written. 3.6 and 3.7 have the same schema, and a server refuses a version above its own, so the
 * lower one lets both start from the file; older servers don't know the field.
 */
export const STORAGE_VERSION = '3.6.0';
