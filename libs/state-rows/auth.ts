import type { AuthSettings, RoleRecord, UserRecord } from '../rbac';
import { decodeRole, decodeUser, encodeRole, encodeUser } from '../../proto/gen/authpb';
import { decodeFeedAuth, encodeFeedAuth } from '../../proto/gen/hexad';

const encoder = new TextEncoder();
const decoder = new TextDecoder();
/** Names of any length are allowed, row keys are not. */
const NAME_BYTES_MAX = 1_024;

/** The one row of table `auth`. */
export const AUTH_SETTINGS_KEY = encoder.encode('settings');

export function authSettingsRow(settings: AuthSettings): Uint8Array {
  return encodeFeedAuth(settings);
}

export function authSettingsOf(row: Uint8Array): AuthSettings {
  const { enabled, revision } = decodeFeedAuth(row);
  return { enabled, revision };
}

/** Row key of a user in table `authUsers` and of a role in `authRoles`. */
export function nameKey(name: string): Uint8Array {
  return encoder.encode(name);
}

/** True when a name can be a row key; others are refused when the user or role is added. */
export function isStorableName(name: string): boolean {
  return encoder.encode(name).length <= NAME_BYTES_MAX;
}

/** etcd's own message, as in its bucket. */
export function userRow(user: UserRecord): Uint8Array {
  return encodeUser({
    name: encoder.encode(user.name),
    password: user.passwordHash,
    roles: user.roles,
    options: { noPassword: user.noPassword },
  });
}

export function userOf(row: Uint8Array): UserRecord {
  const user = decodeUser(row);
  return {
    name: decoder.decode(user.name),
    passwordHash: user.password,
    noPassword: user.options?.noPassword ?? false,
    roles: user.roles,
  };
}

/** etcd's own message, as in its bucket. */
export function roleRow(role: RoleRecord): Uint8Array {
  return encodeRole({ name: encoder.encode(role.name), keyPermission: role.permissions });
}

export function roleOf(row: Uint8Array): RoleRecord {
  const role = decodeRole(row);
  return { name: decoder.decode(role.name), permissions: role.keyPermission };
}
