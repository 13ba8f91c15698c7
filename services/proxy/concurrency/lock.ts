import { Errors } from '../../../libs/errors';
import type { ResponseHeader } from '../../../proto/gen/etcdserverpb';
import {
  decodeLockRequest,
  decodeUnlockRequest,
  encodeLockResponse,
  encodeUnlockResponse,
  LOCK_PATHS,
} from '../../../proto/gen/v3lockpb';
import { checkCancelled } from './cancellation';
import { createdAt, firstOfQueue, queueKey, queuePrefix, SESSION_TTL_SECONDS, waitForTurn } from './queue';
import { ignoreRefusal, unaryFlow } from './flow';
import { Refusal } from './refusal';
import type { StoreClient, StoreClientOptions } from './store-client';
import type { Routes } from '../router';

/** v3lockpb.Lock, on the edge's own key-value and watch paths. */
export function lockRoutes(options: StoreClientOptions): Routes {
  return {
    unary: {
      [LOCK_PATHS.Lock]: unaryFlow(options, async (store, body) => {
        const { name, lease } = decodeLockRequest(body);
        return encodeLockResponse(await lock(store, name, lease));
      }),
      [LOCK_PATHS.Unlock]: unaryFlow(options, async (store, body) => {
        const { header } = await store.delete(decodeUnlockRequest(body).key);
        return encodeUnlockResponse({ header });
      }),
    },
  };
}

async function lock(
  store: StoreClient,
  name: Uint8Array,
  leaseGiven: bigint,
): Promise<{ header: ResponseHeader | undefined; key: Uint8Array }> {
  const lease = leaseGiven === 0n ? await store.grantLease(SESSION_TTL_SECONDS) : leaseGiven;
  const prefix = queuePrefix(name);
  const key = queueKey(prefix, lease);
  const owner = { requestRange: firstOfQueue(prefix) };
  const queued = await store.txn({
    compare: [createdAt(key, 0)],
    success: [{ requestPut: { key, lease } }, owner],
    failure: [{ requestRange: { key } }, owner],
  });
  const [mine, first] = queued.responses;
  const revision = queued.succeeded
    ? (queued.header?.revision ?? 0)
    : (mine?.responseRange?.kvs[0]?.createRevision ?? 0);
  const holder = first?.responseRange?.kvs[0];
  if (holder === undefined || holder.createRevision === revision) return { header: queued.header, key };
  try {
    await waitForTurn(store, prefix, Number(revision) - 1);
    const still = await store.range({ key });
    if (still.kvs.length === 0) throw new Refusal(Errors.SessionExpired);
    checkCancelled(store.cancellation);
    return { header: still.header, key };
  } catch (error) {
    // Whoever gave up must not block the queue. Without a store to tell it to, the lease does it.
    if (!isExpired(error)) await store.withoutCancellation().delete(key).catch(ignoreRefusal);
    throw error;
  }
}

function isExpired(error: unknown): boolean {
  return error instanceof Refusal && error.error === Errors.SessionExpired;
}
