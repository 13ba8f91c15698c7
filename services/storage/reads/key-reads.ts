import { Errors, UNCATALOGUED_ID } from '../../../libs/errors';
import type { Outcome, Store } from '../../../libs/mvcc';
import { authoriseRead, authoriseTxn } from '../../../libs/rbac';
import type { BatchCall, BatchPeer } from '../../../libs/rpc';
import {
  decodeRangeRequest,
  decodeTxnRequest,
  encodeRangeRequest,
  type RangeRequest,
  type TxnRequest,
  writeTxnResponse,
} from '../../../proto/gen/etcdserverpb';
import { encodeLargeRange, StorageMethod } from '../../../proto/gen/hexad';
import { limits, tooLarge } from '../limits';
import { mvccError } from '../mvcc-errors';
import { nextTurn } from './next-turn';
import { failedLater, refusedRead, type ReadContext, type ReadEntry } from './read-context';

export function keyReads(context: ReadContext): ReadEntry[] {
  return [
    [StorageMethod.STORAGE_RANGE, (call, peer) => range(context, call, peer)],
    [StorageMethod.STORAGE_TXN, (call, peer) => txn(context, call, peer)],
  ];
}

/** The answer's bytes come from the store as they are: no object is made of a key. */
function range(context: ReadContext, call: BatchCall, peer: BatchPeer): void {
  const { state, headers } = context;
  const request = decodeRangeRequest(call.payload);
  const { auth, store } = state;
  if (request.key.length === 0) {
    peer.reply(call.id, Errors.EmptyKey.id);
    return;
  }
  if (auth.enabled && refusedRead(call, peer, authoriseRead(auth, call, request.key, request.rangeEnd))) return;
  const { revision } = store;
  const answer = (outcome: Outcome<Uint8Array>): void => {
    if (outcome.ok) replyIfItFits(call, peer, outcome.value);
    else if (outcome.error === 'too-large')
      peer.reply(call.id, Errors.LargeAnswer.id, largeRange(request, revision, store));
    else peer.reply(call.id, mvccError(outcome.error).id);
  };
  const outcome = store.rangeSliced(
    request,
    headers.encoded(store.revision, store.applied.term),
    nextTurn,
    limits.replyBytesMax,
  );
  // Only a range of many keys takes more than this turn.
  if ('ok' in outcome) answer(outcome);
  else void outcome.then(answer).catch(failedLater(context, call, peer));
}

/** How the proxy asks for the answer in parts: what was asked, at the revision at which it was asked. */
function largeRange(request: RangeRequest, current: number, { applied }: Store): Uint8Array {
  const revision = request.revision > 0 ? request.revision : current;
  return encodeLargeRange({
    request: encodeRangeRequest({ ...request, revision }),
    headerRevision: current,
    requiredIndex: applied.index,
  });
}

function replyIfItFits(call: BatchCall, peer: BatchPeer, response: Uint8Array): void {
  if (response.length <= limits.responseBytesMax) peer.reply(call.id, 0, response);
  else peer.reply(call.id, UNCATALOGUED_ID, undefined, tooLarge(response.length));
}

const NO_LEASES = { leaseExists: (): boolean => false };

function txn({ state, headers, keysOfLease }: ReadContext, call: BatchCall, peer: BatchPeer): void {
  const request = decodeTxnRequest(call.payload);
  const { auth, store } = state;
  if (!isReadOnly(request)) {
    peer.reply(call.id, Errors.UnknownMethod.id);
    return;
  }
  if (refusedRead(call, peer, authoriseTxn(auth, call, request, keysOfLease))) return;
  const outcome = store.txn(request, NO_LEASES);
  if (!outcome.ok) {
    peer.reply(call.id, mvccError(outcome.error).id);
    return;
  }
  const { succeeded, responses } = outcome.value.response;
  const body = { succeeded, responses };
  replyIfItFits(call, peer, headers.response(writeTxnResponse, body, store.revision, store.applied.term));
}

/** Only direct ranges, as in etcd: a nested transaction goes through the log. */
function isReadOnly(request: TxnRequest): boolean {
  return [...request.success, ...request.failure].every(
    (op) => op.requestPut === undefined && op.requestDeleteRange === undefined && op.requestTxn === undefined,
  );
}
