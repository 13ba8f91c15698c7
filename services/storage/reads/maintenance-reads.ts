import { Errors } from '../../../libs/errors';
import { isLowerVersion } from '../../../libs/limits';
import { authoriseRoot } from '../../../libs/rbac';
import type { BatchCall, BatchPeer } from '../../../libs/rpc';
import {
  decodeDowngradeRequest,
  decodeHashKVRequest,
  writeDowngradeResponse,
  writeHashKVResponse,
  writeHashResponse,
} from '../../../proto/gen/etcdserverpb';
import type { Histogram } from '../../../libs/telemetry';
import { encodeStorageStatus, StorageMethod } from '../../../proto/gen/hexad';
import { downgradeAnswer, refusalOfDowngrade } from '../apply/downgrade';
import { mvccError } from '../mvcc-errors';
import { Alarm, type RaisedAlarm } from '../state/alarms';
import { nextTurn } from './next-turn';
import { failedLater, refusedRead, replyWith, type ReadContext, type ReadEntry } from './read-context';

/** Version of the storage schema as etcd names it. */
const STORAGE_VERSION = '3.7.0';

export function maintenanceReads(context: ReadContext): ReadEntry[] {
  return [
    [StorageMethod.STORAGE_STATUS, (call, peer) => status(context, call, peer)],
    [StorageMethod.STORAGE_DOWNGRADE_VALIDATE, (call, peer) => validateDowngrade(context, call, peer)],
    [StorageMethod.STORAGE_HASH, (call, peer) => hash(context, call, peer)],
    [StorageMethod.STORAGE_HASH_KV, (call, peer) => hashKv(context, call, peer)],
  ];
}

/** For processes of the member, which ask without a user; the proxy checks a client's rights before it asks. */
function status({ state, quotaBytes }: ReadContext, call: BatchCall, peer: BatchPeer): void {
  const { store, alarms } = state;
  const sizes = store.sizes();
  const payload = encodeStorageStatus({
    revision: store.revision,
    compactRevision: Math.max(0, store.compactRevision),
    appliedIndex: store.applied.index,
    durableIndex: store.durable.index,
    appliedTerm: store.applied.term,
    dbSize: sizes.file,
    dbSizeInUse: sizes.inUse,
    quota: quotaBytes,
    storageVersion: storageVersion(state.clusterVersion),
    clusterVersion: state.clusterVersion,
    downgradeTarget: state.downgradeTarget,
    errors: alarms.list(Alarm.NONE).map(alarmText),
  });
  peer.reply(call.id, 0, payload);
}

/** The schema follows the cluster back: from then on a member of that version can open the store. */
function storageVersion(clusterVersion: string): string {
  return clusterVersion !== '' && isLowerVersion(clusterVersion, STORAGE_VERSION) ? clusterVersion : STORAGE_VERSION;
}

function validateDowngrade(context: ReadContext, call: BatchCall, peer: BatchPeer): void {
  const { state } = context;
  if (refusedRead(call, peer, authoriseRoot(state.auth, call))) return;
  if (refusedRead(call, peer, refusalOfDowngrade(state, decodeDowngradeRequest(call.payload).version))) return;
  replyWith(context, call, peer, writeDowngradeResponse, downgradeAnswer(state));
}

function alarmText({ memberID, alarm }: RaisedAlarm): string {
  return `memberID:${memberID} alarm:${alarm === Alarm.NOSPACE ? 'NOSPACE' : 'CORRUPT'}`;
}

/** etcd's Hash covers its file's buckets and serves debugging only; here it is the hash of the keys' history. */
function hash(context: ReadContext, call: BatchCall, peer: BatchPeer): void {
  if (refusedRead(call, peer, authoriseRoot(context.state.auth, call))) return;
  answerLater(context, call, peer, 0, context.counts.hash, (result) =>
    replyWith(context, call, peer, writeHashResponse, { hash: result.hash }),
  );
}

function hashKv(context: ReadContext, call: BatchCall, peer: BatchPeer): void {
  if (refusedRead(call, peer, authoriseRoot(context.state.auth, call))) return;
  const { revision } = decodeHashKVRequest(call.payload);
  if (revision > context.state.store.revision) {
    peer.reply(call.id, Errors.FutureRev.id);
    return;
  }
  const { hashAtRevision } = context.counts;
  answerLater(context, call, peer, Math.max(0, Number(revision)), hashAtRevision, (result) =>
    replyWith(context, call, peer, writeHashKVResponse, result),
  );
}

interface HashResult {
  readonly hash: number;
  readonly compactRevision: number;
  readonly hashRevision: number;
}

/** Hashing reads everything, in slices between applies. */
function answerLater(
  context: ReadContext,
  call: BatchCall,
  peer: BatchPeer,
  revision: number,
  took: Histogram,
  answer: (result: HashResult) => void,
): void {
  const began = performance.now();
  void context.state.store
    .hashKv(revision, nextTurn)
    .then((outcome) => {
      took.observe((performance.now() - began) / 1000);
      if (outcome.ok) answer(outcome.value);
      else peer.reply(call.id, mvccError(outcome.error).id);
    })
    .catch(failedLater(context, call, peer));
}
