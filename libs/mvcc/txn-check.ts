import { compareBytes } from './bytes';
import type { MvccError, PutRequest, RequestOp, TxnRequest } from './types';

/**
 * etcd's checks of a request that need no state, in etcd's order. `opsMax` is --max-txn-ops; a nested transaction may
 * have what its parent leaves over.
 */
export function checkTxn(txn: TxnRequest, opsMax: number): MvccError | undefined {
  return checkShape(txn, opsMax) ?? checkBranch(txn.success).error ?? checkBranch(txn.failure).error;
}

export function checkPut(put: PutRequest): MvccError | undefined {
  if (put.key.length === 0) return 'empty-key';
  if (put.ignoreValue && put.value.length > 0) return 'value-provided';
  return put.ignoreLease && put.lease !== 0n ? 'lease-provided' : undefined;
}

function checkShape(txn: TxnRequest, opsMax: number): MvccError | undefined {
  const ops = Math.max(txn.compare.length, txn.success.length, txn.failure.length);
  if (ops > opsMax) return 'too-many-ops';
  for (const compare of txn.compare) if (compare.key.length === 0) return 'empty-key';
  for (const op of [...txn.success, ...txn.failure]) {
    const error = checkOp(op, opsMax - ops);
    if (error !== undefined) return error;
  }
  return undefined;
}

function checkOp(op: RequestOp, opsLeft: number): MvccError | undefined {
  const { requestRange: range, requestPut, requestDeleteRange, requestTxn } = op;
  if (range !== undefined) {
    if (range.key.length === 0) return 'empty-key';
    const isSortKnown = range.sortOrder >= 0 && range.sortOrder <= 2 && range.sortTarget >= 0 && range.sortTarget <= 4;
    return isSortKnown ? undefined : 'invalid-sort-option';
  }
  if (requestPut !== undefined) return checkPut(requestPut);
  if (requestDeleteRange !== undefined) return requestDeleteRange.key.length === 0 ? 'empty-key' : undefined;
  return requestTxn === undefined ? 'key-not-found' : checkShape(requestTxn, opsLeft);
}

interface Touched {
  readonly puts: Uint8Array[];
  readonly deletes: { key: Uint8Array; rangeEnd: Uint8Array }[];
  error: MvccError | undefined;
}

/** No key may be put twice, or put and deleted, within one branch; of a nested transaction both branches count. */
function checkBranch(ops: readonly RequestOp[]): Touched {
  const all: Touched = { puts: [], deletes: [], error: undefined };
  for (const op of ops) {
    if (op.requestPut !== undefined) add(all, { puts: [op.requestPut.key], deletes: [], error: undefined });
    else if (op.requestDeleteRange !== undefined)
      add(all, { puts: [], deletes: [op.requestDeleteRange], error: undefined });
    else if (op.requestTxn !== undefined) {
      // The two branches exclude each other, so they are not held against one another.
      const success = checkBranch(op.requestTxn.success);
      const failure = checkBranch(op.requestTxn.failure);
      const both: Touched = {
        puts: [...success.puts, ...failure.puts],
        deletes: [...success.deletes, ...failure.deletes],
        error: success.error ?? failure.error,
      };
      add(all, both);
    }
    if (all.error !== undefined) return all;
  }
  return all;
}

function add(all: Touched, more: Touched): void {
  const isTwice =
    more.puts.some(
      (key) =>
        all.puts.some((other) => compareBytes(key, other) === 0) || all.deletes.some((range) => covers(range, key)),
    ) || all.puts.some((key) => more.deletes.some((range) => covers(range, key)));
  all.error ??= more.error ?? (isTwice ? 'duplicate-key' : undefined);
  all.puts.push(...more.puts);
  all.deletes.push(...more.deletes);
}

function covers({ key, rangeEnd }: { key: Uint8Array; rangeEnd: Uint8Array }, put: Uint8Array): boolean {
  if (rangeEnd.length === 0) return compareBytes(key, put) === 0;
  if (compareBytes(put, key) < 0) return false;
  return (rangeEnd.length === 1 && rangeEnd[0] === 0) || compareBytes(put, rangeEnd) < 0;
}
