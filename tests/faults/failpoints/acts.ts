import type { FailpointName } from '../../../libs/failpoints';
import {
  CLUSTER_PATHS,
  decodeLeaseGrantResponse,
  decodeMemberListResponse,
  decodeRangeResponse,
  encodeLeaseGrantRequest,
  encodeLeaseKeepAliveRequest,
  encodeLeaseTimeToLiveRequest,
  encodeMemberListRequest,
  encodeMemberUpdateRequest,
  encodeRangeRequest,
  encodeWatchRequest,
  KV_PATHS,
  LEASE_PATHS,
  WATCH_PATHS,
} from '../../../proto/gen/etcdserverpb';
import type { MemberClient } from '../client';

/** What a client does, besides writing, to lead a member to a point; done again and again until the member is dead. */
export type Act = (client: MemberClient) => Promise<void>;

const TIMEOUT_MS = 2_000;
/** So many of the last revisions the load leaves uncompacted. */
const NOT_COMPACTED = 100;

/** Opens a stream, sends, and waits for one answer or the end. */
function exchange(client: MemberClient, path: string, messages: readonly Uint8Array[], answers: number): Promise<void> {
  return new Promise((resolve) => {
    let left = answers;
    const timer = setTimeout(() => stream.cancel(), TIMEOUT_MS);
    const end = (): void => {
      clearTimeout(timer);
      resolve();
    };
    const stream = client.stream(
      path,
      () => {
        left -= 1;
        if (left === 0) stream.cancel();
      },
      end,
    );
    for (const message of messages) stream.send(message);
  });
}

/** A watch from an old revision, which has to catch up, and a request for its progress. */
const watch: Act = async (client) => {
  const keys = { key: Buffer.from('w/'), rangeEnd: Buffer.from('w0') };
  const answer = await client.call(KV_PATHS.Range, encodeRangeRequest({ ...keys, countOnly: true }), TIMEOUT_MS);
  const revision = answer.ok ? Number(decodeRangeResponse(answer.bytes).header?.revision) : 0;
  const startRevision = Math.max(1, revision - NOT_COMPACTED);
  const create = encodeWatchRequest({ createRequest: { ...keys, startRevision } });
  await exchange(client, WATCH_PATHS.Watch, [create, encodeWatchRequest({ progressRequest: {} })], 20);
};

const rangeStream: Act = (client) => {
  const range = encodeRangeRequest({ key: Buffer.from('w/'), rangeEnd: Buffer.from('w0') });
  return exchange(client, KV_PATHS.RangeStream, [range], 2);
};

async function lease(client: MemberClient): Promise<bigint | undefined> {
  const answer = await client.call(LEASE_PATHS.LeaseGrant, encodeLeaseGrantRequest({ TTL: 600 }), TIMEOUT_MS);
  return answer.ok ? decodeLeaseGrantResponse(answer.bytes).ID : undefined;
}

const keepAlive: Act = async (client) => {
  const ID = await lease(client);
  if (ID !== undefined) await exchange(client, LEASE_PATHS.LeaseKeepAlive, [encodeLeaseKeepAliveRequest({ ID })], 1);
};

const timeToLive: Act = async (client) => {
  const ID = await lease(client);
  if (ID !== undefined)
    await client.call(LEASE_PATHS.LeaseTimeToLive, encodeLeaseTimeToLiveRequest({ ID }), TIMEOUT_MS);
};

/** Gives a member the peer URLs that it has: a change of the configuration that changes nothing. */
const updateMember: Act = async (client) => {
  const answer = await client.call(CLUSTER_PATHS.MemberList, encodeMemberListRequest({}), TIMEOUT_MS);
  const [member] = answer.ok ? decodeMemberListResponse(answer.bytes).members : [];
  if (member === undefined) return;
  const { ID, peerURLs } = member;
  await client.call(CLUSTER_PATHS.MemberUpdate, encodeMemberUpdateRequest({ ID, peerURLs }), TIMEOUT_MS);
};

/** Points that writes alone do not lead to. */
export const ACTS: Readonly<Partial<Record<FailpointName, Act>>> = {
  beforeSendWatchResponse: watch,
  beforeSyncWatchers: watch,
  beforeProgressIfSync: watch,
  beforeRangeStreamChunk: rangeStream,
  beforeCheckpointInLeaseRenew: keepAlive,
  beforeServeHTTPLeaseRenew: keepAlive,
  beforeLookupWhenLeaseTimeToLive: timeToLive,
  beforeLookupWhenForwardLeaseTimeToLive: timeToLive,
  raftBeforeApplyConfChange: updateMember,
  raftAfterApplyConfChange: updateMember,
  beforeApplyOneConfChange: updateMember,
  raftBeforeSaveMembers: updateMember,
  raftAfterSaveMembers: updateMember,
};
