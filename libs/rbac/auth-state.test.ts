import { Errors } from '../errors';
import { AuthState } from './auth-state';
import {
  authoriseDelete,
  authoriseLease,
  authorisePut,
  authoriseRead,
  authoriseRoleGet,
  authoriseRoot,
  authoriseTxn,
  authoriseUser,
  authoriseUserGet,
  type Caller,
} from './authorise';
import { PermissionType, type AuthRows, type AuthSettings, type RoleRecord, type UserRecord } from './records';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const NONE = new Uint8Array(0);
const HASH = bytes('$2a$10$hash');
const noKeys = (): Uint8Array[] => [];

class MemoryRows implements AuthRows {
  readonly users = new Map<string, UserRecord>();
  readonly roles = new Map<string, RoleRecord>();
  settings: AuthSettings | undefined;
  putUser(user: UserRecord): void {
    this.users.set(user.name, user);
  }
  deleteUser(name: string): void {
    this.users.delete(name);
  }
  putRole(role: RoleRecord): void {
    this.roles.set(role.name, role);
  }
  deleteRole(name: string): void {
    this.roles.delete(name);
  }
  putSettings(settings: AuthSettings): void {
    this.settings = settings;
  }
}

function create(): { auth: AuthState; rows: MemoryRows } {
  const rows = new MemoryRows();
  return { auth: new AuthState(rows, { settings: undefined, users: [], roles: [] }), rows };
}

function permission(permType: number, key: string, end = '') {
  return { permType, key: bytes(key), rangeEnd: bytes(end) };
}

/** root, and `alice` who may read a..c and write b only. */
function enabled(): { auth: AuthState; rows: MemoryRows; alice: Caller; root: Caller } {
  const { auth, rows } = create();
  auth.addUser('root', HASH, false);
  auth.grantRole('root', 'root');
  auth.addUser('alice', HASH, false);
  auth.addRole('reader');
  auth.grantPermission('reader', permission(PermissionType.READ, 'a', 'c'));
  auth.grantPermission('reader', permission(PermissionType.WRITE, 'b'));
  auth.grantRole('alice', 'reader');
  expect(auth.enable()).toBeUndefined();
  const authRevision = auth.revision;
  return { auth, rows, alice: { user: 'alice', authRevision }, root: { user: 'root', authRevision } };
}

describe('AuthState', () => {
  it('starts disabled at revision 1 and counts every change', () => {
    const { auth } = create();
    expect([auth.enabled, auth.revision]).toEqual([false, 1]);
    auth.addUser('root', HASH, false);
    auth.grantRole('root', 'root');
    expect(auth.revision).toBe(3);
    auth.grantRole('root', 'root');
    expect(auth.revision).toBe(3);
    auth.enable();
    expect(auth.revision).toBe(3);
    auth.disable();
    expect(auth.revision).toBe(4);
  });

  it('is enabled only with a user root that has the role root', () => {
    const { auth } = create();
    expect(auth.enable()).toBe(Errors.RootUserNotExist);
    auth.addUser('root', HASH, false);
    expect(auth.enable()).toBe(Errors.RootRoleNotExist);
  });

  it('refuses what etcd refuses, and changes nothing then', () => {
    const { auth } = enabled();
    const before = auth.revision;
    expect(auth.addUser('', HASH, false)).toBe(Errors.UserEmpty);
    expect(auth.addUser('alice', HASH, false)).toBe(Errors.UserAlreadyExist);
    expect(auth.deleteUser('nobody')).toBe(Errors.UserNotFound);
    expect(auth.deleteUser('root')).toBe(Errors.InvalidAuthMgmt);
    expect(auth.changePassword('nobody', HASH)).toBe(Errors.UserNotFound);
    expect(auth.grantRole('nobody', 'reader')).toBe(Errors.UserNotFound);
    expect(auth.grantRole('alice', 'none')).toBe(Errors.RoleNotFound);
    expect(auth.revokeRole('root', 'root')).toBe(Errors.InvalidAuthMgmt);
    expect(auth.revokeRole('alice', 'none')).toBe(Errors.RoleNotGranted);
    expect(auth.addRole('')).toBe(Errors.RoleEmpty);
    expect(auth.addRole('reader')).toBe(Errors.RoleAlreadyExist);
    expect(auth.deleteRole('root')).toBe(Errors.InvalidAuthMgmt);
    expect(auth.deleteRole('none')).toBe(Errors.RoleNotFound);
    expect(auth.grantPermission('reader', undefined)).toBe(Errors.PermissionNotGiven);
    expect(auth.grantPermission('reader', permission(0, 'b', 'a'))).toBe(Errors.InvalidAuthMgmt);
    expect(auth.grantPermission('none', permission(0, 'a'))).toBe(Errors.RoleNotFound);
    expect(auth.revokePermission('reader', bytes('a'), NONE)).toBe(Errors.PermissionNotGranted);
    expect(auth.revision).toBe(before);
  });

  it('replaces the type of a permission with the same range', () => {
    const { auth } = enabled();
    auth.grantPermission('reader', permission(PermissionType.READWRITE, 'b'));
    expect(auth.role('reader')?.permissions).toEqual([
      permission(PermissionType.READ, 'a', 'c'),
      permission(PermissionType.READWRITE, 'b'),
    ]);
  });

  it('takes a deleted role from every user under one revision', () => {
    const { auth } = enabled();
    const before = auth.revision;
    auth.deleteRole('reader');
    expect(auth.user('alice')?.roles).toEqual([]);
    expect(auth.revision).toBe(before + 1);
  });

  it('keeps rows from which the same state can be made again', () => {
    const { auth, rows } = enabled();
    const again = new AuthState(rows, {
      settings: rows.settings,
      users: rows.users.values(),
      roles: rows.roles.values(),
    });
    expect([again.enabled, again.revision, again.userNames(), again.roleNames()]).toEqual([
      auth.enabled,
      auth.revision,
      ['alice', 'root'],
      ['reader'],
    ]);
  });

  it('sorts names by their bytes', () => {
    const { auth } = create();
    for (const name of ['\u{1F600}', 'b', '\uFFFD', 'B']) auth.addUser(name, HASH, false);
    expect(auth.userNames()).toEqual(['B', 'b', '\uFFFD', '\u{1F600}']);
  });
});

describe('authorisation', () => {
  it('lets everything pass while auth is off', () => {
    const { auth } = create();
    const nobody = { user: '', authRevision: 0 };
    expect(authoriseRead(auth, nobody, bytes('a'), NONE)).toBeUndefined();
    expect(authoriseRoot(auth, nobody)).toBeUndefined();
  });

  it('asks for a user, then for a fresh token, then for the right', () => {
    const { auth, alice } = enabled();
    expect(authoriseUser(auth, { user: '', authRevision: 0 })).toBe(Errors.UserEmpty);
    expect(authoriseUser(auth, { user: 'alice', authRevision: auth.revision - 1 })).toBe(Errors.AuthOldRevision);
    expect(authoriseRead(auth, alice, bytes('a'), bytes('c'))).toBeUndefined();
    expect(authoriseRead(auth, alice, bytes('a'), bytes('d'))).toBe(Errors.PermissionDenied);
    expect(authoriseUser(auth, { user: 'ghost', authRevision: auth.revision })).toBe(Errors.PermissionDenied);
  });

  it('lets root pass everywhere', () => {
    const { auth, root } = enabled();
    expect(authoriseRead(auth, root, bytes('\0'), bytes('\0'))).toBeUndefined();
    expect(authoriseRoot(auth, root)).toBeUndefined();
  });

  it('asks for READ as well when the old pair is wanted', () => {
    const { auth } = enabled();
    auth.addRole('writer');
    auth.grantPermission('writer', permission(PermissionType.WRITE, 'x', 'y'));
    auth.grantRole('alice', 'writer');
    const alice = { user: 'alice', authRevision: auth.revision };
    const put = { key: bytes('x'), prevKv: false, lease: 0n };
    expect(authorisePut(auth, alice, put, noKeys)).toBeUndefined();
    expect(authorisePut(auth, alice, { ...put, prevKv: true }, noKeys)).toBe(Errors.PermissionDenied);
    const del = { key: bytes('x'), rangeEnd: bytes('y'), prevKv: true };
    expect(authoriseDelete(auth, alice, del)).toBe(Errors.PermissionDenied);
  });

  it('asks for WRITE on every key of the lease a key is put under', () => {
    const { auth, alice } = enabled();
    const put = { key: bytes('b'), prevKv: false, lease: 7n };
    expect(authorisePut(auth, alice, put, () => [bytes('b')])).toBeUndefined();
    expect(authorisePut(auth, alice, put, () => [bytes('b'), bytes('z')])).toBe(Errors.PermissionDenied);
    expect(authoriseLease(auth, alice, 7n, 'read', () => [bytes('a')])).toBeUndefined();
  });

  it('checks both branches of a transaction and those of nested ones', () => {
    const { auth, alice } = enabled();
    const denied = { requestPut: { key: bytes('z'), prevKv: false, lease: 0n } };
    const allowed = { requestPut: { key: bytes('b'), prevKv: false, lease: 0n } };
    const txn = { compare: [{ key: bytes('a'), rangeEnd: NONE }], success: [allowed], failure: [] };
    expect(authoriseTxn(auth, alice, txn, noKeys)).toBeUndefined();
    expect(authoriseTxn(auth, alice, { ...txn, failure: [denied] }, noKeys)).toBe(Errors.PermissionDenied);
    const nested = { requestTxn: { compare: [], success: [denied], failure: [] } };
    expect(authoriseTxn(auth, alice, { ...txn, success: [nested] }, noKeys)).toBe(Errors.PermissionDenied);
    const compare = [{ key: bytes('q'), rangeEnd: NONE }];
    expect(authoriseTxn(auth, alice, { ...txn, compare }, noKeys)).toBe(Errors.PermissionDenied);
  });

  it('shows a user and a held role to the user itself, anything to root', () => {
    const { auth, alice, root } = enabled();
    expect(authoriseUserGet(auth, alice, 'alice')).toBeUndefined();
    expect(authoriseUserGet(auth, alice, 'root')).toBe(Errors.PermissionDenied);
    expect(authoriseUserGet(auth, root, 'alice')).toBeUndefined();
    expect(authoriseRoleGet(auth, alice, 'reader')).toBeUndefined();
    expect(authoriseRoleGet(auth, alice, 'root')).toBe(Errors.PermissionDenied);
  });

  it('follows every change at once', () => {
    const { auth } = enabled();
    auth.revokeRole('alice', 'reader');
    const alice = { user: 'alice', authRevision: auth.revision };
    expect(authoriseRead(auth, alice, bytes('a'), NONE)).toBe(Errors.PermissionDenied);
  });
});
