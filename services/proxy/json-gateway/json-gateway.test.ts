import { request as httpRequest } from 'node:http';
import { connect as connectSocket } from 'node:net';
import { once } from 'node:events';
import { Errors } from '../../../libs/errors';
import type { Handlers, Metadata, StreamCall, UnaryCall } from '../../../libs/rpc';
import * as etcd from '../../../proto/gen/etcdserverpb';
import * as election from '../../../proto/gen/v3electionpb';
import { createInProcessBackend } from '.';
import { ROUTES } from './routes';
import { GatewayServer, type GatewayServerOptions } from './testing/gateway-server';

const header = {
  clusterId: 14841639068965178418n,
  memberId: 10276657743932975437n,
  revision: 76,
  raftTerm: 7,
};
const HEADER_JSON =
  '"header":{"cluster_id":"14841639068965178418","member_id":"10276657743932975437","revision":"76","raft_term":"7"}';
const text = (value: string): Uint8Array => Buffer.from(value);

let running: GatewayServer | undefined;
afterEach(async () => {
  expect(running?.defects ?? []).toEqual([]);
  await running?.stop();
  running = undefined;
});

async function serve(handlers: Handlers, options: Partial<GatewayServerOptions> = {}): Promise<GatewayServer> {
  const backend = createInProcessBackend(handlers, () => performance.now());
  running = await new GatewayServer({ backend, ...options }).start();
  return running;
}

/** A server whose every unary method gives `response`; what it was asked is in the returned list. */
async function serveUnary(
  path: string,
  answer: (call: UnaryCall) => void,
): Promise<{ server: GatewayServer; requests: Uint8Array[]; metadata: Metadata[] }> {
  const requests: Uint8Array[] = [];
  const metadata: Metadata[] = [];
  const server = await serve({
    unary: {
      [path]: (call) => {
        requests.push(call.request);
        metadata.push(call.metadata);
        answer(call);
      },
    },
  });
  return { server, requests, metadata };
}

describe('unary methods', () => {
  test.each<[string, etcd.RangeResponseInput, string]>([
    ['no key', { header }, `{${HEADER_JSON}}`],
    [
      'one key',
      {
        header,
        kvs: [{ key: text('hello'), createRevision: 2, modRevision: 3, version: 2, value: text('world2') }],
        count: 1,
      },
      `{${HEADER_JSON},"kvs":[{"key":"aGVsbG8=","create_revision":"2","mod_revision":"3","version":"2","value":"d29ybGQy"}],"count":"1"}`,
    ],
    ['a lease beyond 2^53', { kvs: [{ lease: 7587861660702374417n }] }, '{"kvs":[{"lease":"7587861660702374417"}]}'],
    ['more to come', { kvs: [{}, {}], more: true }, '{"kvs":[{},{}],"more":true}'],
  ])('a range that finds %s is written as etcd writes it', async (_, response, json) => {
    const { server } = await serveUnary(etcd.KV_PATHS.Range, (call) => call.reply(etcd.encodeRangeResponse(response)));
    const answer = await server.ask('/v3/kv/range', '{"key":"aGVsbG8="}');
    expect([answer.status, answer.body]).toEqual([200, json]);
    expect(answer.headers).toMatchObject({
      'content-type': 'application/json',
      'grpc-metadata-content-type': 'application/grpc',
      'content-length': String(Buffer.byteLength(json)),
    });
  });

  test('a transaction shows its branch and the nested headers as they are', async () => {
    const response = {
      header,
      succeeded: true,
      responses: [{ responsePut: { header: { revision: 8 } } }, { responseRange: {} }],
    };
    const { server } = await serveUnary(etcd.KV_PATHS.Txn, (call) => call.reply(etcd.encodeTxnResponse(response)));
    const { body } = await server.ask('/v3/kv/txn', '{}');
    expect(body).toBe(
      `{${HEADER_JSON},"succeeded":true,"responses":[{"response_put":{"header":{"revision":"8"}}},{"response_range":{}}]}`,
    );
  });

  test('members keep the names that are not in snake case, enums are names', async () => {
    const members = [
      { ID: 10276657743932975437n, name: 'default', peerURLs: ['http://localhost:2380'], isLearner: true },
    ];
    const first = await serveUnary(etcd.CLUSTER_PATHS.MemberList, (call) =>
      call.reply(etcd.encodeMemberListResponse({ members })),
    );
    expect((await first.server.ask('/v3/cluster/member/list', '{}')).body).toBe(
      '{"members":[{"ID":"10276657743932975437","name":"default","peerURLs":["http://localhost:2380"],"isLearner":true}]}',
    );
    await first.server.stop();
    const alarms = [
      { memberID: 1n, alarm: etcd.AlarmType.NOSPACE },
      { memberID: 2n, alarm: 99 },
    ];
    const second = await serveUnary(etcd.MAINTENANCE_PATHS.Alarm, (call) =>
      call.reply(etcd.encodeAlarmResponse({ alarms })),
    );
    expect((await second.server.ask('/v3/maintenance/alarm', '{}')).body).toBe(
      '{"alarms":[{"memberID":"1","alarm":"NOSPACE"},{"memberID":"2","alarm":99}]}',
    );
  });

  test.each<[string, string, etcd.TxnRequestInput]>([
    [
      "Patroni's create",
      '{"compare":[{"target":"CREATE","create_revision":"0","key":"aw=="}],"success":[{"request_put":{"key":"aw==","value":"dg==","lease":"7587861660702374417"}}]}',
      {
        compare: [{ target: etcd.Compare_CompareTarget.CREATE, createRevision: 0, key: text('k') }],
        success: [{ requestPut: { key: text('k'), value: text('v'), lease: 7587861660702374417n } }],
      },
    ],
    [
      "Patroni's leader update, a transaction in the other branch",
      '{"compare":[{"target":"VALUE","value":"dg==","key":"aw=="}],"failure":[{"request_txn":{"compare":[{"target":"CREATE","create_revision":"0","key":"aw=="}],"success":[{"request_put":{"key":"aw=="}}]}}]}',
      {
        compare: [{ target: etcd.Compare_CompareTarget.VALUE, value: text('v'), key: text('k') }],
        failure: [
          {
            requestTxn: {
              compare: [{ target: etcd.Compare_CompareTarget.CREATE, createRevision: 0, key: text('k') }],
              success: [{ requestPut: { key: text('k') } }],
            },
          },
        ],
      },
    ],
    [
      'lower camel case, numbers for enums and integers, unknown fields and nulls',
      '{"compare":[{"target":2,"modRevision":5,"key":"aw==","rangeEnd":"AA==","what":{"x":[1]}}],"success":[{"requestDeleteRange":{"key":"aw==","prevKv":true}}],"failure":null}',
      {
        compare: [{ target: etcd.Compare_CompareTarget.MOD, modRevision: 5, key: text('k'), rangeEnd: text('\0') }],
        success: [{ requestDeleteRange: { key: text('k'), prevKv: true } }],
      },
    ],
    [
      'an integer too long for a number',
      '{"success":[{"request_put":{"key":"MTIzNDU2Nzg5MDEyMzQ1Ng==","lease":7587861660702374417}}]}',
      {
        success: [{ requestPut: { key: text('1234567890123456'), lease: 7587861660702374417n } }],
      },
    ],
    [
      'URL-safe base64 without padding',
      '{"success":[{"request_put":{"key":"-_8","value":"YWI"}}]}',
      {
        success: [{ requestPut: { key: Buffer.from([0xfb, 0xff]), value: text('ab') } }],
      },
    ],
    ['no body at all', '', {}],
    ['one value and what follows it', ' {"compare":[]} trailing', {}],
  ])('%s is understood', async (_, json, request) => {
    const { server, requests } = await serveUnary(etcd.KV_PATHS.Txn, (call) => call.reply(new Uint8Array(0)));
    expect(await server.ask('/v3/kv/txn', json)).toMatchObject({ status: 200, body: '{}' });
    expect(etcd.decodeTxnRequest(requests[0] as Uint8Array)).toEqual(
      etcd.decodeTxnRequest(etcd.encodeTxnRequest(request)),
    );
  });

  test.each([
    ['a number for bytes', '/v3/kv/put', '{"key":1}'],
    ['broken base64', '/v3/kv/put', '{"key":"a"}'],
    ['characters that are not base64', '/v3/kv/put', '{"key":"a*b="}'],
    ['text that ends early', '/v3/kv/put', '{"key":"YQ=='],
    ['text that is not JSON', '/v3/kv/put', '{"key":YQ==}'],
    ['a list', '/v3/kv/put', '[]'],
    ['a word for an integer', '/v3/kv/put', '{"lease":"x"}'],
    ['a fraction for an integer', '/v3/kv/put', '{"lease":1.5}'],
    ['an integer beyond 64 bits', '/v3/kv/put', '{"lease":"9223372036854775808"}'],
    ['a negative id', '/v3/cluster/member/remove', '{"ID":"-1"}'],
    ['a word for a boolean', '/v3/kv/put', '{"prev_kv":"true"}'],
    ['two members of a oneof', '/v3/kv/txn', '{"success":[{"request_put":{},"request_range":{}}]}'],
  ])('%s is refused with 400', async (_, path, json) => {
    const server = await serve({});
    const answer = await server.ask(path, json);
    const body = JSON.parse(answer.body) as { code: number; error: string; message: string };
    expect([answer.status, body.code]).toEqual([400, 3]);
    expect(body.error).toBe(body.message);
    expect(body.message).not.toBe('');
  });

  test.each([
    [Errors.AuthNotEnabled, 400],
    [Errors.LeaseNotFound, 404],
    [Errors.PermissionDenied, 403],
    [Errors.NoSpace, 429],
    [Errors.NoLeader, 503],
    [Errors.TooManyRequests, 500],
    [Errors.Canceled, 499],
    [Errors.ContextDeadlineExceeded, 504],
  ])('$message has its HTTP status and a body for clients of both generations', async (error, status) => {
    const { server } = await serveUnary(etcd.KV_PATHS.Put, (call) => call.fail(error));
    const answer = await server.ask('/v3/kv/put', '{}');
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.body)).toEqual({ error: error.message, code: error.code, message: error.message });
  });

  test('an invalid token is 401 and says so in WWW-Authenticate', async () => {
    const { server } = await serveUnary(etcd.KV_PATHS.Put, (call) => call.fail(Errors.InvalidAuthToken));
    const answer = await server.ask('/v3/kv/put', '{}');
    expect(answer.status).toBe(401);
    expect(answer.headers['www-authenticate']).toBe('etcdserver: invalid auth token');
  });

  test('headers become metadata, and any content type is taken', async () => {
    const { server, metadata } = await serveUnary(etcd.KV_PATHS.Put, (call) => call.reply(new Uint8Array(0)));
    const headers = {
      Authorization: 'tok',
      'Grpc-Metadata-HasLeader': 'true',
      'Content-Type': 'application/x-www-form-urlencoded',
      Cookie: 'x',
    };
    expect((await server.ask('/v3/kv/put', '{}', headers)).status).toBe(200);
    expect(metadata[0]).toEqual([
      ['authorization', 'tok'],
      ['hasleader', 'true'],
    ]);
  });

  test('the stage times of a request come as a header', async () => {
    const { server } = await serveUnary(etcd.KV_PATHS.Put, (call) =>
      call.reply(new Uint8Array(0), [['hexad-timing', 'wal;dur=0.1']]),
    );
    expect((await server.ask('/v3/kv/put', '{}')).headers['hexad-timing']).toBe('wal;dur=0.1');
  });

  test('a Grpc-Timeout ends the call', async () => {
    const { server } = await serveUnary(etcd.KV_PATHS.Put, () => {});
    const answer = await server.ask('/v3/kv/put', '{}', { 'Grpc-Timeout': '20m' });
    expect([answer.status, JSON.parse(answer.body)]).toMatchObject([
      504,
      { code: 4, message: 'context deadline exceeded' },
    ]);
  });

  test('a client that goes away cancels its call', async () => {
    const cancelled = new Promise<void>((resolve) => {
      void serveUnary(etcd.KV_PATHS.Put, (call) => {
        call.onCancel(resolve);
        socket.destroy();
      }).then(({ server }) => {
        socket = connectSocket(server.port, '127.0.0.1');
        socket.write('POST /v3/kv/put HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}');
      });
    });
    let socket: ReturnType<typeof connectSocket>;
    await cancelled;
  });

  test('a message larger than the gRPC port takes is refused', async () => {
    const server = await serve({}, { messageBytesMax: 1000 });
    const large = JSON.stringify({ value: Buffer.alloc(1001).toString('base64') });
    const answer = await server.ask('/v3/kv/put', large);
    expect([answer.status, answer.body]).toMatchObject([
      429,
      expect.stringContaining('larger than max (1004 vs. 1000)'),
    ]);
    expect((await server.ask('/v3/kv/put', Buffer.alloc(100_000, ' '))).status).toBe(429);
  });
});

describe('routes', () => {
  test('every method has a route but RangeStream and those of other services', () => {
    const services = [
      etcd.KV_PATHS,
      etcd.WATCH_PATHS,
      etcd.LEASE_PATHS,
      etcd.CLUSTER_PATHS,
      etcd.MAINTENANCE_PATHS,
      etcd.AUTH_PATHS,
    ];
    const methods = services.flatMap((paths): string[] => Object.values(paths));
    const routed = new Set(ROUTES.values());
    expect(methods.filter((path) => !routed.has(path))).toEqual([etcd.KV_PATHS.RangeStream]);
    expect(Object.values(election.ELECTION_PATHS).filter((path) => !routed.has(path))).toEqual([]);
  });

  test('each route leads to a method that the schema knows', async () => {
    const server = await serve({});
    for (const path of ROUTES.keys()) {
      const answer = await server.ask(path, '{}');
      expect([path, answer.status]).toEqual([path, 501]);
    }
  });

  test('/v3beta is /v3, a query is ignored', async () => {
    const { server } = await serveUnary(etcd.KV_PATHS.Range, (call) => call.reply(new Uint8Array(0)));
    expect((await server.ask('/v3beta/kv/range?x=1', '{}')).status).toBe(200);
  });

  test('an unknown path is 404, another method than POST is refused', async () => {
    const server = await serve({});
    expect(await server.ask('/v3/kv/nope', '{}')).toMatchObject({
      status: 404,
      body: '{"error":"Not Found","code":5,"message":"Not Found"}',
    });
    expect(await server.ask('/v3/kv/put', '', {}, 'GET')).toMatchObject({ status: 501 });
  });
});

const created = { header, created: true };
const event = { header: { ...header, revision: 77 }, events: [{ kv: { key: text('k'), modRevision: 77 } }] };

/** Watch as the proxy serves it: it goes on after the client's half-close. */
function watchHandler(onCall: (call: StreamCall, requests: etcd.WatchRequest[]) => void): Handlers {
  return {
    stream: {
      [etcd.WATCH_PATHS.Watch]: (call) => {
        const requests: etcd.WatchRequest[] = [];
        call.onMessage((bytes) => {
          requests.push(etcd.decodeWatchRequest(bytes));
          onCall(call, requests);
        });
      },
    },
  };
}

async function nextChunk(response: NodeJS.ReadableStream): Promise<string> {
  const [chunk] = (await once(response, 'data')) as [Buffer];
  return chunk.toString('utf8');
}

describe('streams', () => {
  test('a watch answers at once and goes on after the end of the body', async () => {
    let watch: StreamCall | undefined;
    const server = await serve(
      watchHandler((call) => {
        watch = call;
        call.send(etcd.encodeWatchResponse(created));
      }),
    );
    const response = await server.open(
      '/v3/watch',
      '{"create_request":{"key":"aw==","start_revision":"76","filters":[]}}',
    );
    expect(response.headers).toMatchObject({ 'transfer-encoding': 'chunked', 'content-type': 'application/json' });
    expect(await nextChunk(response)).toBe(`{"result":{${HEADER_JSON},"created":true}}\n`);
    watch?.send(etcd.encodeWatchResponse(event));
    expect(await nextChunk(response)).toBe(
      `{"result":{${HEADER_JSON.replace('"76"', '"77"')},"events":[{"kv":{"key":"aw==","mod_revision":"77"}}]}}\n`,
    );
    response.destroy();
  });

  test('a client that closes its socket ends its watch', async () => {
    const closed = new Promise<void>((resolve) => {
      void serve(
        watchHandler((call) => {
          call.onClose(resolve);
          call.send(etcd.encodeWatchResponse(created));
        }),
      ).then(async (server) => (await server.open('/v3/watch', '{"create_request":{}}')).destroy());
    });
    await closed;
  });

  test('requests of one body are taken one by one as they arrive, cut anywhere', async () => {
    const seen: Array<Uint8Array | undefined> = [];
    const server = await serve(
      watchHandler((call, requests) => {
        seen.push(requests.at(-1)?.createRequest?.key);
        if (requests.length === 3) call.end();
      }),
    );
    const request = httpRequest({ port: server.port, host: '127.0.0.1', path: '/v3/watch', method: 'POST' });
    const response = once(request, 'response');
    const bodies = ['YQ==', 'Yg==', 'Yw=='].map((key) => `{"create_request":{"key":"${key}"}}\r\n`).join('');
    for (const byte of bodies.slice(0, -10)) request.write(byte);
    request.end(bodies.slice(-10));
    const [message] = (await response) as [NodeJS.ReadableStream & { statusCode: number }];
    message.resume();
    expect(message.statusCode).toBe(200);
    expect(seen.map((key) => Buffer.from(key ?? []).toString())).toEqual(['a', 'b', 'c']);
  });

  test('keep-alive answers and completes with the body', async () => {
    const handlers: Handlers = {
      stream: {
        [etcd.LEASE_PATHS.LeaseKeepAlive]: (call) => {
          call.onMessage((bytes) => {
            const { ID } = etcd.decodeLeaseKeepAliveRequest(bytes);
            call.send(etcd.encodeLeaseKeepAliveResponse({ header, ID, TTL: ID === 5n ? 0 : 30 }));
          });
          call.onHalfClose(() => call.end());
        },
      },
    };
    const server = await serve(handlers);
    expect(await server.ask('/v3/lease/keepalive', '{"ID":"7587861660702374417"}')).toMatchObject({
      status: 200,
      body: `{"result":{${HEADER_JSON},"ID":"7587861660702374417","TTL":"30"}}\n`,
    });
    // A lost lease is no error: its TTL is zero, hence absent.
    expect((await server.ask('/v3/lease/keepalive', '{"ID":5}{"ID":"6"}')).body).toBe(
      `{"result":{${HEADER_JSON},"ID":"5"}}\n{"result":{${HEADER_JSON},"ID":"6","TTL":"30"}}\n`,
    );
  });

  test('a stream that fails before its first message has the status of the error', async () => {
    const server = await serve(watchHandler((call) => call.end(Errors.NoLeader)));
    const answer = await server.ask('/v3/watch', '{"create_request":{}}');
    expect(answer.status).toBe(503);
    expect(answer.body.endsWith('}\n')).toBe(true);
    expect(JSON.parse(answer.body)).toEqual({
      error: {
        grpc_code: 14,
        http_code: 503,
        message: 'etcdserver: no leader',
        http_status: 'Service Unavailable',
        code: 14,
      },
    });
  });

  test('a stream that fails later ends with an error line', async () => {
    const server = await serve(
      watchHandler((call) => {
        call.send(etcd.encodeWatchResponse(created));
        call.end(Errors.NoLeader);
      }),
    );
    const answer = await server.ask('/v3/watch', '{"create_request":{}}');
    expect(answer.status).toBe(200);
    expect(answer.body.split('\n').map((line) => line.slice(0, 10))).toEqual(['{"result":', '{"error":{', '']);
  });

  test.each([['{"create_request":'], ['{"create_request":{"key":7}}'], ['x']])(
    'a body of %s is refused',
    async (body) => {
      const server = await serve(watchHandler(() => {}));
      const answer = await server.ask('/v3/watch', body);
      expect(answer.status).toBe(400);
      expect(JSON.parse(answer.body)).toMatchObject({ error: { grpc_code: 3, http_code: 400 } });
    },
  );

  test('a compacted watch has its revision, another has none', async () => {
    const server = await serve(
      watchHandler((call) => {
        call.send(etcd.encodeWatchResponse({ header, canceled: true, compactRevision: 500 }));
        call.send(etcd.encodeWatchResponse({ header, canceled: true, compactRevision: 0, watchId: -1 }));
        call.end();
      }),
    );
    expect((await server.ask('/v3/watch', '{"create_request":{}}')).body).toBe(
      `{"result":{${HEADER_JSON},"canceled":true,"compact_revision":"500"}}\n{"result":{${HEADER_JSON},"watch_id":"-1","canceled":true}}\n`,
    );
  });

  test('observe takes one request and streams', async () => {
    const server = await serve({
      stream: {
        [election.ELECTION_PATHS.Observe]: (call) => {
          call.onMessage((bytes) => {
            call.send(election.encodeLeaderResponse({ kv: { key: election.decodeLeaderRequest(bytes).name } }));
            call.end();
          });
        },
      },
    });
    expect((await server.ask('/v3/election/observe', '{"name":"YQ=="}')).body).toBe(
      '{"result":{"kv":{"key":"YQ=="}}}\n',
    );
  });

  test('a client that does not read holds back its stream, and gets all of it in the end', async () => {
    const blob = Buffer.alloc(256 * 1024, 'x');
    const count = 100;
    let heldBack = false;
    const server = await serve({
      stream: {
        [etcd.MAINTENANCE_PATHS.Snapshot]: (call) => {
          let sent = 0;
          const pump = (): void => {
            while (sent < count) {
              sent++;
              if (!call.send(etcd.encodeSnapshotResponse({ blob }))) {
                heldBack = true;
                return;
              }
            }
            call.end();
          };
          call.onDrain(pump);
          call.onMessage(pump);
        },
      },
    });
    const response = await server.open('/v3/maintenance/snapshot', '{}');
    let lines = 0;
    for await (const chunk of response) lines += (chunk as Buffer).toString('latin1').split('\n').length - 1;
    expect([lines, heldBack]).toEqual([count, true]);
  });
});
