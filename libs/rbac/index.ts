export { RangeSet, compareBytes, isOpenEnd, type KeyRange } from './ranges';
export {
  PermissionType,
  type AuthRows,
  type AuthSettings,
  type Permission,
  type RoleRecord,
  type UserRecord,
} from './records';
export { ROOT_ROLE, ROOT_USER, type Access } from './access';
export { AuthState, type AuthOutcome } from './auth-state';
export {
  authoriseDelete,
  authoriseLease,
  authorisePut,
  authoriseRead,
  authoriseRoleGet,
  authoriseRoot,
  authoriseTxn,
  authoriseUser,
  authoriseUserGet,
  authoriseWrite,
  type Caller,
  type KeysOfLease,
} from './authorise';
