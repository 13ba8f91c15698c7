import type { Store } from '../../../libs/mvcc';
import type { AuthRows, AuthSettings, RoleRecord, UserRecord } from '../../../libs/rbac';
import { AuthState } from '../../../libs/rbac';
import { decodeRole, decodeUser, encodeRole, encodeUser } from '../../../proto/gen/authpb';
import { decodeFeedAuth, encodeFeedAuth } from '../../../proto/gen/hexad';

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const SETTINGS = encoder.encode('settings');
/** Names of any length are allowed, row keys are not. */
const NAME_BYTES_MAX = 1_024;

/** Reads the auth state from its rows; later changes write them. Rows are etcd's own authpb messages under the name. */
export function openAuthState(store: Store): AuthState {
  const users = store.table('authUsers');
  const roles = store.table('authRoles');
  const settings = store.table('auth');
  const rows: AuthRows = {
    putUser: (user) => users.put(nameKey(user.name), encodeStoredUser(user)),
    deleteUser: (name) => users.delete(nameKey(name)),
    putRole: (role) => roles.put(nameKey(role.name), encodeStoredRole(role)),
    deleteRole: (name) => roles.delete(nameKey(name)),
    putSettings: (changed) => settings.put(SETTINGS, encodeFeedAuth(changed)),
  };
  const stored = settings.get(SETTINGS);
  return new AuthState(rows, {
    settings: stored === undefined ? undefined : settingsOf(stored),
    users: users.scan().map(([, value]) => userOf(value)),
    roles: roles.scan().map(([, value]) => roleOf(value)),
  });
}

function nameKey(name: string): Uint8Array {
  return encoder.encode(name);
}

/** True when a name can be a row key; others are refused when the user or role is added. */
export function isStorableName(name: string): boolean {
  return encoder.encode(name).length <= NAME_BYTES_MAX;
}

function encodeStoredUser(user: UserRecord): Uint8Array {
  return encodeUser({
    name: encoder.encode(user.name),
    password: user.passwordHash,
    roles: user.roles,
    options: { noPassword: user.noPassword },
  });
}

function userOf(value: Uint8Array): UserRecord {
  const user = decodeUser(value);
  return {
    name: decoder.decode(user.name),
    passwordHash: user.password,
    noPassword: user.options?.noPassword ?? false,
    roles: user.roles,
  };
}

function encodeStoredRole(role: RoleRecord): Uint8Array {
  return encodeRole({ name: encoder.encode(role.name), keyPermission: role.permissions });
}

function roleOf(value: Uint8Array): RoleRecord {
  const role = decodeRole(value);
  return { name: decoder.decode(role.name), permissions: role.keyPermission };
}

function settingsOf(value: Uint8Array): AuthSettings {
  const { enabled, revision } = decodeFeedAuth(value);
  return { enabled, revision };
}
