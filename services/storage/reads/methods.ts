import { StorageMethod } from '../../../proto/gen/hexad';
import type { Condition } from '../condition';
import { authReads } from './auth-reads';
import { clusterReads } from './cluster-reads';
import { keyReads } from './key-reads';
import { leaseReads } from './lease-reads';
import { maintenanceReads } from './maintenance-reads';
import type { ReadContext } from './read-context';
import type { ReadMethod } from './read-server';

const ALWAYS = new Set<number>([StorageMethod.STORAGE_STATUS]);
/** What does not come from the keys, and what tells how they differ. */
const OUT_OF_SERVICE = new Set<number>([
  StorageMethod.STORAGE_STATUS,
  StorageMethod.STORAGE_ALARM_GET,
  StorageMethod.STORAGE_DOWNGRADE_VALIDATE,
  StorageMethod.STORAGE_HASH,
  StorageMethod.STORAGE_HASH_KV,
  StorageMethod.STORAGE_MEMBER_LIST,
  StorageMethod.STORAGE_CHECK_PERMISSION,
  StorageMethod.STORAGE_USER_CREDENTIALS,
  StorageMethod.STORAGE_AUTH_STATUS,
]);

/** Whether a member answers the method in this condition; what it does not is refused as in a corrupt cluster. */
export function answersWhen(condition: Condition, method: number): boolean {
  if (condition === 'sound') return true;
  return (condition === 'damaged' ? ALWAYS : OUT_OF_SERVICE).has(method);
}

/** Every StorageMethod. */
export function createReadMethods(context: ReadContext): ReadonlyMap<number, ReadMethod> {
  return new Map<number, ReadMethod>([
    [StorageMethod.STORAGE_BARRIER, (call, peer) => peer.reply(call.id, 0)],
    ...keyReads(context),
    ...leaseReads(context),
    ...authReads(context),
    ...clusterReads(context),
    ...maintenanceReads(context),
  ]);
}
