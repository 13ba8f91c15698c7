import {
  AUTH_PATHS,
  CLUSTER_PATHS,
  KV_PATHS,
  LEASE_PATHS,
  MAINTENANCE_PATHS,
  WATCH_PATHS,
} from '../../../proto/gen/etcdserverpb';
import { ELECTION_PATHS } from '../../../proto/gen/v3electionpb';
import { LOCK_PATHS } from '../../../proto/gen/v3lockpb';

/** URL path → method path. All are POST. RangeStream has no route, as in etcd. */
export const ROUTES: ReadonlyMap<string, string> = new Map([
  ['/v3/kv/range', KV_PATHS.Range],
  ['/v3/kv/put', KV_PATHS.Put],
  ['/v3/kv/deleterange', KV_PATHS.DeleteRange],
  ['/v3/kv/txn', KV_PATHS.Txn],
  ['/v3/kv/compaction', KV_PATHS.Compact],
  ['/v3/watch', WATCH_PATHS.Watch],
  ['/v3/lease/grant', LEASE_PATHS.LeaseGrant],
  ['/v3/lease/revoke', LEASE_PATHS.LeaseRevoke],
  ['/v3/kv/lease/revoke', LEASE_PATHS.LeaseRevoke],
  ['/v3/lease/keepalive', LEASE_PATHS.LeaseKeepAlive],
  ['/v3/lease/timetolive', LEASE_PATHS.LeaseTimeToLive],
  ['/v3/kv/lease/timetolive', LEASE_PATHS.LeaseTimeToLive],
  ['/v3/lease/leases', LEASE_PATHS.LeaseLeases],
  ['/v3/kv/lease/leases', LEASE_PATHS.LeaseLeases],
  ['/v3/cluster/member/add', CLUSTER_PATHS.MemberAdd],
  ['/v3/cluster/member/remove', CLUSTER_PATHS.MemberRemove],
  ['/v3/cluster/member/update', CLUSTER_PATHS.MemberUpdate],
  ['/v3/cluster/member/list', CLUSTER_PATHS.MemberList],
  ['/v3/cluster/member/promote', CLUSTER_PATHS.MemberPromote],
  ['/v3/maintenance/alarm', MAINTENANCE_PATHS.Alarm],
  ['/v3/maintenance/status', MAINTENANCE_PATHS.Status],
  ['/v3/maintenance/defragment', MAINTENANCE_PATHS.Defragment],
  ['/v3/maintenance/hash', MAINTENANCE_PATHS.Hash],
  ['/v3/maintenance/hashkv', MAINTENANCE_PATHS.HashKV],
  ['/v3/maintenance/snapshot', MAINTENANCE_PATHS.Snapshot],
  ['/v3/maintenance/transfer-leadership', MAINTENANCE_PATHS.MoveLeader],
  ['/v3/maintenance/downgrade', MAINTENANCE_PATHS.Downgrade],
  ['/v3/auth/enable', AUTH_PATHS.AuthEnable],
  ['/v3/auth/disable', AUTH_PATHS.AuthDisable],
  ['/v3/auth/status', AUTH_PATHS.AuthStatus],
  ['/v3/auth/authenticate', AUTH_PATHS.Authenticate],
  ['/v3/auth/user/add', AUTH_PATHS.UserAdd],
  ['/v3/auth/user/get', AUTH_PATHS.UserGet],
  ['/v3/auth/user/list', AUTH_PATHS.UserList],
  ['/v3/auth/user/delete', AUTH_PATHS.UserDelete],
  ['/v3/auth/user/changepw', AUTH_PATHS.UserChangePassword],
  ['/v3/auth/user/grant', AUTH_PATHS.UserGrantRole],
  ['/v3/auth/user/revoke', AUTH_PATHS.UserRevokeRole],
  ['/v3/auth/role/add', AUTH_PATHS.RoleAdd],
  ['/v3/auth/role/get', AUTH_PATHS.RoleGet],
  ['/v3/auth/role/list', AUTH_PATHS.RoleList],
  ['/v3/auth/role/delete', AUTH_PATHS.RoleDelete],
  ['/v3/auth/role/grant', AUTH_PATHS.RoleGrantPermission],
  ['/v3/auth/role/revoke', AUTH_PATHS.RoleRevokePermission],
  ['/v3/lock/lock', LOCK_PATHS.Lock],
  ['/v3/lock/unlock', LOCK_PATHS.Unlock],
  ['/v3/election/campaign', ELECTION_PATHS.Campaign],
  ['/v3/election/proclaim', ELECTION_PATHS.Proclaim],
  ['/v3/election/leader', ELECTION_PATHS.Leader],
  ['/v3/election/observe', ELECTION_PATHS.Observe],
  ['/v3/election/resign', ELECTION_PATHS.Resign],
]);

const LEGACY_PREFIX = '/v3beta/';

/** The path of a request's URL, without its query, legacy prefixes replaced. */
export function pathOf(url: string): string {
  const query = url.indexOf('?');
  const path = query === -1 ? url : url.slice(0, query);
  return path.startsWith(LEGACY_PREFIX) ? `/v3/${path.slice(LEGACY_PREFIX.length)}` : path;
}
