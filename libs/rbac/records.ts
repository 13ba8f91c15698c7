import { compareBytes } from './ranges';

/** What is stored of users and roles. Records are immutable: a change replaces the record. */
export const PermissionType = { READ: 0, WRITE: 1, READWRITE: 2 } as const;

export interface Permission {
  /** A `PermissionType`. */
  readonly permType: number;
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
}

export interface UserRecord {
  readonly name: string;
  /** bcrypt hash; empty for a user without password. */
  readonly passwordHash: Uint8Array;
  readonly noPassword: boolean;
  /** Sorted, without repetition. */
  readonly roles: readonly string[];
}

export interface RoleRecord {
  readonly name: string;
  /** Sorted by key, then range end; one per (key, range end). */
  readonly permissions: readonly Permission[];
}

export interface AuthSettings {
  readonly enabled: boolean;
  /** Starts at 1; +1 with every change of a user, role or permission, and when auth is disabled. */
  readonly revision: number;
}

/** Where changes go: the caller writes them in the transaction of the entry that made them. */
export interface AuthRows {
  putUser(user: UserRecord): void;
  deleteUser(name: string): void;
  putRole(role: RoleRecord): void;
  deleteRole(name: string): void;
  putSettings(settings: AuthSettings): void;
}

const utf8 = new TextEncoder();

/** Order of the names' UTF-8 bytes, as etcd sorts them (JavaScript's own order of strings is another). */
export function compareNames(a: string, b: string): number {
  return compareBytes(utf8.encode(a), utf8.encode(b));
}
