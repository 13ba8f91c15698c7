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

/** Byte-wise order of UTF-8, which is the order of code points (etcd sorts names as bytes). */
export function compareNames(a: string, b: string): number {
  const left = [...a];
  const right = [...b];
  const shared = Math.min(left.length, right.length);
  for (let i = 0; i < shared; i++) {
    const difference = codePoint(left[i]) - codePoint(right[i]);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

function codePoint(character: string | undefined): number {
  return character?.codePointAt(0) ?? -1;
}
