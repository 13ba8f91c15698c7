import type { Store } from '../../../libs/mvcc';
import { type AuthRows, AuthState } from '../../../libs/rbac';
import {
  AUTH_SETTINGS_KEY,
  authSettingsOf,
  authSettingsRow,
  isStorableName,
  nameKey,
  roleOf,
  roleRow,
  userOf,
  userRow,
} from '../../../libs/state-rows';

export { isStorableName };

/** Reads the auth state from its rows; later changes write them. Rows are etcd's own authpb messages under the name. */
export function openAuthState(store: Store): AuthState {
  const users = store.table('authUsers');
  const roles = store.table('authRoles');
  const settings = store.table('auth');
  const rows: AuthRows = {
    putUser: (user) => users.put(nameKey(user.name), userRow(user)),
    deleteUser: (name) => users.delete(nameKey(name)),
    putRole: (role) => roles.put(nameKey(role.name), roleRow(role)),
    deleteRole: (name) => roles.delete(nameKey(name)),
    putSettings: (changed) => settings.put(AUTH_SETTINGS_KEY, authSettingsRow(changed)),
  };
  const stored = settings.get(AUTH_SETTINGS_KEY);
  return new AuthState(rows, {
    settings: stored === undefined ? undefined : authSettingsOf(stored),
    users: users.scan().map(([, value]) => userOf(value)),
    roles: roles.scan().map(([, value]) => roleOf(value)),
  });
}
