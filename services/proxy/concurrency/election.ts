import { Errors } from '../../../libs/errors';
import type { ResponseHeader, TxnResponse } from '../../../proto/gen/etcdserverpb';
import type { KeyValue } from '../../../proto/gen/mvccpb';
import {
  decodeCampaignRequest,
  decodeLeaderRequest,
  decodeProclaimRequest,
  decodeResignRequest,
  ELECTION_PATHS,
  encodeCampaignResponse,
  encodeLeaderResponse,
  encodeProclaimResponse,
  encodeResignResponse,
  type LeaderKey,
} from '../../../proto/gen/v3electionpb';
import { isRefused } from '../auth/authenticator';
import type { StreamRequest } from '../requests';
import type { Router, Routes } from '../router';
import { cancellationOfStream } from './cancellation';
import { EventType } from './event-type';
import { ignoreRefusal, refusalOf, unaryFlow } from './flow';
import {
  createdAt,
  firstOfQueue,
  NO_END,
  prefixEnd,
  queueKey,
  queuePrefix,
  SESSION_TTL_SECONDS,
  waitForTurn,
} from './queue';
import { Refusal } from './refusal';
import { StoreClient, type StoreClientOptions } from './store-client';

/** v3electionpb.Election, on the edge's own key-value and watch paths. */
export function electionRoutes(options: StoreClientOptions, router: Router): Routes {
  return {
    unary: {
      [ELECTION_PATHS.Campaign]: unaryFlow(options, async (store, body) => {
        const { name, lease, value } = decodeCampaignRequest(body);
        const { header, leader } = await campaign(store, name, lease, value);
        return encodeCampaignResponse({ header, leader });
      }),
      [ELECTION_PATHS.Proclaim]: unaryFlow(options, async (store, body) => {
        const { leader, value } = decodeProclaimRequest(body);
        return encodeProclaimResponse({ header: (await proclaim(store, required(leader), value)).header });
      }),
      [ELECTION_PATHS.Leader]: unaryFlow(options, async (store, body) => {
        const { header, kvs } = await store.range(firstOfQueue(queuePrefix(decodeLeaderRequest(body).name)));
        if (kvs[0] === undefined) throw new Refusal(Errors.ElectionNoLeader);
        return encodeLeaderResponse({ header, kv: kvs[0] });
      }),
      [ELECTION_PATHS.Resign]: unaryFlow(options, async (store, body) => {
        const leader = required(decodeResignRequest(body).leader);
        return encodeResignResponse({ header: (await resign(store, leader)).header });
      }),
    },
    stream: {
      [ELECTION_PATHS.Observe]: {
        type: 'server_stream',
        handle: (request) => request.onMessage((message) => startObserving(options, router, request, message)),
      },
    },
  };
}

function required(leader: LeaderKey | undefined): LeaderKey {
  if (leader === undefined) throw new Refusal(Errors.ElectionNoLeaderKey);
  return leader;
}

async function campaign(
  store: StoreClient,
  name: Uint8Array,
  leaseGiven: bigint,
  value: Uint8Array,
): Promise<{ header: ResponseHeader | undefined; leader: LeaderKey }> {
  const lease = leaseGiven === 0n ? await store.grantLease(SESSION_TTL_SECONDS) : leaseGiven;
  const prefix = queuePrefix(name);
  const key = queueKey(prefix, lease);
  const queued = await store.txn({
    compare: [createdAt(key, 0)],
    success: [{ requestPut: { key, value, lease } }],
    failure: [{ requestRange: { key } }],
  });
  const mine = queued.responses[0]?.responseRange?.kvs[0];
  const rev = queued.succeeded ? (queued.header?.revision ?? 0) : (mine?.createRevision ?? 0);
  const leader: LeaderKey = { name, key, rev, lease };
  try {
    if (mine !== undefined && Buffer.compare(mine.value, value) !== 0) await proclaim(store, leader, value);
    await waitForTurn(store, prefix, Number(rev) - 1);
  } catch (error) {
    await resign(store.withoutCancellation(), leader).catch(ignoreRefusal);
    throw error;
  }
  return { header: queued.header, leader };
}

async function proclaim(store: StoreClient, { key, rev, lease }: LeaderKey, value: Uint8Array): Promise<TxnResponse> {
  const done = await store.txn({ compare: [createdAt(key, rev)], success: [{ requestPut: { key, value, lease } }] });
  if (!done.succeeded) throw new Refusal(Errors.ElectionNotLeader);
  return done;
}

function resign(store: StoreClient, { key, rev }: LeaderKey): Promise<TxnResponse> {
  return store.txn({ compare: [createdAt(key, rev)], success: [{ requestDeleteRange: { key } }] });
}

function startObserving(
  options: StoreClientOptions,
  router: Router,
  request: StreamRequest,
  message: Uint8Array,
): void {
  const { metadata, connection } = request.call;
  router.identify(metadata, connection, (identity) => {
    if (isRefused(identity)) {
      request.end(identity);
      return;
    }
    const store = new StoreClient(options, identity, cancellationOfStream(request));
    observe(store, request, message).catch((error: unknown) => request.end(refusalOf(error)));
  });
}

/** Tells each leader and each of its proclamations, in order. */
async function observe(store: StoreClient, request: StreamRequest, message: Uint8Array): Promise<void> {
  const prefix = queuePrefix(decodeLeaderRequest(message).name);
  const tell = (header: ResponseHeader | undefined, kv: KeyValue): void => {
    request.send(encodeLeaderResponse({ header, kv }));
  };
  while (!request.closed) {
    const found = await store.range(firstOfQueue(prefix));
    const [first] = found.kvs;
    const revision = Number(found.header?.revision ?? 0);
    const kv = first ?? (await firstPut(store, prefix, revision));
    tell(first === undefined ? withRevision(found.header, kv.modRevision) : found.header, kv);
    const from = first === undefined ? Number(kv.modRevision) : revision;
    await untilDeleted(store, kv.key, from + 1, tell);
  }
}

async function firstPut(store: StoreClient, prefix: Uint8Array, startRevision: number): Promise<KeyValue> {
  const watch = store.watch(prefix, prefixEnd(prefix), startRevision);
  try {
    for (;;) {
      const { events } = await watch.next();
      const put = events.find((event) => event.type === EventType.Put);
      if (put?.kv !== undefined) return put.kv;
    }
  } finally {
    watch.close();
  }
}

async function untilDeleted(
  store: StoreClient,
  key: Uint8Array,
  startRevision: number,
  tell: (header: ResponseHeader | undefined, kv: KeyValue) => void,
): Promise<void> {
  const watch = store.watch(key, NO_END, startRevision);
  try {
    for (;;) {
      const { header, events } = await watch.next();
      for (const { type, kv } of events) {
        if (type === EventType.Delete) return;
        if (kv !== undefined) tell(withRevision(header, kv.modRevision), kv);
      }
    }
  } finally {
    watch.close();
  }
}

function withRevision(header: ResponseHeader | undefined, revision: number | bigint): ResponseHeader | undefined {
  return header === undefined ? undefined : { ...header, revision };
}
