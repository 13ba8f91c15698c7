import { Errors, errorById, GrpcCode, type RpcError } from '../../libs/errors';
import type { Channel } from '../../libs/rpc';
import {
  decodeAlarmRequest,
  decodeDowngradeRequest,
  decodeMoveLeaderRequest,
  DowngradeRequest_DowngradeAction as Action,
  encodeDefragmentResponse,
  encodeMoveLeaderResponse,
  encodeStatusResponse,
  MAINTENANCE_PATHS,
} from '../../proto/gen/etcdserverpb';
import {
  decodeRaftMoveLeaderResponse,
  decodeStorageStatus,
  encodeDefragmentCall,
  encodeRaftMoveLeaderRequest,
  EntryKind,
  RAFT_PATHS,
  STORAGE_PATHS,
  StorageMethod,
  type StorageStatus,
} from '../../proto/gen/hexad';
import type { Headers } from './headers';
import type { MemberView } from './member-view';
import type { ReadPipeline } from './reads';
import type { StreamRequest, UnaryRequest } from './requests';
import type { Routes, UnaryRoute } from './router';
import { type SnapshotOptions, streamSnapshot } from './snapshot';
import type { WritePipeline } from './writes';

export interface MaintenanceOptions extends SnapshotOptions {
  readonly writes: WritePipeline;
  readonly reads: ReadPipeline;
  readonly view: MemberView;
  readonly headers: Headers;
  readonly raft: Channel;
  readonly version: string;
  readonly timeoutMs: number;
}

const ALARM_GET = 0;
const UNKNOWN_METHOD: RpcError = { code: GrpcCode.Unknown, message: 'etcdserver: unknown method' };

/** etcdserverpb.Maintenance. */
export function maintenanceRoutes(options: MaintenanceOptions): Routes {
  const { reads, permissions } = options;
  const rootRead = (method: number): UnaryRoute => ({
    handle: (request) =>
      permissions.asRoot(request, () => reads.serializable(method, request.body, request.identity, request)),
  });
  return {
    unary: {
      [MAINTENANCE_PATHS.Alarm]: { handle: (request) => alarm(options, request) },
      [MAINTENANCE_PATHS.Status]: { learner: true, handle: (request) => status(options, request) },
      [MAINTENANCE_PATHS.Defragment]: {
        handle: (request) => permissions.asRoot(request, () => defragment(options, request)),
      },
      [MAINTENANCE_PATHS.Hash]: rootRead(StorageMethod.STORAGE_HASH),
      [MAINTENANCE_PATHS.HashKV]: rootRead(StorageMethod.STORAGE_HASH_KV),
      [MAINTENANCE_PATHS.MoveLeader]: {
        handle: (request) => permissions.asRoot(request, () => moveLeader(options, request)),
      },
      [MAINTENANCE_PATHS.Downgrade]: {
        handle: (request) => permissions.asRoot(request, () => downgrade(options, request)),
      },
    },
    stream: {
      [MAINTENANCE_PATHS.Snapshot]: {
        type: 'server_stream',
        learner: true,
        handle: (request: StreamRequest) => streamSnapshot(options, request),
      },
    },
  };
}

function alarm({ reads, writes }: MaintenanceOptions, request: UnaryRequest): void {
  const { body, identity } = request;
  if (decodeAlarmRequest(body).action === ALARM_GET) {
    reads.linearizable(StorageMethod.STORAGE_ALARM_GET, body, identity, request);
  } else writes.submit(EntryKind.ENTRY_ALARM, body, identity, request);
}

function status(options: MaintenanceOptions, request: UnaryRequest): void {
  options.reads.serializable(StorageMethod.STORAGE_STATUS, new Uint8Array(0), request.identity, {
    cancelled: false,
    fail: (error) => request.fail(error),
    reply: (bytes) => request.reply(statusResponse(options, decodeStorageStatus(bytes))),
  });
}

function statusResponse({ view, headers, version }: MaintenanceOptions, store: StorageStatus): Uint8Array {
  return encodeStatusResponse({
    header: { ...headers.withoutRevision(), revision: store.revision },
    version,
    dbSize: store.dbSize,
    dbSizeInUse: store.dbSizeInUse,
    dbSizeQuota: store.quota,
    leader: view.leaderId,
    raftIndex: Math.max(view.commitIndex, store.appliedIndex),
    raftTerm: view.term,
    raftAppliedIndex: store.appliedIndex,
    errors: view.hasLeader ? store.errors : [Errors.NoLeader.message, ...store.errors],
    isLearner: view.isLearner,
    storageVersion: store.storageVersion,
    downgradeInfo: { enabled: store.downgradeTarget !== '', targetVersion: store.downgradeTarget },
  });
}

/** It takes as long as it takes, on a connection of its own; the client's deadline is the only one. */
function defragment({ dialStorage }: MaintenanceOptions, request: UnaryRequest): void {
  const storage = dialStorage();
  storage.unary(STORAGE_PATHS.Defragment, encodeDefragmentCall({}), {}, (result) => {
    storage.close();
    if (result.ok) request.reply(encodeDefragmentResponse({}));
    else request.fail(result.error);
  });
}

function moveLeader({ view, headers, raft, timeoutMs }: MaintenanceOptions, request: UnaryRequest): void {
  if (!view.isLeader) {
    request.fail(Errors.NotLeader);
    return;
  }
  const { targetID } = decodeMoveLeaderRequest(request.body);
  const target = view.members.get(targetID);
  if (target === undefined || target.isLearner) {
    request.fail(Errors.BadLeaderTransferee);
    return;
  }
  const body = encodeRaftMoveLeaderRequest({ targetId: targetID });
  raft.unary(RAFT_PATHS.MoveLeader, body, { timeoutMs }, (result) => {
    const error = result.ok ? decodeRaftMoveLeaderResponse(result.response).error : 0;
    if (!result.ok) request.fail(result.error.code === 4 ? Errors.TimeoutLeaderTransfer : result.error);
    else if (error !== 0) request.fail(errorById(error));
    else request.reply(encodeMoveLeaderResponse({ header: headers.current() }));
  });
}

/** Judged in storage: a question as a read, a change as an entry when it is applied. */
function downgrade({ reads, writes }: MaintenanceOptions, request: UnaryRequest): void {
  const { body, identity } = request;
  const { action } = decodeDowngradeRequest(body);
  if (action === Action.VALIDATE) {
    reads.linearizable(StorageMethod.STORAGE_DOWNGRADE_VALIDATE, body, identity, request);
  } else if (action === Action.ENABLE || action === Action.CANCEL) {
    writes.submit(EntryKind.ENTRY_DOWNGRADE, body, identity, request);
  } else request.fail(UNKNOWN_METHOD);
}
