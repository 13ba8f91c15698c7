/**
 * Whether a branch of a transaction writes a key twice. The bytes have been scanned before: they are well formed.
 *
 * etcd's rule, its blind spots included, since a request that etcd takes must be taken: within a branch no key is put
 * twice, nor put if a delete of the branch covers it; a nested transaction counts with both of its branches, whose puts may
 * be the same. A delete in a later nested transaction is not held against the puts of an earlier one, and a delete to the
 * end of the key space ("\0") covers nothing here.
 */
import { Reader } from '../wire';
import { CoveredKeys, type KeyRange } from './covered-keys';
import { DELETE_RANGE_TAG, FAILURE_TAG, KEY_TAG, PUT_TAG, RANGE_END_TAG, SUCCESS_TAG, TXN_TAG } from './op-tags';

/** Keys as in CoveredKeys. */
interface Writes {
  readonly puts: Set<string>;
  readonly deletes: CoveredKeys;
}

/** An operation's member: its tag and its bytes. */
interface Op {
  readonly tag: number;
  readonly body: Uint8Array;
}

/** `txn` is a TxnRequest, `branchTag` one of its two lists. */
export function branchConflict(txn: Uint8Array, branchTag: number): boolean {
  return writesOf(txn, branchTag) === undefined;
}

/** What a branch writes, or undefined if it writes a key twice. */
function writesOf(txn: Uint8Array, branchTag: number): Writes | undefined {
  const ops = opsOf(txn, branchTag);
  const ownDeletes = ops.filter(({ tag }) => tag === DELETE_RANGE_TAG).map(({ body }) => rangeOf(body));
  let writes: Writes | undefined = { puts: new Set(), deletes: CoveredKeys.of(ownDeletes) };
  for (const { tag, body } of ops) {
    if (tag !== TXN_TAG) continue;
    writes = withNested(writes, body);
    if (writes === undefined) return undefined;
  }
  for (const { tag, body } of ops) {
    if (tag !== PUT_TAG) continue;
    const key = textOf(fieldOf(body, KEY_TAG));
    if (writes.puts.has(key) || writes.deletes.has(key)) return undefined;
    writes.puts.add(key);
  }
  return writes;
}

/** `outer` and what a nested transaction writes; undefined if they conflict. `outer` is used up. */
function withNested(outer: Writes, txn: Uint8Array): Writes | undefined {
  const onSuccess = writesOf(txn, SUCCESS_TAG);
  if (onSuccess === undefined) return undefined;
  const onFailure = writesOf(txn, FAILURE_TAG);
  if (onFailure === undefined) return undefined;
  // Only one of the two branches runs, so a put in both is no conflict.
  const nested = merged(onSuccess.puts, onFailure.puts);
  for (const key of nested) if (outer.puts.has(key) || outer.deletes.has(key)) return undefined;
  const deletes = outer.deletes.union(onSuccess.deletes).union(onFailure.deletes);
  return { puts: merged(outer.puts, nested), deletes };
}

/** The union of two sets; the smaller is added to the larger. */
function merged(a: Set<string>, b: Set<string>): Set<string> {
  const [small, large] = a.size < b.size ? [a, b] : [b, a];
  for (const key of small) large.add(key);
  return large;
}

function rangeOf(deleteRange: Uint8Array): KeyRange {
  const begin = textOf(fieldOf(deleteRange, KEY_TAG));
  const end = textOf(fieldOf(deleteRange, RANGE_END_TAG));
  return [begin, end === '' ? `${begin}\0` : end];
}

function opsOf(txn: Uint8Array, branchTag: number): Op[] {
  const ops: Op[] = [];
  const reader = new Reader(txn);
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if (tag === branchTag) ops.push(memberOf(reader.bytes()));
    else reader.skip(tag);
  }
  return ops;
}

/** The last member of the oneof. */
function memberOf(op: Uint8Array): Op {
  const reader = new Reader(op);
  let member: Op = { tag: 0, body: op };
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if ((tag & 7) === 2 && tag <= TXN_TAG) member = { tag, body: reader.bytes() };
    else reader.skip(tag);
  }
  return member;
}

/** The last value of a bytes field; empty if there is none. */
function fieldOf(message: Uint8Array, fieldTag: number): Uint8Array {
  const reader = new Reader(message);
  let value = message.subarray(0, 0);
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if (tag === fieldTag) value = reader.bytes();
    else reader.skip(tag);
  }
  return value;
}

function textOf(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i++) text += String.fromCharCode(bytes[i] as number);
  return text;
}
