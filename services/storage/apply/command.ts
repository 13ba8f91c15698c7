import * as etcd from '../../../proto/gen/etcdserverpb';
import * as hexad from '../../../proto/gen/hexad';
import { EntryKind } from '../../../proto/gen/hexad';

/** A normal entry with its request decoded. */
export type Command = { readonly entry: hexad.Entry } & CommandRequest;

export type CommandRequest =
  | { readonly kind: typeof EntryKind.ENTRY_NOOP }
  | { readonly kind: typeof EntryKind.ENTRY_PUT; readonly request: etcd.PutRequest }
  | { readonly kind: typeof EntryKind.ENTRY_DELETE_RANGE; readonly request: etcd.DeleteRangeRequest }
  | { readonly kind: typeof EntryKind.ENTRY_TXN; readonly request: etcd.TxnRequest }
  | { readonly kind: typeof EntryKind.ENTRY_COMPACTION; readonly request: etcd.CompactionRequest }
  | { readonly kind: typeof EntryKind.ENTRY_LEASE_GRANT; readonly request: etcd.LeaseGrantRequest }
  | { readonly kind: typeof EntryKind.ENTRY_LEASE_REVOKE; readonly request: etcd.LeaseRevokeRequest }
  | { readonly kind: typeof EntryKind.ENTRY_LEASE_CHECKPOINT; readonly request: hexad.LeaseCheckpoints }
  | { readonly kind: typeof EntryKind.ENTRY_ALARM; readonly request: etcd.AlarmRequest }
  | AuthCommandRequest
  | { readonly kind: typeof EntryKind.ENTRY_TOKEN_ASSIGN; readonly request: hexad.TokenAssign }
  | { readonly kind: typeof EntryKind.ENTRY_MEMBER_ATTRIBUTES; readonly request: hexad.MemberAttributes }
  | { readonly kind: typeof EntryKind.ENTRY_CLUSTER_VERSION; readonly request: hexad.ClusterVersion }
  | { readonly kind: typeof EntryKind.ENTRY_DOWNGRADE; readonly request: etcd.DowngradeRequest };

export type AuthCommandRequest =
  | { readonly kind: typeof EntryKind.ENTRY_AUTH_ENABLE }
  | { readonly kind: typeof EntryKind.ENTRY_AUTH_DISABLE }
  | { readonly kind: typeof EntryKind.ENTRY_USER_ADD; readonly request: etcd.AuthUserAddRequest }
  | { readonly kind: typeof EntryKind.ENTRY_USER_DELETE; readonly request: etcd.AuthUserDeleteRequest }
  | { readonly kind: typeof EntryKind.ENTRY_USER_CHANGE_PASSWORD; readonly request: etcd.AuthUserChangePasswordRequest }
  | { readonly kind: typeof EntryKind.ENTRY_USER_GRANT_ROLE; readonly request: etcd.AuthUserGrantRoleRequest }
  | { readonly kind: typeof EntryKind.ENTRY_USER_REVOKE_ROLE; readonly request: etcd.AuthUserRevokeRoleRequest }
  | { readonly kind: typeof EntryKind.ENTRY_ROLE_ADD; readonly request: etcd.AuthRoleAddRequest }
  | { readonly kind: typeof EntryKind.ENTRY_ROLE_DELETE; readonly request: etcd.AuthRoleDeleteRequest }
  | {
      readonly kind: typeof EntryKind.ENTRY_ROLE_GRANT_PERMISSION;
      readonly request: etcd.AuthRoleGrantPermissionRequest;
    }
  | {
      readonly kind: typeof EntryKind.ENTRY_ROLE_REVOKE_PERMISSION;
      readonly request: etcd.AuthRoleRevokePermissionRequest;
    };

/**
 * Decodes the body of an entry. `undefined`: a kind that this version does not know.
 * @throws WireError when the bytes are not the request they should be
 */
export function decodeCommand(entry: hexad.Entry): Command | undefined {
  const { body } = entry;
  switch (entry.kind) {
    case EntryKind.ENTRY_PUT:
      return { kind: EntryKind.ENTRY_PUT, entry, request: etcd.decodePutRequest(body) };
    case EntryKind.ENTRY_DELETE_RANGE:
      return { kind: EntryKind.ENTRY_DELETE_RANGE, entry, request: etcd.decodeDeleteRangeRequest(body) };
    case EntryKind.ENTRY_TXN:
      return { kind: EntryKind.ENTRY_TXN, entry, request: etcd.decodeTxnRequest(body) };
    case EntryKind.ENTRY_COMPACTION:
      return { kind: EntryKind.ENTRY_COMPACTION, entry, request: etcd.decodeCompactionRequest(body) };
    case EntryKind.ENTRY_LEASE_GRANT:
      return { kind: EntryKind.ENTRY_LEASE_GRANT, entry, request: etcd.decodeLeaseGrantRequest(body) };
    case EntryKind.ENTRY_LEASE_REVOKE:
      return { kind: EntryKind.ENTRY_LEASE_REVOKE, entry, request: etcd.decodeLeaseRevokeRequest(body) };
    default:
      return decodeRareCommand(entry) ?? decodeAuthCommand(entry);
  }
}

function decodeRareCommand(entry: hexad.Entry): Command | undefined {
  const { body } = entry;
  switch (entry.kind) {
    case EntryKind.ENTRY_NOOP:
      return { kind: EntryKind.ENTRY_NOOP, entry };
    case EntryKind.ENTRY_LEASE_CHECKPOINT:
      return { kind: EntryKind.ENTRY_LEASE_CHECKPOINT, entry, request: hexad.decodeLeaseCheckpoints(body) };
    case EntryKind.ENTRY_ALARM:
      return { kind: EntryKind.ENTRY_ALARM, entry, request: etcd.decodeAlarmRequest(body) };
    case EntryKind.ENTRY_TOKEN_ASSIGN:
      return { kind: EntryKind.ENTRY_TOKEN_ASSIGN, entry, request: hexad.decodeTokenAssign(body) };
    case EntryKind.ENTRY_MEMBER_ATTRIBUTES:
      return { kind: EntryKind.ENTRY_MEMBER_ATTRIBUTES, entry, request: hexad.decodeMemberAttributes(body) };
    case EntryKind.ENTRY_CLUSTER_VERSION:
      return { kind: EntryKind.ENTRY_CLUSTER_VERSION, entry, request: hexad.decodeClusterVersion(body) };
    case EntryKind.ENTRY_DOWNGRADE:
      return { kind: EntryKind.ENTRY_DOWNGRADE, entry, request: etcd.decodeDowngradeRequest(body) };
    default:
      return undefined;
  }
}

function decodeAuthCommand(entry: hexad.Entry): Command | undefined {
  const { body } = entry;
  switch (entry.kind) {
    case EntryKind.ENTRY_AUTH_ENABLE:
      return { kind: EntryKind.ENTRY_AUTH_ENABLE, entry };
    case EntryKind.ENTRY_AUTH_DISABLE:
      return { kind: EntryKind.ENTRY_AUTH_DISABLE, entry };
    case EntryKind.ENTRY_USER_ADD:
      return { kind: EntryKind.ENTRY_USER_ADD, entry, request: etcd.decodeAuthUserAddRequest(body) };
    case EntryKind.ENTRY_USER_DELETE:
      return { kind: EntryKind.ENTRY_USER_DELETE, entry, request: etcd.decodeAuthUserDeleteRequest(body) };
    case EntryKind.ENTRY_USER_CHANGE_PASSWORD: {
      const request = etcd.decodeAuthUserChangePasswordRequest(body);
      return { kind: EntryKind.ENTRY_USER_CHANGE_PASSWORD, entry, request };
    }
    case EntryKind.ENTRY_USER_GRANT_ROLE:
      return { kind: EntryKind.ENTRY_USER_GRANT_ROLE, entry, request: etcd.decodeAuthUserGrantRoleRequest(body) };
    case EntryKind.ENTRY_USER_REVOKE_ROLE:
      return { kind: EntryKind.ENTRY_USER_REVOKE_ROLE, entry, request: etcd.decodeAuthUserRevokeRoleRequest(body) };
    case EntryKind.ENTRY_ROLE_ADD:
      return { kind: EntryKind.ENTRY_ROLE_ADD, entry, request: etcd.decodeAuthRoleAddRequest(body) };
    case EntryKind.ENTRY_ROLE_DELETE:
      return { kind: EntryKind.ENTRY_ROLE_DELETE, entry, request: etcd.decodeAuthRoleDeleteRequest(body) };
    case EntryKind.ENTRY_ROLE_GRANT_PERMISSION: {
      const request = etcd.decodeAuthRoleGrantPermissionRequest(body);
      return { kind: EntryKind.ENTRY_ROLE_GRANT_PERMISSION, entry, request };
    }
    case EntryKind.ENTRY_ROLE_REVOKE_PERMISSION: {
      const request = etcd.decodeAuthRoleRevokePermissionRequest(body);
      return { kind: EntryKind.ENTRY_ROLE_REVOKE_PERMISSION, entry, request };
    }
    default:
      return undefined;
  }
}
