import { holds } from './compare';
import { failed, findRange, withoutValue } from './range';
import type {
  DeleteRangeRequest,
  DeleteRangeResult,
  MvccError,
  Outcome,
  PutRequest,
  PutResult,
  RangeQuery,
  RangeResult,
  RequestOp,
  ResponseOp,
  TxnRequest,
  TxnResult,
  WriteHooks,
} from './types';
import type { Versions } from './versions';
import type { Writer } from './writer';

/**
 * A transaction in three steps, as in etcd: choose the branches (of nested transactions too, all by the state before),
 * check every chosen operation against that state, so that a refusal comes before any change, then execute.
 */
interface Chosen {
  readonly succeeded: boolean;
  readonly ops: readonly RequestOp[];
  /** The choices of nested transactions, by index of their operation. */
  readonly nested: ReadonlyMap<number, Chosen>;
}

export function choose(versions: Versions, txn: TxnRequest): Chosen {
  const succeeded = txn.compare.every((compare) => holds(versions, compare));
  const ops = succeeded ? txn.success : txn.failure;
  const nested = new Map<number, Chosen>();
  ops.forEach((op, index) => {
    if (op.requestTxn !== undefined) nested.set(index, choose(versions, op.requestTxn));
  });
  return { succeeded, ops, nested };
}

/** Why the chosen operations can't run; undefined when they can. */
export function refusalOf(versions: Versions, chosen: Chosen, hooks: WriteHooks): MvccError | undefined {
  for (const [index, op] of chosen.ops.entries()) {
    const nested = chosen.nested.get(index);
    const error = nested === undefined ? refusalOfOp(versions, op, hooks) : refusalOf(versions, nested, hooks);
    if (error !== undefined) return error;
  }
  return undefined;
}

function refusalOfOp(versions: Versions, op: RequestOp, hooks: WriteHooks): MvccError | undefined {
  if (op.requestRange !== undefined) return refusalOfRange(versions, op.requestRange);
  if (op.requestPut !== undefined) return refusalOfPut(versions, op.requestPut, hooks);
  // Neither a known operation: etcd calls it a key that is not found.
  return op.requestDeleteRange === undefined ? 'key-not-found' : undefined;
}

function refusalOfRange(versions: Versions, { revision, sortOrder, sortTarget }: RangeQuery): MvccError | undefined {
  if (sortOrder < 0 || sortOrder > 2 || sortTarget < 0 || sortTarget > 4) return 'invalid-sort-option';
  if (revision == 0) return undefined;
  if (revision > versions.revision) return 'future-revision';
  return revision < versions.compactRevision ? 'compacted' : undefined;
}

export function refusalOfPut(versions: Versions, put: PutRequest, hooks: WriteHooks): MvccError | undefined {
  if (put.key.length === 0) return 'empty-key';
  if (put.lease !== 0n && !hooks.leaseExists(put.lease)) return 'lease-not-found';
  if (!put.ignoreValue && !put.ignoreLease) return undefined;
  const last = versions.latest(put.key);
  return last === undefined || last.isDelete ? 'key-not-found' : undefined;
}

/** Runs what `refusalOf` has passed. */
export function execute(versions: Versions, writer: Writer, chosen: Chosen): TxnResult {
  const responses = chosen.ops.map((op, index): ResponseOp => {
    const nested = chosen.nested.get(index);
    if (nested !== undefined) return { responseTxn: execute(versions, writer, nested) };
    if (op.requestRange !== undefined) return { responseRange: rangeIn(versions, writer, op.requestRange) };
    if (op.requestPut !== undefined) return { responsePut: executePut(versions, writer, op.requestPut) };
    if (op.requestDeleteRange !== undefined)
      return { responseDeleteRange: executeDelete(writer, op.requestDeleteRange) };
    return {};
  });
  return { header: {}, succeeded: chosen.succeeded, responses };
}

function rangeIn(versions: Versions, writer: Writer, query: RangeQuery): RangeResult {
  const result = rangeResult(versions, query, writer.current);
  // The revision was checked before anything changed, and revisions only grow.
  if (!result.ok) throw new Error(`store invariant broken: a checked range failed with ${result.error}`);
  return result.value;
}

export function rangeResult(versions: Versions, query: RangeQuery, current: number): Outcome<RangeResult> {
  const found = findRange(versions, query, current);
  if (!found.ok) return failed(found.error);
  const { versions: kept, more, count } = found.value;
  return {
    ok: true,
    value: { header: { revision: current }, kvs: query.keysOnly ? kept.map(withoutValue) : kept, more, count },
  };
}

export function executePut(versions: Versions, writer: Writer, put: PutRequest): PutResult {
  let { value, lease } = put;
  if (put.ignoreValue || put.ignoreLease) {
    const last = versions.latest(put.key);
    if (put.ignoreValue && last !== undefined) value = last.value;
    if (put.ignoreLease) lease = last?.lease ?? 0n;
  }
  const previous = writer.put(put.key, value, lease);
  return { header: { revision: writer.current }, prevKv: put.prevKv ? previous : undefined };
}

export function executeDelete(writer: Writer, request: DeleteRangeRequest): DeleteRangeResult {
  const deleted = writer.deleteRange(request.key, request.rangeEnd);
  return { header: { revision: writer.current }, deleted: deleted.length, prevKvs: request.prevKv ? deleted : [] };
}
