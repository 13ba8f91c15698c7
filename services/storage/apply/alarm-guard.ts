import { Errors, type CatalogueError } from '../../../libs/errors';
import type { Position } from '../../../libs/mvcc';
import type { RequestOp, TxnRequest } from '../../../proto/gen/etcdserverpb';
import { EntryKind } from '../../../proto/gen/hexad';
import { Alarm } from '../state/alarms';
import type { ReplicatedState } from '../state/state';
import { refused, type Applier, type ApplyOutcome } from './applier';
import type { Command } from './command';

/** While any member's alarm is up: CORRUPT refuses all changes of keys and leases, NOSPACE those that take space. */
export class AlarmGuard implements Applier {
  constructor(
    private readonly state: ReplicatedState,
    private readonly next: Applier,
  ) {}

  apply(command: Command, position: Position): ApplyOutcome {
    const error = this.state.alarms.list(Alarm.NONE).length === 0 ? undefined : this.check(command);
    return error === undefined ? this.next.apply(command, position) : refused(error);
  }

  private check(command: Command): CatalogueError | undefined {
    const { alarms } = this.state;
    if (alarms.has(Alarm.CORRUPT) && isDataChange(command.kind)) return Errors.Corrupt;
    if (alarms.has(Alarm.NOSPACE) && takesSpace(command)) return Errors.NoSpace;
    return undefined;
  }
}

/** Changes of keys and leases: what etcd refuses while the state is corrupt. */
export function isDataChange(kind: number): boolean {
  return kind >= EntryKind.ENTRY_PUT && kind <= EntryKind.ENTRY_LEASE_REVOKE;
}

function takesSpace(command: Command): boolean {
  if (command.kind === EntryKind.ENTRY_TXN) return hasPuts(command.request);
  return command.kind === EntryKind.ENTRY_PUT || command.kind === EntryKind.ENTRY_LEASE_GRANT;
}

/** In either branch, at any depth. */
function hasPuts(txn: TxnRequest): boolean {
  return txn.success.some(isPut) || txn.failure.some(isPut);
}

function isPut(op: RequestOp): boolean {
  return op.requestPut !== undefined || (op.requestTxn !== undefined && hasPuts(op.requestTxn));
}
