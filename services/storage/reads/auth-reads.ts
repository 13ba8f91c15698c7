import { Errors, type CatalogueError } from '../../../libs/errors';
import {
  authoriseLease,
  authoriseRead,
  authoriseRoleGet,
  authoriseRoot,
  authoriseUser,
  authoriseUserGet,
  authoriseWrite,
  PermissionType,
  ROOT_ROLE,
  type Permission,
} from '../../../libs/rbac';
import type { BatchCall, BatchPeer } from '../../../libs/rpc';
import {
  decodeAuthRoleGetRequest,
  decodeAuthUserGetRequest,
  writeAuthRoleGetResponse,
  writeAuthRoleListResponse,
  writeAuthStatusResponse,
  writeAuthUserGetResponse,
  writeAuthUserListResponse,
} from '../../../proto/gen/etcdserverpb';
import {
  decodePermissionCheck,
  decodeUserCredentialsRequest,
  encodeUserCredentials,
  PermissionKind,
  StorageMethod,
} from '../../../proto/gen/hexad';
import { refusedRead, replyWith, type ReadContext, type ReadEntry } from './read-context';

/** What etcd shows for the role root, whatever its record says. */
const ROOT_PERMISSION: Permission = {
  permType: PermissionType.READWRITE,
  key: new Uint8Array(0),
  rangeEnd: Uint8Array.of(0),
};

export function authReads(context: ReadContext): ReadEntry[] {
  return [
    [StorageMethod.STORAGE_USER_GET, (call, peer) => userGet(context, call, peer)],
    [StorageMethod.STORAGE_USER_LIST, (call, peer) => userList(context, call, peer)],
    [StorageMethod.STORAGE_ROLE_GET, (call, peer) => roleGet(context, call, peer)],
    [StorageMethod.STORAGE_ROLE_LIST, (call, peer) => roleList(context, call, peer)],
    [StorageMethod.STORAGE_CHECK_PERMISSION, (call, peer) => checkPermission(context, call, peer)],
    [StorageMethod.STORAGE_USER_CREDENTIALS, (call, peer) => credentials(context, call, peer)],
    [StorageMethod.STORAGE_AUTH_STATUS, (call, peer) => authStatus(context, call, peer)],
  ];
}

function userGet(context: ReadContext, call: BatchCall, peer: BatchPeer): void {
  const { auth } = context.state;
  const { name } = decodeAuthUserGetRequest(call.payload);
  if (refusedRead(call, peer, authoriseUserGet(auth, call, name))) return;
  const user = auth.user(name);
  if (user === undefined) peer.reply(call.id, Errors.UserNotFound.id);
  else replyWith(context, call, peer, writeAuthUserGetResponse, { roles: user.roles });
}

function userList(context: ReadContext, call: BatchCall, peer: BatchPeer): void {
  const { auth } = context.state;
  if (refusedRead(call, peer, authoriseRoot(auth, call))) return;
  replyWith(context, call, peer, writeAuthUserListResponse, { users: auth.userNames() });
}

function roleGet(context: ReadContext, call: BatchCall, peer: BatchPeer): void {
  const { auth } = context.state;
  const { role: name } = decodeAuthRoleGetRequest(call.payload);
  if (refusedRead(call, peer, authoriseRoleGet(auth, call, name))) return;
  const role = auth.role(name);
  if (role === undefined) {
    peer.reply(call.id, Errors.RoleNotFound.id);
    return;
  }
  const perm = name === ROOT_ROLE ? [ROOT_PERMISSION] : role.permissions;
  replyWith(context, call, peer, writeAuthRoleGetResponse, { perm });
}

function roleList(context: ReadContext, call: BatchCall, peer: BatchPeer): void {
  const { auth } = context.state;
  if (refusedRead(call, peer, authoriseRoot(auth, call))) return;
  replyWith(context, call, peer, writeAuthRoleListResponse, { roles: auth.roleNames() });
}

function checkPermission(context: ReadContext, call: BatchCall, peer: BatchPeer): void {
  if (refusedRead(call, peer, permissionError(context, call))) return;
  peer.reply(call.id, 0);
}

function permissionError(context: ReadContext, call: BatchCall): CatalogueError | undefined {
  const { auth } = context.state;
  const { kind, key, rangeEnd, lease } = decodePermissionCheck(call.payload);
  switch (kind) {
    case PermissionKind.PERMISSION_READ:
      return authoriseRead(auth, call, key, rangeEnd);
    case PermissionKind.PERMISSION_WRITE:
      return authoriseWrite(auth, call, key, rangeEnd);
    case PermissionKind.PERMISSION_AUTHENTICATED:
      return authoriseUser(auth, call);
    case PermissionKind.PERMISSION_LEASE_WRITE:
      return authoriseLease(auth, call, lease, 'write', context.keysOfLease);
    case PermissionKind.PERMISSION_LEASE_READ:
      return authoriseLease(auth, call, lease, 'read', context.keysOfLease);
    default:
      return authoriseRoot(auth, call);
  }
}

/** For the auth process, which checks passwords: the only way a hash leaves this process. */
function credentials({ state }: ReadContext, call: BatchCall, peer: BatchPeer): void {
  const { auth } = state;
  const user = auth.user(decodeUserCredentialsRequest(call.payload).name);
  const payload = encodeUserCredentials({
    found: user !== undefined,
    noPassword: user?.noPassword ?? false,
    passwordHash: user?.passwordHash,
    authRevision: auth.revision,
    authEnabled: auth.enabled,
  });
  peer.reply(call.id, 0, payload);
}

function authStatus(context: ReadContext, call: BatchCall, peer: BatchPeer): void {
  const { enabled, revision } = context.state.auth;
  replyWith(context, call, peer, writeAuthStatusResponse, { enabled, authRevision: revision });
}
