import type { RpcError } from '../../libs/errors';
import { encodePermissionCheck, type PermissionCheckInput, PermissionKind, StorageMethod } from '../../proto/gen/hexad';
import type { Identity } from './identity';
import type { MemberView } from './member-view';
import type { ReadPipeline } from './reads';
import type { UnaryRequest } from './requests';

/** Asks storage for what a user may do, where a request itself does not pass through storage's own check. */
export class Permissions {
  constructor(
    private readonly reads: ReadPipeline,
    private readonly view: MemberView,
  ) {}

  /** The callback runs at once when auth is off. */
  check(check: PermissionCheckInput, identity: Identity, callback: (refusal: RpcError | undefined) => void): void {
    if (!this.view.authEnabled && identity.user === '') {
      callback(undefined);
      return;
    }
    this.reads.serializable(StorageMethod.STORAGE_CHECK_PERMISSION, encodePermissionCheck(check), identity, {
      cancelled: false,
      reply: () => callback(undefined),
      fail: callback,
    });
  }

  /** Goes on when the caller has the role root, or auth is off; else answers the request. */
  asRoot(request: UnaryRequest, next: () => void): void {
    this.check({ kind: PermissionKind.PERMISSION_ROOT }, request.identity, (refusal) => {
      if (refusal === undefined) next();
      else request.fail(refusal);
    });
  }
}
