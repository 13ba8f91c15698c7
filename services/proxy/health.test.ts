import { createLogger, type RunningProcess } from '../../libs/process';
import {
  decodeHealthCheckResponse,
  encodeHealthCheckRequest,
  HEALTH_PATHS,
  HealthCheckResponse_ServingStatus as Status,
} from '../../proto/gen/grpc_health_v1';
import { startProxy } from './server';
import { TestClient } from './testing/client';
import { FakeMember } from './testing/fake-member';

const NOSPACE = 1;
const CORRUPT = 2;

let member: FakeMember;
let proxy: RunningProcess;
let client: TestClient;

beforeEach(async () => {
  member = new FakeMember();
  await member.start();
  proxy = await startProxy({
    config: member.config(),
    logger: createLogger('proxy', 'fatal', 'm1'),
    fatal: (error) => {
      throw error;
    },
  });
  client = new TestClient(member.clientSocket);
});

afterEach(async () => {
  client.close();
  await proxy.shutdown();
  await member.destroy();
});

const get = (path: string): Promise<{ status: number; body: string }> => client.http('GET', path);
const untilStatus = async (path: string, status: number): Promise<string> => {
  for (;;) {
    const answer = await get(path);
    if (answer.status === status) return answer.body;
  }
};
const raise = (alarm: number): void => {
  member.appliedIndex++;
  member.feed({ alarmsChanged: true, alarms: [{ memberId: 1n, alarm }] });
};
const loseLeader = (): void => {
  member.leaderId = 0n;
  member.tellStatus();
};

describe('health over HTTP', () => {
  test('says nothing but ok while all is well, and each check when asked', async () => {
    expect(await get('/livez')).toEqual({ status: 200, body: 'ok\n' });
    expect(await get('/readyz')).toEqual({ status: 200, body: 'ok\n' });
    expect(await get('/livez?verbose')).toEqual({ status: 200, body: '[+]serializable_read ok\nok\n' });
    const all = '[+]data_corruption ok\n[+]serializable_read ok\n[+]linearizable_read ok\n[+]non_learner ok\nok\n';
    expect(await get('/readyz?verbose=false')).toEqual({ status: 200, body: all });
    for (const check of ['data_corruption', 'serializable_read', 'linearizable_read', 'non_learner']) {
      expect(await get(`/readyz/${check}`)).toEqual({ status: 200, body: 'ok\n' });
    }
    expect(await get('/livez/serializable_read?verbose')).toEqual({
      status: 200,
      body: '[+]serializable_read ok\nok\n',
    });
  });

  test('leaves out what is excluded, and takes no offence at names that it does not know', async () => {
    const path = '/readyz?verbose&exclude=data_corruption&exclude=non_learner&exclude=&exclude=from_the_future';
    expect(await get(path)).toEqual({
      status: 200,
      body: '[+]serializable_read ok\n[+]linearizable_read ok\nok\n',
    });
  });

  test('there are no other checks and no other methods', async () => {
    for (const path of ['/livez/linearizable_read', '/readyz/nothing', '/readyz/', '/healthz']) {
      expect((await get(path)).status).toBe(path === '/readyz/' ? 200 : 404);
    }
    for (const path of ['/health', '/livez', '/readyz', '/readyz/non_learner']) {
      for (const method of ['POST', 'HEAD', 'PUT']) expect((await client.http(method, path)).status).toBe(405);
    }
  });

  test('without a leader the member lives, and is not ready', async () => {
    loseLeader();
    const body = await untilStatus('/readyz', 503);
    expect(body).toBe(
      '[+]data_corruption ok\n[+]serializable_read ok\n[-]linearizable_read failed: etcdserver: no leader\n[+]non_learner ok\nreadyz check failed\n',
    );
    expect(await get('/readyz/linearizable_read')).toEqual({
      status: 503,
      body: '[-]linearizable_read failed: etcdserver: no leader\nreadyz check failed\n',
    });
    expect((await get('/readyz?exclude=linearizable_read')).status).toBe(200);
    expect((await get('/livez')).status).toBe(200);
    expect(await get('/health')).toEqual({ status: 503, body: '{"health":"false","reason":"RAFT NO LEADER"}' });
    expect((await get('/health?serializable=true')).status).toBe(200);
    const metrics = (await get('/metrics')).body;
    expect(metrics).toContain('etcd_server_healthcheck{type="readyz",name="linearizable_read"} 0\n');
    expect(metrics).toContain('etcd_server_healthcheck{type="livez",name="serializable_read"} 1\n');
    expect(metrics).toMatch(
      /etcd_server_healthchecks_total\{type="readyz",name="linearizable_read",status="error"\} [2-9]/,
    );
  });

  test('alarms are named; each can be excluded from /health, and data corruption from /readyz', async () => {
    raise(CORRUPT);
    expect(await untilStatus('/readyz', 503)).toContain('[-]data_corruption failed: alarm activated: CORRUPT\n');
    expect(await get('/health')).toEqual({ status: 503, body: '{"health":"false","reason":"ALARM CORRUPT"}' });
    expect((await get('/health?exclude=CORRUPT')).status).toBe(200);
    expect((await get('/readyz?exclude=data_corruption')).status).toBe(200);
    expect((await get('/livez')).status).toBe(200);
    raise(NOSPACE);
    await untilStatus('/readyz', 200);
    expect(await get('/health')).toEqual({ status: 503, body: '{"health":"false","reason":"ALARM NOSPACE"}' });
    expect((await get('/health?exclude=NOSPACE')).status).toBe(200);
  });
});

describe('grpc.health.v1', () => {
  const check = async (service: string): Promise<number | string> => {
    const result = await client.call(HEALTH_PATHS.Check, encodeHealthCheckRequest({ service }));
    return result.ok ? decodeHealthCheckResponse(result.response).status : result.error.message;
  };

  test('tells of the server, of each of its services, and of nothing else', async () => {
    for (const service of ['', 'etcdserverpb.KV', 'etcdserverpb.Watch', 'v3lockpb.Lock', 'grpc.health.v1.Health']) {
      expect([service, await check(service)]).toEqual([service, Status.SERVING]);
    }
    expect(await check('no.such.Service')).toBe('unknown service');
  });

  test('who watches is told at once and of every change; an unknown service may come to be known', async () => {
    const watch = (service: string) => {
      const stream = client.stream(HEALTH_PATHS.Watch);
      stream.stream.send(encodeHealthCheckRequest({ service }));
      return async () => (await stream.next(decodeHealthCheckResponse)).status;
    };
    const [server, keys, unknown] = [watch(''), watch('etcdserverpb.KV'), watch('no.such.Service')];
    expect([await server(), await keys(), await unknown()]).toEqual([
      Status.SERVING,
      Status.SERVING,
      Status.SERVICE_UNKNOWN,
    ]);
    loseLeader();
    expect(await keys()).toBe(Status.NOT_SERVING);
    expect(await check('etcdserverpb.KV')).toBe(Status.NOT_SERVING);
    expect(await check('')).toBe(Status.SERVING);
    member.leaderId = 1n;
    member.tellStatus();
    expect(await keys()).toBe(Status.SERVING);
  });
});
