import { Errors, type CatalogueError } from '../errors';
import { accessOf, ROOT_ROLE, ROOT_USER, type Access } from './access';
import { compareBytes, isOpenEnd } from './ranges';
import {
  compareNames,
  type AuthRows,
  type AuthSettings,
  type Permission,
  type RoleRecord,
  type UserRecord,
} from './records';

/** `undefined`: done; otherwise nothing was changed. */
export type AuthOutcome = CatalogueError | undefined;

/**
 * Users, roles and the auth switch, kept in memory and mirrored to rows. Every change is an applied entry, so the state is the
 * same on every member; nothing here reads a clock or a random number. Rules and errors: etcd's auth store.
 */
export class AuthState {
  private readonly users = new Map<string, UserRecord>();
  private readonly roles = new Map<string, RoleRecord>();
  /** Derived per user on first use, dropped at every change: the answer never depends on when it was derived. */
  private readonly accessCache = new Map<string, Access>();
  private settings: AuthSettings;

  constructor(
    private readonly rows: AuthRows,
    stored: { settings: AuthSettings | undefined; users: Iterable<UserRecord>; roles: Iterable<RoleRecord> },
  ) {
    this.settings = stored.settings ?? { enabled: false, revision: 1 };
    for (const user of stored.users) this.users.set(user.name, user);
    for (const role of stored.roles) this.roles.set(role.name, role);
  }

  get enabled(): boolean {
    return this.settings.enabled;
  }

  get revision(): number {
    return this.settings.revision;
  }

  user(name: string): UserRecord | undefined {
    return this.users.get(name);
  }

  role(name: string): RoleRecord | undefined {
    return this.roles.get(name);
  }

  /** In byte order of the names. */
  userNames(): string[] {
    return [...this.users.keys()].sort(compareNames);
  }

  roleNames(): string[] {
    return [...this.roles.keys()].sort(compareNames);
  }

  /** `undefined`: no such user. */
  accessFor(name: string): Access | undefined {
    const known = this.accessCache.get(name);
    if (known !== undefined) return known;
    const user = this.users.get(name);
    if (user === undefined) return undefined;
    const access = accessOf(user, (role) => this.roles.get(role));
    this.accessCache.set(name, access);
    return access;
  }

  enable(): AuthOutcome {
    if (this.settings.enabled) return undefined;
    const root = this.users.get(ROOT_USER);
    if (root === undefined) return Errors.RootUserNotExist;
    if (!root.roles.includes(ROOT_ROLE)) return Errors.RootRoleNotExist;
    this.saveSettings({ enabled: true, revision: this.settings.revision });
    return undefined;
  }

  disable(): AuthOutcome {
    if (!this.settings.enabled) return undefined;
    this.saveSettings({ enabled: false, revision: this.settings.revision + 1 });
    return undefined;
  }

  addUser(name: string, passwordHash: Uint8Array, noPassword: boolean): AuthOutcome {
    if (name === '') return Errors.UserEmpty;
    if (this.users.has(name)) return Errors.UserAlreadyExist;
    this.saveUser({ name, passwordHash: noPassword ? NO_BYTES : passwordHash, noPassword, roles: [] });
    return this.bump();
  }

  deleteUser(name: string): AuthOutcome {
    if (this.settings.enabled && name === ROOT_USER) return Errors.InvalidAuthMgmt;
    if (!this.users.delete(name)) return Errors.UserNotFound;
    this.rows.deleteUser(name);
    return this.bump();
  }

  changePassword(name: string, passwordHash: Uint8Array): AuthOutcome {
    const user = this.users.get(name);
    if (user === undefined) return Errors.UserNotFound;
    this.saveUser({ ...user, passwordHash: user.noPassword ? NO_BYTES : passwordHash });
    return this.bump();
  }

  /** The role `root` needs no record of its own. Granting a role twice changes nothing. */
  grantRole(name: string, role: string): AuthOutcome {
    const user = this.users.get(name);
    if (user === undefined) return Errors.UserNotFound;
    if (role !== ROOT_ROLE && !this.roles.has(role)) return Errors.RoleNotFound;
    if (user.roles.includes(role)) return undefined;
    this.saveUser({ ...user, roles: [...user.roles, role].sort(compareNames) });
    return this.bump();
  }

  revokeRole(name: string, role: string): AuthOutcome {
    if (this.settings.enabled && name === ROOT_USER && role === ROOT_ROLE) return Errors.InvalidAuthMgmt;
    const user = this.users.get(name);
    if (user === undefined) return Errors.UserNotFound;
    if (!user.roles.includes(role)) return Errors.RoleNotGranted;
    this.saveUser({ ...user, roles: user.roles.filter((granted) => granted !== role) });
    return this.bump();
  }

  addRole(name: string): AuthOutcome {
    if (name === '') return Errors.RoleEmpty;
    if (this.roles.has(name)) return Errors.RoleAlreadyExist;
    this.saveRole({ name, permissions: [] });
    return this.bump();
  }

  /** Also takes the role from every user that has it, under one revision. */
  deleteRole(name: string): AuthOutcome {
    if (this.settings.enabled && name === ROOT_ROLE) return Errors.InvalidAuthMgmt;
    if (!this.roles.delete(name)) return Errors.RoleNotFound;
    this.rows.deleteRole(name);
    for (const userName of this.userNames()) {
      const user = this.users.get(userName);
      if (!user?.roles.includes(name)) continue;
      this.saveUser({ ...user, roles: user.roles.filter((granted) => granted !== name) });
    }
    return this.bump();
  }

  /** Adds the permission, or changes the type of the one with the same key and range end. */
  grantPermission(name: string, permission: Permission | undefined): AuthOutcome {
    if (permission === undefined) return Errors.PermissionNotGiven;
    if (!isValidRange(permission)) return Errors.InvalidAuthMgmt;
    const role = this.roles.get(name);
    if (role === undefined) return Errors.RoleNotFound;
    const others = role.permissions.filter((held) => !sameRange(held, permission));
    this.saveRole({ name, permissions: [...others, permission].sort(comparePermissions) });
    return this.bump();
  }

  revokePermission(name: string, key: Uint8Array, rangeEnd: Uint8Array): AuthOutcome {
    const role = this.roles.get(name);
    if (role === undefined) return Errors.RoleNotFound;
    const kept = role.permissions.filter((held) => !sameRange(held, { key, rangeEnd }));
    if (kept.length === role.permissions.length) return Errors.PermissionNotGranted;
    this.saveRole({ name, permissions: kept });
    return this.bump();
  }

  private saveUser(user: UserRecord): void {
    this.users.set(user.name, user);
    this.rows.putUser(user);
  }

  private saveRole(role: RoleRecord): void {
    this.roles.set(role.name, role);
    this.rows.putRole(role);
  }

  private bump(): undefined {
    this.saveSettings({ enabled: this.settings.enabled, revision: this.settings.revision + 1 });
  }

  private saveSettings(settings: AuthSettings): void {
    this.settings = settings;
    this.accessCache.clear();
    this.rows.putSettings(settings);
  }
}

const NO_BYTES = new Uint8Array(0);

function isValidRange(range: { key: Uint8Array; rangeEnd: Uint8Array }): boolean {
  if (range.key.length === 0) return false;
  if (range.rangeEnd.length === 0 || isOpenEnd(range.rangeEnd)) return true;
  return compareBytes(range.key, range.rangeEnd) < 0;
}

function sameRange(
  a: { key: Uint8Array; rangeEnd: Uint8Array },
  b: { key: Uint8Array; rangeEnd: Uint8Array },
): boolean {
  return compareBytes(a.key, b.key) === 0 && compareBytes(a.rangeEnd, b.rangeEnd) === 0;
}

function comparePermissions(a: Permission, b: Permission): number {
  return compareBytes(a.key, b.key) || compareBytes(a.rangeEnd, b.rangeEnd);
}
