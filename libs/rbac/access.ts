import { PermissionType, type Permission, type RoleRecord, type UserRecord } from './records';
import { RangeSet } from './ranges';

export const ROOT_USER = 'root';
export const ROOT_ROLE = 'root';

/** What one user may do, ready for look-ups. */
export interface Access {
  readonly root: boolean;
  readonly read: RangeSet;
  readonly write: RangeSet;
}

const ROOT_ACCESS: Access = { root: true, read: RangeSet.EMPTY, write: RangeSet.EMPTY };

/** Merges the permissions of all roles of `user`; roles that do not exist grant nothing. */
export function accessOf(user: UserRecord, roleNamed: (name: string) => RoleRecord | undefined): Access {
  if (user.roles.includes(ROOT_ROLE)) return ROOT_ACCESS;
  const granted = user.roles.flatMap((name) => roleNamed(name)?.permissions ?? []);
  return {
    root: false,
    read: new RangeSet(granted.filter((permission) => allows(permission, PermissionType.READ))),
    write: new RangeSet(granted.filter((permission) => allows(permission, PermissionType.WRITE))),
  };
}

function allows(permission: Permission, type: number): boolean {
  return permission.permType === type || permission.permType === PermissionType.READWRITE;
}
