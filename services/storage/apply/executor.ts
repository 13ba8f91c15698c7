import { Errors } from '../../../libs/errors';
import type { Position, RevisionChanges } from '../../../libs/mvcc';
import type { Writer } from '../../../libs/wire';
import type { CompactionRequest, DeleteRangeRequest, PutRequest, TxnRequest } from '../../../proto/gen/etcdserverpb';
import { writeTxnResponse } from '../../../proto/gen/etcdserverpb';
import { EntryKind } from '../../../proto/gen/hexad';
import type { ResponseHeaders } from '../headers';
import { mvccError } from '../mvcc-errors';
import type { ReplicatedState } from '../state/state';
import { applyAlarm } from './alarms';
import { answered, done, refused, type Applier, type ApplyOutcome } from './applier';
import { AuthExecutor } from './auth';
import type { Command } from './command';
import { applyDowngrade } from './downgrade';
import type { FeedChanges } from './feed-changes';
import { LeaseExecutor } from './leases';
import { applyClusterVersion, applyMemberAttributes } from './members';
import { applyTokenAssign } from './tokens';

const PREV_KV_TAG = 0x12;
const DELETED_TAG = 0x10;
const PREV_KVS_TAG = 0x1a;

/** The end of the chain: carries the request out on the store and its tables. */
export class Executor implements Applier {
  private readonly leases: LeaseExecutor;
  private readonly auth: AuthExecutor;

  constructor(
    private readonly state: ReplicatedState,
    private readonly headers: ResponseHeaders,
    private readonly changes: FeedChanges,
  ) {
    this.leases = new LeaseExecutor(state, headers, changes);
    this.auth = new AuthExecutor(state, headers, changes);
  }

  apply(command: Command, position: Position): ApplyOutcome {
    switch (command.kind) {
      case EntryKind.ENTRY_PUT:
        return this.put(command.request, position.term);
      case EntryKind.ENTRY_DELETE_RANGE:
        return this.deleteRange(command.request, position.term);
      case EntryKind.ENTRY_TXN:
        return this.txn(command.request, position.term);
      case EntryKind.ENTRY_COMPACTION:
        return this.compact(command.request, position.term);
      case EntryKind.ENTRY_LEASE_GRANT:
        return this.leases.grant(command.request, position);
      case EntryKind.ENTRY_LEASE_REVOKE:
        return this.leases.revoke(command.request.ID, position);
      case EntryKind.ENTRY_LEASE_CHECKPOINT:
        return this.leases.checkpoint(command.request);
      case EntryKind.ENTRY_NOOP:
        return done();
      case EntryKind.ENTRY_ALARM:
        return applyAlarm(this.state, this.headers, this.changes, command.request, position);
      case EntryKind.ENTRY_TOKEN_ASSIGN:
        return applyTokenAssign(this.state, this.changes, command.request, position.index);
      case EntryKind.ENTRY_MEMBER_ATTRIBUTES:
        return applyMemberAttributes(this.state, this.changes, command.request);
      case EntryKind.ENTRY_CLUSTER_VERSION:
        return applyClusterVersion(this.state, this.changes, command.request.version);
      case EntryKind.ENTRY_DOWNGRADE:
        return applyDowngrade(this.state, this.headers, command.request, position.term);
      default:
        return this.auth.apply(command, position);
    }
  }

  private put(request: PutRequest, term: number): ApplyOutcome {
    const outcome = this.state.store.put(request, this.hooks);
    if (!outcome.ok) return refused(mvccError(outcome.error));
    const { response, made } = outcome.value;
    this.follow(made);
    const previous = request.prevKv ? made?.changes[0]?.previous : undefined;
    const { revision } = response.header;
    if (previous === undefined) return answered(this.headers.empty(revision, term), made);
    return answered(this.headers.response(writePrevKv, previous.kv, revision, term), made);
  }

  private deleteRange(request: DeleteRangeRequest, term: number): ApplyOutcome {
    const outcome = this.state.store.deleteRange(request);
    if (!outcome.ok) return refused(mvccError(outcome.error));
    const { response, made } = outcome.value;
    this.follow(made);
    const body: Deleted = { count: response.deleted, previous: request.prevKv ? made : undefined };
    return answered(this.headers.response(writeDeleted, body, response.header.revision, term), made);
  }

  private txn(request: TxnRequest, term: number): ApplyOutcome {
    const outcome = this.state.store.txn(request, this.hooks);
    if (!outcome.ok) return refused(mvccError(outcome.error));
    const { response, made } = outcome.value;
    this.follow(made);
    const { succeeded, responses, header } = response;
    const revision = header.revision ?? 0;
    return answered(this.headers.response(writeTxnResponse, { succeeded, responses }, revision, term), made);
  }

  private compact(request: CompactionRequest, term: number): ApplyOutcome {
    const revision = Number(request.revision);
    // A client's int64 beyond 2^53 is far above any revision, so the rounding above can't change the answer.
    if (request.revision > this.state.store.revision) return refused(Errors.FutureRev);
    const outcome = this.state.store.compact(revision);
    if (!outcome.ok) return refused(mvccError(outcome.error));
    const response = this.headers.empty(this.state.store.revision, term);
    return { error: undefined, response, made: undefined, afterCompaction: request.physical };
  }

  private get hooks(): { leaseExists(id: bigint): boolean } {
    return this.leases;
  }

  private follow(made: RevisionChanges | undefined): void {
    if (made !== undefined) this.state.leases.follow(made);
  }
}

interface Deleted {
  readonly count: number;
  /** Whose previous versions are part of the answer. */
  readonly previous: RevisionChanges | undefined;
}

/** Versions are stored as encoded mvccpb.KeyValue, so an answer takes their bytes as they are. */
function writePrevKv(w: Writer, kv: Uint8Array): void {
  w.bytes(kv);
  w.uint32(PREV_KV_TAG);
}

function writeDeleted(w: Writer, { count, previous }: Deleted): void {
  const changes = previous?.changes ?? [];
  for (let i = changes.length - 1; i >= 0; i--) {
    const kv = changes[i]?.previous?.kv;
    if (kv === undefined) continue;
    w.bytes(kv);
    w.uint32(PREV_KVS_TAG);
  }
  if (count === 0) return;
  w.int64(count);
  w.uint32(DELETED_TAG);
}
