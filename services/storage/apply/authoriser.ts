import type { Position } from '../../../libs/mvcc';
import {
  authoriseDelete,
  authoriseLease,
  authorisePut,
  authoriseRoot,
  authoriseTxn,
  authoriseUser,
  type AuthOutcome,
} from '../../../libs/rbac';
import { EntryKind } from '../../../proto/gen/hexad';
import type { ReplicatedState } from '../state/state';
import { refused, type Applier, type ApplyOutcome } from './applier';
import type { Command } from './command';

/** Refuses what the entry's user may not do, by the rights as they are at this index. */
export class Authoriser implements Applier {
  private readonly keysOfLease: (lease: bigint) => Uint8Array[];

  constructor(
    private readonly state: ReplicatedState,
    private readonly next: Applier,
  ) {
    this.keysOfLease = (lease) => state.leases.keysOf(lease);
  }

  apply(command: Command, position: Position): ApplyOutcome {
    if (this.state.auth.enabled && !command.entry.internal) {
      const error = this.check(command);
      if (error !== undefined) return refused(error);
    }
    return this.next.apply(command, position);
  }

  private check(command: Command): AuthOutcome {
    const { auth } = this.state;
    const caller = command.entry;
    switch (command.kind) {
      case EntryKind.ENTRY_PUT:
        return authorisePut(auth, caller, command.request, this.keysOfLease);
      case EntryKind.ENTRY_DELETE_RANGE:
        return authoriseDelete(auth, caller, command.request);
      case EntryKind.ENTRY_TXN:
        return authoriseTxn(auth, caller, command.request, this.keysOfLease);
      case EntryKind.ENTRY_LEASE_GRANT:
        return authoriseUser(auth, caller);
      case EntryKind.ENTRY_LEASE_REVOKE:
        return authoriseLease(auth, caller, command.request.ID, 'write', this.keysOfLease);
      // Proposed by processes of a member only, never for a user.
      case EntryKind.ENTRY_NOOP:
      case EntryKind.ENTRY_LEASE_CHECKPOINT:
      case EntryKind.ENTRY_TOKEN_ASSIGN:
      case EntryKind.ENTRY_MEMBER_ATTRIBUTES:
      case EntryKind.ENTRY_CLUSTER_VERSION:
        return undefined;
      default:
        return authoriseRoot(auth, caller);
    }
  }
}
