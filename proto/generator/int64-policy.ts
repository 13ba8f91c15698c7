/**
 * How each 64-bit field appears in TypeScript, in one place:
 *   bigint  an id: all 64 bits matter and nobody calculates with it;
 *   number  an internal counter; beyond 2^53 − 1 it is a WireError;
 *   mixed   a client's number: a number when safe, else a bigint (libs/wire Int64), so that comparisons stay exact.
 */
export type Int64Form = 'bigint' | 'number' | 'mixed';

const HEXAD_BIGINT_FIELDS = new Set([
  'FeedLease.id',
  'LeaseId.id',
  'LeaseRemaining.id',
  'LeaseCheckpoint.id',
  'PermissionCheck.lease',
]);

const ETCD_ID_FIELDS = new Set(['ID', 'lease', 'cluster_id', 'member_id', 'memberID', 'targetID', 'leader']);

export function int64FormOf(packageName: string, messageName: string, fieldName: string, type: string): Int64Form {
  if (packageName === 'hexad') {
    return type.includes('fixed64') || HEXAD_BIGINT_FIELDS.has(`${messageName}.${fieldName}`) ? 'bigint' : 'number';
  }
  return ETCD_ID_FIELDS.has(fieldName) ? 'bigint' : 'mixed';
}
