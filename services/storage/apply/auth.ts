import { Errors } from '../../../libs/errors';
import type { Position } from '../../../libs/mvcc';
import type { AuthOutcome, Permission } from '../../../libs/rbac';
import type { AuthUserAddRequest } from '../../../proto/gen/etcdserverpb';
import { EntryKind } from '../../../proto/gen/hexad';
import type { ResponseHeaders } from '../headers';
import { isStorableName } from '../state/auth-rows';
import type { ReplicatedState } from '../state/state';
import { answered, refused, type ApplyOutcome } from './applier';
import type { AuthCommandRequest } from './command';
import type { FeedChanges } from './feed-changes';

/** Users, roles and the auth switch. Every answer is a header only. */
export class AuthExecutor {
  constructor(
    private readonly state: ReplicatedState,
    private readonly headers: ResponseHeaders,
    private readonly changes: FeedChanges,
  ) {}

  apply(command: AuthCommandRequest, position: Position): ApplyOutcome {
    const { auth } = this.state;
    const { enabled, revision } = auth;
    const error = this.change(command);
    if (error !== undefined) return refused(error);
    if (auth.enabled !== enabled || auth.revision !== revision) {
      this.changes.authChanged(auth.enabled, auth.revision);
      this.revokeTokens(command);
    }
    return answered(this.headers.empty(this.state.store.revision, position.term));
  }

  private change(command: AuthCommandRequest): AuthOutcome {
    const { auth } = this.state;
    switch (command.kind) {
      case EntryKind.ENTRY_AUTH_ENABLE:
        return auth.enable();
      case EntryKind.ENTRY_AUTH_DISABLE:
        return auth.disable();
      case EntryKind.ENTRY_USER_ADD:
        return this.addUser(command.request);
      case EntryKind.ENTRY_USER_DELETE:
        return auth.deleteUser(command.request.name);
      case EntryKind.ENTRY_USER_CHANGE_PASSWORD:
        return auth.changePassword(command.request.name, passwordHash(command.request.hashedPassword));
      case EntryKind.ENTRY_USER_GRANT_ROLE:
        return auth.grantRole(command.request.user, command.request.role);
      case EntryKind.ENTRY_USER_REVOKE_ROLE:
        return auth.revokeRole(command.request.name, command.request.role);
      case EntryKind.ENTRY_ROLE_ADD:
        return isStorableName(command.request.name) ? auth.addRole(command.request.name) : Errors.InvalidAuthMgmt;
      case EntryKind.ENTRY_ROLE_DELETE:
        return auth.deleteRole(command.request.role);
      case EntryKind.ENTRY_ROLE_GRANT_PERMISSION:
        return auth.grantPermission(command.request.name, ownPermission(command.request.perm));
      case EntryKind.ENTRY_ROLE_REVOKE_PERMISSION:
        return auth.revokePermission(command.request.role, command.request.key, command.request.rangeEnd);
    }
  }

  private addUser({ name, hashedPassword, options }: AuthUserAddRequest): AuthOutcome {
    if (!isStorableName(name)) return Errors.InvalidAuthMgmt;
    return this.state.auth.addUser(name, passwordHash(hashedPassword), options?.noPassword ?? false);
  }

  /** Whoever changed or lost the password, or auth as a whole, must authenticate again. */
  private revokeTokens(command: AuthCommandRequest): void {
    if (command.kind === EntryKind.ENTRY_AUTH_DISABLE) {
      this.state.tokens.revokeAll();
      this.changes.tokensRevoked(undefined);
    } else if (command.kind === EntryKind.ENTRY_USER_DELETE || command.kind === EntryKind.ENTRY_USER_CHANGE_PASSWORD) {
      this.state.tokens.revokeUser(command.request.name);
      this.changes.tokensRevoked(command.request.name);
    }
  }
}

/** A copy of its own: the decoded bytes are views that would keep a whole delivered batch alive. */
function ownPermission(permission: Permission | undefined): Permission | undefined {
  if (permission === undefined) return undefined;
  const { permType, key, rangeEnd } = permission;
  return { permType, key: key.slice(), rangeEnd: rangeEnd.slice() };
}

/** etcd carries the bcrypt hash as base64; a bare hash, which starts with `$` and so is never base64, is taken as it is. */
function passwordHash(text: string): Uint8Array {
  return text.startsWith('$') ? new TextEncoder().encode(text) : new Uint8Array(Buffer.from(text, 'base64'));
}
