import { Errors } from '../errors';
import type { AuthOutcome, AuthState } from './auth-state';

/** Who asks, as stamped at the edge. An auth revision of 0 means that no user was given. */
export interface Caller {
  readonly user: string;
  readonly authRevision: number;
}

interface ReadOp {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
}
interface PutOp {
  readonly key: Uint8Array;
  readonly prevKv: boolean;
  readonly lease: bigint;
}
interface DeleteOp {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
  readonly prevKv: boolean;
}
interface TxnOp {
  readonly requestRange?: ReadOp | undefined;
  readonly requestPut?: PutOp | undefined;
  readonly requestDeleteRange?: DeleteOp | undefined;
  readonly requestTxn?: Txn | undefined;
}
interface Txn {
  readonly compare: readonly ReadOp[];
  readonly success: readonly TxnOp[];
  readonly failure: readonly TxnOp[];
}

/** The keys attached to a lease; nothing for a lease that does not exist. */
export type KeysOfLease = (lease: bigint) => Iterable<Uint8Array>;

const ONE_KEY = new Uint8Array(0);

/** A known user, whatever its rights. */
export function authoriseUser(auth: AuthState, caller: Caller): AuthOutcome {
  if (!auth.enabled) return undefined;
  if (caller.user === '' || caller.authRevision === 0) return Errors.UserEmpty;
  if (caller.authRevision < auth.revision) return Errors.AuthOldRevision;
  return auth.accessFor(caller.user) === undefined ? Errors.PermissionDenied : undefined;
}

/** The caller must have the role root. As in etcd, the stamped revision does not matter here. */
export function authoriseRoot(auth: AuthState, caller: Caller): AuthOutcome {
  if (!auth.enabled) return undefined;
  if (caller.user === '') return Errors.UserEmpty;
  return auth.accessFor(caller.user)?.root === true ? undefined : Errors.PermissionDenied;
}

export function authoriseRead(auth: AuthState, caller: Caller, key: Uint8Array, rangeEnd: Uint8Array): AuthOutcome {
  return authoriseRange(auth, caller, key, rangeEnd, 'read');
}

export function authoriseWrite(auth: AuthState, caller: Caller, key: Uint8Array, rangeEnd: Uint8Array): AuthOutcome {
  return authoriseRange(auth, caller, key, rangeEnd, 'write');
}

function authoriseRange(
  auth: AuthState,
  caller: Caller,
  key: Uint8Array,
  rangeEnd: Uint8Array,
  kind: 'read' | 'write',
): AuthOutcome {
  if (!auth.enabled) return undefined;
  const refused = authoriseUser(auth, caller);
  if (refused !== undefined) return refused;
  const access = auth.accessFor(caller.user);
  if (access === undefined) return Errors.PermissionDenied;
  return access.root || access[kind].contains(key, rangeEnd) ? undefined : Errors.PermissionDenied;
}

/** WRITE on the key, READ if the old pair is asked for, and WRITE on all keys of the lease it is put under. */
export function authorisePut(auth: AuthState, caller: Caller, put: PutOp, keysOfLease: KeysOfLease): AuthOutcome {
  if (!auth.enabled) return undefined;
  return (
    authoriseWrite(auth, caller, put.key, ONE_KEY) ??
    (put.prevKv ? authoriseRead(auth, caller, put.key, ONE_KEY) : undefined) ??
    (put.lease !== 0n ? authoriseLease(auth, caller, put.lease, 'write', keysOfLease) : undefined)
  );
}

export function authoriseDelete(auth: AuthState, caller: Caller, op: DeleteOp): AuthOutcome {
  if (!auth.enabled) return undefined;
  return (
    authoriseWrite(auth, caller, op.key, op.rangeEnd) ??
    (op.prevKv ? authoriseRead(auth, caller, op.key, op.rangeEnd) : undefined)
  );
}

/** READ on every compare, and the rights of every operation of both branches, whichever will run. */
export function authoriseTxn(auth: AuthState, caller: Caller, txn: Txn, keysOfLease: KeysOfLease): AuthOutcome {
  if (!auth.enabled) return undefined;
  const refused = authoriseUser(auth, caller);
  if (refused !== undefined) return refused;
  for (const compare of txn.compare) {
    const denied = authoriseRead(auth, caller, compare.key, compare.rangeEnd);
    if (denied !== undefined) return denied;
  }
  return authoriseOps(auth, caller, txn.success, keysOfLease) ?? authoriseOps(auth, caller, txn.failure, keysOfLease);
}

function authoriseOps(auth: AuthState, caller: Caller, ops: readonly TxnOp[], keysOfLease: KeysOfLease): AuthOutcome {
  for (const op of ops) {
    const denied = authoriseOp(auth, caller, op, keysOfLease);
    if (denied !== undefined) return denied;
  }
  return undefined;
}

function authoriseOp(auth: AuthState, caller: Caller, op: TxnOp, keysOfLease: KeysOfLease): AuthOutcome {
  if (op.requestRange) return authoriseRead(auth, caller, op.requestRange.key, op.requestRange.rangeEnd);
  if (op.requestPut) return authorisePut(auth, caller, op.requestPut, keysOfLease);
  if (op.requestDeleteRange) return authoriseDelete(auth, caller, op.requestDeleteRange);
  if (op.requestTxn) return authoriseTxn(auth, caller, op.requestTxn, keysOfLease);
  return undefined;
}

/** The right on every key attached to the lease; a lease without keys, or none at all, asks for a valid user only. */
export function authoriseLease(
  auth: AuthState,
  caller: Caller,
  lease: bigint,
  kind: 'read' | 'write',
  keysOfLease: KeysOfLease,
): AuthOutcome {
  if (!auth.enabled) return undefined;
  const refused = authoriseUser(auth, caller);
  if (refused !== undefined || auth.accessFor(caller.user)?.root === true) return refused;
  for (const key of keysOfLease(lease)) {
    const denied = authoriseRange(auth, caller, key, ONE_KEY, kind);
    if (denied !== undefined) return denied;
  }
  return undefined;
}

/** A user's record is shown to root and to the user. */
export function authoriseUserGet(auth: AuthState, caller: Caller, name: string): AuthOutcome {
  if (!auth.enabled || (caller.user !== '' && caller.user === name)) return undefined;
  return authoriseRoot(auth, caller);
}

/** A role's record is shown to root and to the users that hold it. */
export function authoriseRoleGet(auth: AuthState, caller: Caller, role: string): AuthOutcome {
  if (!auth.enabled) return undefined;
  if (auth.user(caller.user)?.roles.includes(role) === true) return undefined;
  return authoriseRoot(auth, caller);
}
