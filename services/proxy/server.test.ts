import { Errors } from '../../libs/errors';
import { createLogger, type RunningProcess } from '../../libs/process';
import {
  AUTH_PATHS,
  CLUSTER_PATHS,
  decodeAuthUserAddRequest,
  decodeLeaseGrantRequest,
  decodeLeaseKeepAliveResponse,
  decodeLeaseTimeToLiveResponse,
  decodeRangeStreamResponse,
  decodeWatchResponse,
  encodeAuthenticateRequest,
  encodeAuthUserAddRequest,
  encodeLeaseGrantRequest,
  encodeLeaseKeepAliveRequest,
  encodeLeaseTimeToLiveRequest,
  encodeLeaseTimeToLiveResponse,
  encodeMemberAddRequest,
  encodeMoveLeaderRequest,
  encodePutRequest,
  encodeRangeRequest,
  encodeRangeResponse,
  encodeTxnRequest,
  encodeWatchRequest,
  decodeRangeRequest,
  KV_PATHS,
  LEASE_PATHS,
  MAINTENANCE_PATHS,
  WATCH_PATHS,
} from '../../proto/gen/etcdserverpb';
import {
  AuthMethod,
  decodePermissionCheck,
  encodeAuthToken,
  encodeHashedPassword,
  encodeLeaseRemaining,
  EntryKind,
  StorageMethod,
} from '../../proto/gen/hexad';
import { startProxy } from './server';
import { TestClient } from './testing/client';
import { FakeMember } from './testing/fake-member';
import { text } from './testing/recorder';

let member: FakeMember;
let proxy: RunningProcess;
let client: TestClient;

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

/** Waits until the proxy itself says so: what is told to it takes a moment to arrive. */
async function untilMetric(line: string): Promise<void> {
  while (!(await client.http('GET', '/metrics')).body.includes(`\n${line}\n`));
}

function start(...flags: readonly string[]): Promise<RunningProcess> {
  return startProxy({
    config: member.config(...flags),
    logger: createLogger('proxy', 'fatal', 'm1'),
    fatal: (error) => {
      throw error;
    },
  });
}

async function restart(...flags: readonly string[]): Promise<void> {
  client.close();
  await proxy.shutdown();
  proxy = await start(...flags);
  client = new TestClient(member.clientSocket);
}

beforeEach(async () => {
  member = new FakeMember();
  await member.start();
  proxy = await start();
  client = new TestClient(member.clientSocket);
});

afterEach(async () => {
  client.close();
  await proxy.shutdown();
  await member.destroy();
});

const PUT = encodePutRequest({ key: text('k'), value: text('v') });
const GET = encodeRangeRequest({ key: text('k') });

function enableAuth(): void {
  member.appliedIndex++;
  member.feed({
    auth: { enabled: true, revision: 5 },
    tokens: [{ token: `good.${member.appliedIndex}`, user: 'ann', authRevision: 5 }],
  });
}

describe('keys', () => {
  test("a put's bytes go to the log and the result's bytes come back, both untouched", async () => {
    expect(await client.text(KV_PATHS.Put, PUT)).toBe('applied');
    const [entry] = member.entries;
    expect([entry?.kind, entry?.user]).toEqual([EntryKind.ENTRY_PUT, '']);
    expect(Buffer.compare(entry?.body ?? new Uint8Array(0), PUT)).toBe(0);
  });

  test('a bad request is answered before the log, with the error of etcd', async () => {
    expect(await client.text(KV_PATHS.Put, encodePutRequest({ value: text('v') }))).toBe(Errors.EmptyKey.message);
    const result = await client.call(KV_PATHS.Put, Uint8Array.of(0x0a, 0xff));
    expect(result.ok ? 0 : result.error.code).toBe(13);
    expect(
      await client.text(KV_PATHS.Put, encodePutRequest({ key: text('k'), value: new Uint8Array(1_572_864) })),
    ).toBe(Errors.RequestTooLarge.message);
    expect(member.entries).toEqual([]);
  });

  test('reads and read-only transactions ask for an index, serializable ones do not, others are proposed', async () => {
    member.appliedIndex = 9;
    await client.text(KV_PATHS.Range, GET);
    await client.text(KV_PATHS.Range, encodeRangeRequest({ key: text('k'), serializable: true }));
    const range = { requestRange: { key: text('k') } };
    await client.text(KV_PATHS.Txn, encodeTxnRequest({ success: [range] }));
    expect(member.storageCalls.map((call) => [call.method, call.requiredIndex])).toEqual([
      [StorageMethod.STORAGE_RANGE, 9],
      [StorageMethod.STORAGE_RANGE, 0],
      [StorageMethod.STORAGE_TXN, 9],
    ]);
    await client.text(KV_PATHS.Txn, encodeTxnRequest({ success: [range, { requestPut: { key: text('a') } }] }));
    expect(member.entries.map((entry) => entry.kind)).toEqual([EntryKind.ENTRY_TXN]);
  });

  test('a read outlives a restart of storage', async () => {
    member.onRead = () => undefined;
    const read = client.text(KV_PATHS.Range, GET);
    await until(() => member.storageCalls.length === 1);
    await member.stop('storage');
    member.onRead = () => ({ payload: text('later') });
    await member.start('storage');
    expect(await read).toBe('later');
  });

  test('a write whose result can no longer come is answered with an unknown outcome', async () => {
    member.onEntry = () => undefined;
    const put = client.text(KV_PATHS.Put, PUT);
    await until(() => member.entries.length === 1);
    await member.stop('storage');
    expect(await put).toBe(Errors.TimeoutConnectionLost.message);
  });

  test('RangeStream gives pages of one revision; header and count come last', async () => {
    const keys = Array.from({ length: 25 }, (_, at) => text(`k${String(at).padStart(2, '0')}`));
    member.onRead = ({ payload }) => {
      const { key, limit } = decodeRangeRequest(payload);
      const rest = keys.filter((one) => Buffer.compare(one, key) >= 0);
      const page = rest.slice(0, Number(limit));
      const header = { clusterId: 1n, memberId: 2n, revision: 70, raftTerm: 2 };
      const kvs = page.map((one) => ({ key: one }));
      return { payload: encodeRangeResponse({ header, kvs, more: page.length < rest.length, count: rest.length }) };
    };
    const stream = client.stream(KV_PATHS.RangeStream);
    stream.stream.send(encodeRangeRequest({ key: text('k'), rangeEnd: text('l') }));
    const first = (await stream.next(decodeRangeStreamResponse)).rangeResponse;
    const last = (await stream.next(decodeRangeStreamResponse)).rangeResponse;
    expect(await stream.end()).toBe('OK');
    expect([first?.kvs.length, first?.header, first?.count]).toEqual([10, undefined, 0]);
    expect([last?.kvs.length, last?.header?.revision, last?.count, last?.more]).toEqual([15, 70, 25, false]);
    expect(member.storageCalls.map(({ payload }) => decodeRangeRequest(payload).revision)).toEqual([0, 70]);
  });
});

describe('leaders', () => {
  test('hasleader is refused without a leader, and an open stream ends after three election timeouts', async () => {
    client.close();
    await proxy.shutdown();
    proxy = await start('--election-timeout', '50', '--heartbeat-interval', '10');
    client = new TestClient(member.clientSocket);
    const hasLeader = [['hasleader', 'true']] as const;
    const stream = client.stream(WATCH_PATHS.Watch, hasLeader);
    stream.stream.send(encodeWatchRequest({ createRequest: { key: text('k') } }));
    await until(() => member.hubRequests.length === 1);
    member.leaderId = 0n;
    member.tellStatus();
    expect(await stream.end()).toBe(Errors.NoLeader.message);
    await untilMetric('etcd_server_has_leader 0');
    expect(await client.text(KV_PATHS.Range, GET, hasLeader)).toBe(Errors.NoLeader.message);
    expect(await client.text(KV_PATHS.Put, PUT)).toBe(Errors.NoLeader.message);
    const health = await client.http('GET', '/health');
    expect(health).toEqual({ status: 503, body: '{"health":"false","reason":"RAFT NO LEADER"}' });
  });

  test('MoveLeader is for the leader alone', async () => {
    expect(await client.text(MAINTENANCE_PATHS.MoveLeader, encodeMoveLeaderRequest({ targetID: 9n }))).toBe(
      Errors.BadLeaderTransferee.message,
    );
    member.leaderId = 9n;
    member.tellStatus();
    await untilMetric('etcd_server_is_leader 0');
    expect(await client.text(MAINTENANCE_PATHS.MoveLeader, encodeMoveLeaderRequest({ targetID: 9n }))).toBe(
      Errors.NotLeader.message,
    );
  });
});

describe('leases', () => {
  test('id and TTL are final before the log', async () => {
    await client.text(LEASE_PATHS.LeaseGrant, encodeLeaseGrantRequest({ TTL: -5 }));
    const request = decodeLeaseGrantRequest(member.entries[0]?.body ?? new Uint8Array(0));
    expect(request.TTL).toBe(2);
    expect(request.ID > 0n && request.ID < 2n ** 63n).toBe(true);
    expect(await client.text(LEASE_PATHS.LeaseGrant, encodeLeaseGrantRequest({ TTL: 9_000_000_001 }))).toBe(
      Errors.LeaseTTLTooLarge.message,
    );
  });

  test('a keep-alive stream answers each request and ends after the last one', async () => {
    member.onLease = () => ({ payload: encodeLeaseRemaining({ id: 7n, ttl: 30 }) });
    const stream = client.stream(LEASE_PATHS.LeaseKeepAlive);
    stream.stream.send(encodeLeaseKeepAliveRequest({ ID: 7n }));
    stream.stream.halfClose();
    expect(await stream.next(decodeLeaseKeepAliveResponse)).toMatchObject({ ID: 7n, TTL: 30 });
    expect(await stream.end()).toBe('OK');
  });

  test('what is left of a lease comes from the lease process, the rest from storage; a missing one has TTL -1', async () => {
    let grantedTTL = 60;
    member.onRead = () => ({ payload: encodeLeaseTimeToLiveResponse({ ID: 7n, grantedTTL, keys: [text('a')] }) });
    member.onLease = () => ({ payload: encodeLeaseRemaining({ id: 7n, ttl: 41 }) });
    const ask = async (): Promise<object> => {
      const result = await client.call(LEASE_PATHS.LeaseTimeToLive, encodeLeaseTimeToLiveRequest({ ID: 7n }));
      return result.ok ? decodeLeaseTimeToLiveResponse(result.response) : result.error;
    };
    expect(await ask()).toMatchObject({ TTL: 41, grantedTTL: 60 });
    grantedTTL = 0;
    expect(await ask()).toMatchObject({ TTL: -1, grantedTTL: 0, keys: [] });
  });
});

describe('authentication', () => {
  test('with auth on, a call needs a token; its user is stamped on entries and reads', async () => {
    enableAuth();
    await untilMetric('etcd_debugging_auth_revision 5');
    expect(await client.text(KV_PATHS.Put, PUT)).toBe(Errors.UserEmpty.message);
    expect(await client.text(KV_PATHS.Put, PUT, [['token', 'bad']])).toBe(Errors.InvalidAuthToken.message);
    const token = [['token', 'good.2']] as const;
    expect(await client.text(KV_PATHS.Put, PUT, token)).toBe('applied');
    await client.text(KV_PATHS.Range, GET, token);
    expect(member.entries.map((entry) => [entry.user, entry.authRevision])).toEqual([['ann', 5]]);
    expect(member.storageCalls.map((call) => [call.user, call.authRevision])).toEqual([['ann', 5]]);
  });

  test('a password is hashed before the log and never travels in it', async () => {
    member.onAuth = ({ method }) =>
      method === AuthMethod.AUTH_HASH_PASSWORD ? { payload: encodeHashedPassword({ hash: '$2b$x' }) } : {};
    member.onEntry = () => {
      member.feed({ auth: { enabled: false, revision: 6 } });
      return { response: text('added') };
    };
    const body = encodeAuthUserAddRequest({ name: 'ann', password: 'secret' });
    expect(await client.text(AUTH_PATHS.UserAdd, body)).toBe('added');
    const [entry] = member.entries;
    const request = decodeAuthUserAddRequest(entry?.body ?? new Uint8Array(0));
    expect([request.password, Buffer.from(request.hashedPassword, 'base64').toString()]).toEqual(['', '$2b$x']);
    expect(Buffer.from(entry?.body ?? '').includes('secret')).toBe(false);
  });

  test('a login is answered once its token is good here', async () => {
    enableAuth();
    member.onAuth = () => {
      member.appliedIndex = 30;
      setImmediate(() => member.feed({ tokens: [{ token: 'new.30', user: 'bob' }] }));
      return { payload: encodeAuthToken({ token: 'new.30' }) };
    };
    await client.call(AUTH_PATHS.Authenticate, encodeAuthenticateRequest({ name: 'bob', password: 'x' }));
    await client.text(KV_PATHS.Put, PUT, [['authorization', 'Bearer new.30']]);
    expect(member.entries.map((entry) => entry.user)).toEqual(['bob']);
  });
});

describe('watches', () => {
  const create = (fields: object): Uint8Array => encodeWatchRequest({ createRequest: { key: text('k'), ...fields } });

  /** A hub that creates at revision 10 and cancels when asked. */
  function answerHub(): void {
    member.onHub = ({ session, create: asked, cancel, watchId }) => {
      if (asked !== undefined) {
        member.deliver({ targets: [{ session, watchId: asked.watchId }], created: true, revision: 10 });
      }
      if (cancel) member.deliver({ targets: [{ session, watchId }], canceled: true, revision: 12 });
    };
  }

  test('ids are given as etcd gives them, and refusals have its texts', async () => {
    answerHub();
    const stream = client.stream(WATCH_PATHS.Watch);
    const ask = async (fields: object): Promise<[unknown, boolean, string]> => {
      stream.stream.send(create(fields));
      const { watchId, canceled, cancelReason } = await stream.next(decodeWatchResponse);
      return [watchId, canceled, cancelReason];
    };
    expect(await ask({ watchId: 1 })).toEqual([1, false, '']);
    expect(await ask({})).toEqual([0, false, '']);
    expect(await ask({})).toEqual([2, false, '']);
    expect(await ask({ watchId: 1 })).toEqual([-1, true, 'mvcc: duplicate watch ID provided on the WatchStream']);
    expect(await ask({ rangeEnd: text('a') })).toEqual([-1, true, 'mvcc: watcher range is empty']);
    expect(await ask({ startRevision: -1 })).toEqual([-1, true, 'mvcc: required revision has been compacted']);
    stream.stream.send(encodeWatchRequest({ cancelRequest: { watchId: 77 } }));
    stream.stream.send(encodeWatchRequest({ cancelRequest: { watchId: 1 } }));
    expect(await stream.next(decodeWatchResponse)).toMatchObject({ watchId: 1, canceled: true, cancelReason: '' });
    expect(await ask({ watchId: 1 })).toEqual([1, false, '']);
    stream.stream.cancel();
    await until(() => member.hubRequests.some((request) => request.endSession));
  });

  test('a hub that restarts is told where to go on, and the client sees one unbroken stream', async () => {
    answerHub();
    const stream = client.stream(WATCH_PATHS.Watch);
    stream.stream.send(create({}));
    expect(await stream.next(decodeWatchResponse)).toMatchObject({ created: true, header: { revision: 10 } });
    const [{ session, create: asked }] = member.hubRequests as [(typeof member.hubRequests)[number]];
    const targets = [{ session, watchId: asked?.watchId ?? 0 }];
    member.deliver({ targets, events: [Uint8Array.of(0x5a, 0)], revision: 11 });
    expect((await stream.next(decodeWatchResponse)).events).toHaveLength(1);
    await member.stop('watch');
    await member.start('watch');
    await until(() => member.hubRequests.length === 2);
    expect(member.hubRequests[1]?.create).toMatchObject({ startRevision: 12, resumed: true });
    const targetsThere = [{ session, watchId: member.hubRequests[1]?.create?.watchId ?? 0 }];
    member.deliver({ targets: targetsThere, events: [Uint8Array.of(0x5a, 0)], revision: 12 });
    const next = await stream.next(decodeWatchResponse);
    expect([next.created, next.header?.revision, stream.waiting]).toEqual([false, 12, 0]);
    stream.stream.cancel();
  });

  test('a right that is taken away ends the watches that need it, when the proxy is to look again', async () => {
    await restart('--watch-recheck-permissions');
    enableAuth();
    answerHub();
    const mayRead = new Set(['k', 'other']);
    member.onRead = ({ payload }) =>
      mayRead.has(Buffer.from(decodePermissionCheck(payload).key).toString())
        ? {}
        : { error: Errors.PermissionDenied.id };
    const stream = client.stream(WATCH_PATHS.Watch, [['token', 'good.2']]);
    stream.stream.send(create({}));
    stream.stream.send(create({}));
    stream.stream.send(create({ key: text('other') }));
    for (let at = 0; at < 3; at++) expect((await stream.next(decodeWatchResponse)).created).toBe(true);
    mayRead.delete('k');
    member.feed({ auth: { enabled: true, revision: 9 } });
    const ended = [await stream.next(decodeWatchResponse), await stream.next(decodeWatchResponse)];
    expect(new Set(ended.map(({ watchId }) => watchId))).toEqual(new Set([0, 1]));
    for (const { created, canceled, cancelReason } of ended) {
      expect([created, canceled, cancelReason]).toEqual([false, true, 'etcdserver: permission denied']);
    }
    await until(() => member.hubRequests.filter(({ cancel }) => cancel).length === 2);
    stream.stream.send(create({}));
    expect(await stream.next(decodeWatchResponse)).toMatchObject({ created: true, canceled: true, watchId: -1 });
    stream.stream.cancel();
  });

  test('metrics tell of the watches and of what the hub says of itself', async () => {
    answerHub();
    const stream = client.stream(WATCH_PATHS.Watch);
    stream.stream.send(create({}));
    await stream.next(decodeWatchResponse);
    const [{ session, create: asked }] = member.hubRequests as [(typeof member.hubRequests)[number]];
    member.deliver({ targets: [{ session, watchId: asked?.watchId }], events: [Uint8Array.of(0x5a, 0)], revision: 11 });
    member.reportHub({ watchers: 7, slowWatchers: 2, lagRevisions: 3, lagCounts: [4, 1], lagSumMicros: 1_500_000 });
    await untilMetric('etcd_debugging_mvcc_slow_watcher_total 2');
    const { body } = await client.http('GET', '/metrics');
    for (const line of [
      'etcd_debugging_mvcc_watcher_total 1',
      'etcd_debugging_mvcc_watch_stream_total 1',
      'etcd_debugging_mvcc_events_total 1',
    ]) {
      expect(body).toContain(`\n${line}\n`);
    }
    const ofHub = (name: string, labels = ''): string =>
      body.match(new RegExp(`^hexad_watch_hub_${name}\\{hub="[^"]*"${labels}\\} (.*)$`, 'm'))?.[1] ?? 'none';
    expect([ofHub('watchers'), ofHub('lag_revisions')]).toEqual(['7', '3']);
    expect(ofHub('delivery_seconds_bucket', ',le="0.001"')).toBe('4');
    expect(ofHub('delivery_seconds_bucket', ',le="\\+Inf"')).toBe('5');
    expect([ofHub('delivery_seconds_count'), ofHub('delivery_seconds_sum')]).toEqual(['5', '1.5']);
    stream.stream.cancel();
  });

  test('without the right to read, the watch is refused and the stream goes on', async () => {
    enableAuth();
    answerHub();
    member.onRead = () => ({ error: Errors.PermissionDenied.id });
    const stream = client.stream(WATCH_PATHS.Watch, [['token', 'good.2']]);
    stream.stream.send(create({}));
    stream.stream.send(create({}));
    for (const _ of [1, 2]) {
      expect(await stream.next(decodeWatchResponse)).toMatchObject({
        watchId: -1,
        created: true,
        canceled: true,
        cancelReason: 'rpc error: code = PermissionDenied desc = etcdserver: permission denied',
      });
    }
    member.onRead = () => ({});
    stream.stream.send(create({}));
    expect(await stream.next(decodeWatchResponse)).toMatchObject({ watchId: 0, created: true, canceled: false });
    stream.stream.cancel();
  });
});

test('a proxy that stops ends its streams at once, so that their clients go elsewhere', async () => {
  const stream = client.stream(WATCH_PATHS.Watch);
  stream.stream.send(encodeWatchRequest({ createRequest: { key: text('k') } }));
  await until(() => member.hubRequests.length === 1);
  await proxy.shutdown();
  expect(await stream.end()).toBe(Errors.Stopped.message);
});

test('members are changed through the log only when the request makes sense', async () => {
  const add = (peerURLs: string[]): Promise<string> =>
    client.text(CLUSTER_PATHS.MemberAdd, encodeMemberAddRequest({ peerURLs }));
  expect(await add(['nonsense'])).toBe(Errors.MemberBadURLs.message);
  expect(await add(['http://p:1'])).toBe(Errors.PeerURLExist.message);
  expect(member.entries).toEqual([]);
});

test('HTTP/1.1 is served on the same port', async () => {
  expect(await client.http('GET', '/health')).toEqual({ status: 200, body: '{"health":"true","reason":""}' });
  expect((await client.http('GET', '/version')).body).toBe(
    '{"etcdserver":"3.7.1","etcdcluster":"3.7.0","storage":"3.7.0"}',
  );
  expect((await client.http('GET', '/readyz?verbose&exclude=data_corruption')).body).toBe(
    '[+]serializable_read ok\n[+]linearizable_read ok\n[+]non_learner ok\nok\n',
  );
  expect((await client.http('GET', '/livez/nothing')).status).toBe(404);
  expect((await client.http('POST', '/health')).status).toBe(405);
  await client.text(KV_PATHS.Put, PUT);
  const metrics = (await client.http('GET', '/metrics')).body;
  expect(metrics).toContain('\netcd_server_has_leader 1\n');
  expect(metrics).toContain(
    'grpc_server_handled_total{grpc_code="OK",grpc_method="Put",grpc_service="etcdserverpb.KV",grpc_type="unary"} 1\n',
  );
  const range = await client.http('POST', '/v3/kv/range', '{"key":""}');
  expect([range.status, JSON.parse(range.body)]).toEqual([
    400,
    { error: Errors.EmptyKey.message, code: 3, message: Errors.EmptyKey.message },
  ]);
});
