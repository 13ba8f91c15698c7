import { StorageMethod } from '../../../proto/gen/hexad';
import { authReads } from './auth-reads';
import { clusterReads } from './cluster-reads';
import { keyReads } from './key-reads';
import { leaseReads } from './lease-reads';
import { maintenanceReads } from './maintenance-reads';
import type { ReadContext } from './read-context';
import type { ReadMethod } from './read-server';

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
