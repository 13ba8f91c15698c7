import type { RpcError } from '../../libs/errors';
import { KV_PATHS } from '../../proto/gen/etcdserverpb';
import { EntryKind, StorageMethod } from '../../proto/gen/hexad';
import { checkCompaction, checkDeleteRange, checkPut, checkRange, checkTxn } from '../../libs/request-check';
import { streamRange } from './range-stream';
import type { ReadPipeline } from './reads';
import type { UnaryRequest } from './requests';
import type { Router, Routes } from './router';
import type { WritePipeline } from './writes';

export interface KvOptions {
  readonly writes: WritePipeline;
  readonly reads: ReadPipeline;
  readonly router: Router;
  readonly maxTxnOps: number;
  readonly maxRequestBytes: number;
}

/** etcdserverpb.KV. */
export function kvRoutes(options: KvOptions): Routes {
  const { writes, reads, maxTxnOps } = options;
  return {
    unary: {
      [KV_PATHS.Range]: {
        handle: (request) => range(reads, request),
        learner: (request) => checkRange(request.body).serializable,
      },
      [KV_PATHS.Put]: {
        handle: (request) => submit(writes, EntryKind.ENTRY_PUT, checkPut(request.body), request),
      },
      [KV_PATHS.DeleteRange]: {
        handle: (request) => submit(writes, EntryKind.ENTRY_DELETE_RANGE, checkDeleteRange(request.body), request),
      },
      [KV_PATHS.Txn]: { handle: (request) => txn(writes, reads, maxTxnOps, request) },
      [KV_PATHS.Compact]: {
        handle: (request) => submit(writes, EntryKind.ENTRY_COMPACTION, checkCompaction(request.body), request),
      },
    },
    stream: {
      [KV_PATHS.RangeStream]: {
        type: 'server_stream',
        handle: (request) => streamRange(options, request),
      },
    },
  };
}

function submit(writes: WritePipeline, kind: number, error: RpcError | undefined, request: UnaryRequest): void {
  if (error === undefined) writes.submit(kind, request.body, request.identity, request);
  else request.fail(error);
}

function range(reads: ReadPipeline, request: UnaryRequest): void {
  const { error, serializable } = checkRange(request.body);
  if (error !== undefined) request.fail(error);
  else if (serializable) reads.serializable(StorageMethod.STORAGE_RANGE, request.body, request.identity, request);
  else reads.linearizable(StorageMethod.STORAGE_RANGE, request.body, request.identity, request);
}

function txn(writes: WritePipeline, reads: ReadPipeline, maxTxnOps: number, request: UnaryRequest): void {
  const shape = checkTxn(request.body, maxTxnOps);
  if (shape.error !== undefined) request.fail(shape.error);
  else if (!shape.readOnly) writes.submit(EntryKind.ENTRY_TXN, request.body, request.identity, request);
  else if (shape.serializable) reads.serializable(StorageMethod.STORAGE_TXN, request.body, request.identity, request);
  else reads.linearizable(StorageMethod.STORAGE_TXN, request.body, request.identity, request);
}
