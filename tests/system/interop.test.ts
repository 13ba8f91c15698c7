import {
  AUTH_PATHS,
  decodeAuthenticateResponse,
  decodeLeaseGrantResponse,
  decodePutResponse,
  decodeRangeResponse,
  decodeRangeStreamResponse,
  decodeWatchResponse,
  encodeAuthenticateRequest,
  encodeLeaseGrantRequest,
  encodePutRequest,
  encodeRangeRequest,
  encodeWatchRequest,
  KV_PATHS,
  LEASE_PATHS,
  WATCH_PATHS,
  type WatchResponse,
} from '../../proto/gen/etcdserverpb';
import { encodeLockRequest, LOCK_PATHS } from '../../proto/gen/v3lockpb';
import type { EngineName } from '../../libs/rpc';
import { Cluster } from './support/cluster';
import { type ForeignCall, ForeignClient, grpcJava, grpcPython, type Library } from './support/foreign-client';
import { waitFor } from './support/wait-for';

jest.setTimeout(30_000);

const key = (text: string): Uint8Array => Buffer.from(text);
const put = (name: string, value: Uint8Array | string, lease = 0n): Uint8Array =>
  encodePutRequest({ key: key(name), value: Buffer.from(value), lease });
const prefix = (name: string): Uint8Array => encodeRangeRequest({ key: key(name), rangeEnd: key(`${name}~`) });

/** Clients of other gRPC libraries against a real member. etcdctl, in the other tests, stands for grpc-go. */
const python = grpcPython();
for (const [library, engine] of [
  [python, 'native'],
  [python, 'grpc-js'],
  [grpcJava(), 'native'],
] as const) {
  const { name, missing } = library;
  const title = `${name} and a member on the engine ${engine}`;
  (missing === '' ? describe : describe.skip)(missing === '' ? title : `${title} (missing: ${missing})`, () => {
    interoperation(library, engine);
  });
}

function interoperation(library: Library, engine: EngineName): void {
  let cluster: Cluster;
  let client: ForeignClient;

  beforeAll(async () => {
    // The server asks idle clients often whether they live, so that the test sees them answer.
    const flags = ['--grpc-keepalive-interval=200ms', '--grpc-keepalive-timeout=1s', `--rpc-engine=${engine}`];
    cluster = await Cluster.start({ flags });
    client = await new ForeignClient(library, cluster.member(0).endpoint).started();
  }, 60_000);
  afterAll(async () => {
    await client?.close();
    await cluster?.destroy();
  }, 60_000);

  async function watch(name: string): Promise<ForeignCall> {
    const call = client.bidi(WATCH_PATHS.Watch);
    call.send(encodeWatchRequest({ createRequest: { key: key(name), rangeEnd: key(`${name}~`) } }));
    expect(await nextOf(call)).toMatchObject({ created: true, events: [] });
    return call;
  }
  async function nextOf(call: ForeignCall): Promise<WatchResponse> {
    const message = await call.next();
    if (message === undefined) throw new Error(`the watch ended: ${(await call.failure()).join(' ')}`);
    return decodeWatchResponse(message);
  }

  test('unary calls put and get', async () => {
    const written = decodePutResponse(await client.unary(KV_PATHS.Put, put('u', 'one')).response());
    const read = decodeRangeResponse(
      await client.unary(KV_PATHS.Range, encodeRangeRequest({ key: key('u') })).response(),
    );
    expect(read.kvs.map((kv) => [Buffer.from(kv.value).toString(), kv.modRevision])).toEqual([
      ['one', written.header?.revision],
    ]);
  });

  test('200 calls at once are answered, each with its own value', async () => {
    const values = Array.from({ length: 200 }, (_, i) => `value ${i}`);
    await Promise.all(values.map((value, i) => client.unary(KV_PATHS.Put, put(`many/${i}`, value)).response()));
    const read = await Promise.all(
      values.map((_, i) => client.unary(KV_PATHS.Range, encodeRangeRequest({ key: key(`many/${i}`) })).response()),
    );
    expect(read.map((each) => Buffer.from(decodeRangeResponse(each).kvs[0]?.value ?? '').toString())).toEqual(values);
  });

  test('a server stream gives a range in pages', async () => {
    const call = client.serverStream(KV_PATHS.RangeStream, prefix('many/'));
    const keys: string[] = [];
    let pages = 0;
    for (let page = await call.next(); page !== undefined; page = await call.next()) {
      pages++;
      const { rangeResponse } = decodeRangeStreamResponse(page);
      keys.push(...(rangeResponse?.kvs ?? []).map((kv) => Buffer.from(kv.key).toString()));
    }
    expect((await call.end()).code).toBe(0);
    expect(pages).toBeGreaterThan(1);
    expect(new Set(keys).size).toBe(200);
  });

  test('a watch sees changes in order, also after the client has ended its own side', async () => {
    const call = await watch('w/');
    for (const value of ['a', 'b', 'c']) await client.unary(KV_PATHS.Put, put(`w/${value}`, value)).response();
    const seen: string[] = [];
    while (seen.length < 3) {
      for (const { kv } of (await nextOf(call)).events) seen.push(Buffer.from(kv?.value ?? '').toString());
    }
    expect(seen).toEqual(['a', 'b', 'c']);
    call.send(encodeWatchRequest({ cancelRequest: { watchId: 0n } }));
    expect(await nextOf(call)).toMatchObject({ canceled: true });
    // etcd goes on with a watch whose client has only ended its own side.
    call.send(encodeWatchRequest({ createRequest: { key: key('w/'), rangeEnd: key('w/~') } })).halfClose();
    expect(await nextOf(call)).toMatchObject({ created: true });
    await client.unary(KV_PATHS.Put, put('w/d', 'd')).response();
    expect((await nextOf(call)).events).toHaveLength(1);
    call.cancel();
    expect((await call.end()).code).toBe(1);
  });

  test('a large value goes in and out unharmed; larger ones are refused with the texts of etcd', async () => {
    const value = Buffer.alloc(1_500_000, 'large ');
    await client.unary(KV_PATHS.Put, put('large', value)).response();
    const { kvs } = decodeRangeResponse(
      await client.unary(KV_PATHS.Range, encodeRangeRequest({ key: key('large') })).response(),
    );
    expect(Buffer.compare(Buffer.from(kvs[0]?.value ?? ''), value)).toBe(0);
    expect(await client.unary(KV_PATHS.Put, put('large', Buffer.alloc(1_600_000))).failure()).toEqual([
      3,
      'etcdserver: request is too large',
    ]);
    const [code, text] = await client.unary(KV_PATHS.Put, put('large', Buffer.alloc(2_100_000))).failure();
    expect([code, text]).toEqual([
      8,
      expect.stringMatching(/received message larger than max \(21000\d\d vs. 2097152\)/),
    ]);
  });

  test('errors carry their code and text', async () => {
    expect(await client.unary(KV_PATHS.Put, put('', 'x')).failure()).toEqual([3, 'etcdserver: key is not provided']);
    expect(await client.unary('/etcdserverpb.KV/None', put('', 'x')).failure()).toEqual([
      12,
      'unknown method None for service etcdserverpb.KV',
    ]);
  });

  test('a deadline ends a call, and a cancelled one leaves nothing behind', async () => {
    const lease = decodeLeaseGrantResponse(
      await client.unary(LEASE_PATHS.LeaseGrant, encodeLeaseGrantRequest({ TTL: 60n })).response(),
    ).ID;
    const other = decodeLeaseGrantResponse(
      await client.unary(LEASE_PATHS.LeaseGrant, encodeLeaseGrantRequest({ TTL: 60n })).response(),
    ).ID;
    await client.unary(LOCK_PATHS.Lock, encodeLockRequest({ name: key('lock'), lease })).response();
    const wanted = encodeLockRequest({ name: key('lock'), lease: other });
    expect((await client.unary(LOCK_PATHS.Lock, wanted, { timeoutMs: 300 }).end()).code).toBe(4);
    const waiters = async (): Promise<number> =>
      decodeRangeResponse(await client.unary(KV_PATHS.Range, prefix('lock/')).response()).kvs.length;
    await waitFor('the waiter of the call that timed out to be gone', async () => (await waiters()) === 1);
    const waiting = client.unary(LOCK_PATHS.Lock, wanted);
    await waitFor('the second waiter', async () => (await waiters()) === 2);
    waiting.cancel();
    expect((await waiting.end()).code).toBe(1);
    await waitFor('the cancelled waiter to be gone', async () => (await waiters()) === 1);
  });

  test('a cancelled watch ends as cancelled and the connection goes on', async () => {
    const call = await watch('c/');
    call.cancel();
    expect((await call.end()).code).toBe(1);
    await client.unary(KV_PATHS.Put, put('c/1', 'x')).response();
  });

  test('the client answers the pings of the server while it has nothing to say', async () => {
    const lease = decodeLeaseGrantResponse(
      await client.unary(LEASE_PATHS.LeaseGrant, encodeLeaseGrantRequest({ TTL: 2n })).response(),
    ).ID;
    await client.unary(KV_PATHS.Put, put('idle/1', 'x', lease)).response();
    const call = await watch('idle/');
    // Nothing happens until the lease expires: two seconds, ten pings.
    const [event] = (await nextOf(call)).events;
    expect([event?.type, Buffer.from(event?.kv?.key ?? '').toString()]).toEqual([1, 'idle/1']);
    call.cancel();
  });

  if (library === python && engine === 'native') {
    // grpc-java pings every ten seconds at most, which would take the test too long; grpc-js has no such policy.
    test('a client that pings too often is told so and cut off', async () => {
      const eager = await new ForeignClient(library, cluster.member(0).endpoint, 50).started();
      const call = eager.bidi(WATCH_PATHS.Watch);
      call.send(encodeWatchRequest({ createRequest: { key: key('p') } }));
      await call.next();
      expect((await call.failure())[0]).toBe(14);
      await eager.close();
      expect(cluster.member(0).log).toContain('too_many_pings');
    });
  }

  test('a token in the metadata says who calls', async () => {
    const commands = ['user add root:secret', 'user grant-role root root', 'auth enable'];
    for (const command of commands) await cluster.ctl(...command.split(' '));
    const { token } = decodeAuthenticateResponse(
      await client
        .unary(AUTH_PATHS.Authenticate, encodeAuthenticateRequest({ name: 'root', password: 'secret' }))
        .response(),
    );
    const outcome = async (metadata: Record<string, string>): Promise<unknown> => {
      const { code, bytes } = await client.unary(KV_PATHS.Put, put('secret', 'x'), { metadata }).end();
      return code === 0 ? 'OK' : bytes.toString();
    };
    expect(await outcome({ token })).toBe('OK');
    expect(await outcome({ token: 'made-up' })).toBe('etcdserver: invalid auth token');
    expect(await outcome({})).toBe('etcdserver: user name is empty');
    const watchCall = client.bidi(WATCH_PATHS.Watch, { token });
    watchCall.send(encodeWatchRequest({ createRequest: { key: key('secret') } }));
    expect(await nextOf(watchCall)).toMatchObject({ created: true, canceled: false });
    watchCall.cancel();
  });
}
