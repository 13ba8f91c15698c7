import { Cluster } from './support/cluster';

const b64 = (text: string): string => Buffer.from(text).toString('base64');

describe('HTTP on the client port', () => {
  let cluster: Cluster;
  let base = '';
  beforeAll(async () => {
    cluster = await Cluster.start();
    base = `http://${cluster.member(0).endpoint}`;
  }, 60_000);
  afterAll(() => cluster?.destroy(), 60_000);

  const get = async (path: string): Promise<{ status: number; body: string }> => {
    const response = await fetch(base + path);
    return { status: response.status, body: await response.text() };
  };
  const post = async (path: string, body: object): Promise<{ status: number; body: unknown }> => {
    const response = await fetch(base + path, { method: 'POST', body: JSON.stringify(body) });
    return { status: response.status, body: await response.json() };
  };

  test('tells health, version and metrics', async () => {
    expect(await get('/health')).toEqual({ status: 200, body: '{"health":"true","reason":""}' });
    expect(JSON.parse((await get('/version')).body)).toMatchObject({ etcdserver: '3.7.1', etcdcluster: '3.7.0' });
    const metrics = (await get('/metrics')).body;
    for (const line of [
      /^etcd_server_has_leader 1$/m,
      /^etcd_server_is_leader 1$/m,
      /^etcd_server_version\{server_version="3\.7\.1"\} 1$/m,
      /^grpc_server_handled_total\{/m,
    ]) {
      expect(metrics).toMatch(line);
    }
    expect((await get('/readyz')).status).toBe(200);
    expect((await get('/livez')).status).toBe(200);
    expect((await get('/no-such-page')).status).toBe(404);
    expect((await fetch(`${base}/health`, { method: 'POST' })).status).toBe(405);
  });

  test('answers JSON requests as etcd’s gateway does', async () => {
    expect(await post('/v3/kv/put', { key: b64('j'), value: b64('1') })).toMatchObject({
      status: 200,
      body: { header: { revision: expect.stringMatching(/^\d+$/) } },
    });
    expect(await post('/v3/kv/range', { key: b64('j') })).toMatchObject({
      status: 200,
      body: {
        kvs: [
          {
            key: b64('j'),
            value: b64('1'),
            version: '1',
            create_revision: expect.any(String),
            mod_revision: expect.any(String),
          },
        ],
        count: '1',
      },
    });
    const absent = await post('/v3/kv/range', { key: b64('absent') });
    expect(Object.keys(absent.body as object)).toEqual(['header']);
    expect(await post('/v3/kv/range', {})).toMatchObject({
      status: 400,
      body: { error: 'etcdserver: key is not provided', code: 3, message: 'etcdserver: key is not provided' },
    });
    expect(await post('/v3/kv/deleterange', { key: b64('j') })).toMatchObject({ status: 200, body: { deleted: '1' } });
    expect(await post('/v3/auth/authenticate', { name: 'x', password: 'y' })).toMatchObject({
      status: 400,
      body: { code: 9, error: 'etcdserver: authentication is not enabled' },
    });
  });

  test('streams watches as lines of JSON', async () => {
    const response = await fetch(`${base}/v3/watch`, {
      method: 'POST',
      body: JSON.stringify({ create_request: { key: b64('s') } }),
    });
    const reader = response.body?.getReader();
    if (reader === undefined) throw new Error('no body');
    let text = '';
    const decoder = new TextDecoder();
    const line = async (): Promise<{ result: Record<string, unknown> }> => {
      while (!text.includes('\n')) text += decoder.decode((await reader.read()).value);
      const at = text.indexOf('\n');
      const first = text.slice(0, at);
      text = text.slice(at + 1);
      return JSON.parse(first) as { result: Record<string, unknown> };
    };
    expect((await line()).result).toMatchObject({ created: true, header: { revision: expect.any(String) } });
    await post('/v3/kv/put', { key: b64('s'), value: b64('v') });
    expect((await line()).result).toMatchObject({ events: [{ kv: { key: b64('s'), value: b64('v') } }] });
    await reader.cancel();
  });
});
