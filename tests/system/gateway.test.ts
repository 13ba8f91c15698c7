import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Etcd3 } from 'etcd3';
import { Cluster, etcdctl, HEXAD } from './support/cluster';
import { freePorts } from './support/ports';
import { run } from './support/tools';
import { waitFor } from './support/wait-for';

describe('hexad gateway start', () => {
  let cluster: Cluster;
  let gateway: ChildProcess;
  let log = '';
  let port = 0;
  beforeAll(async () => {
    cluster = await Cluster.start({ members: 3 });
    [port = 0] = await freePorts(1);
    gateway = spawn(
      HEXAD,
      [
        'gateway',
        'start',
        `--listen-addr=127.0.0.1:${port}`,
        `--endpoints=${cluster.endpoints.join(',')}`,
        '--health-check-interval=100ms',
        '--drain-timeout=2s',
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    gateway.stderr?.setEncoding('utf8').on('data', (text: string) => (log += text));
    await waitFor('the gateway', () => log.includes('"msg":"ready to proxy client requests"'));
  }, 60_000);
  afterAll(async () => {
    gateway?.kill('SIGKILL');
    await cluster?.destroy();
  }, 60_000);

  const ctl = (...args: string[]): ReturnType<typeof etcdctl> => etcdctl([`127.0.0.1:${port}`], args);

  test('etcdctl works through it, and so does a watch', async () => {
    const client = new Etcd3({ hosts: `http://127.0.0.1:${port}` });
    const watcher = await client.watch().key('a').create();
    const seen = new Promise<string>((resolve) => watcher.once('put', (kv) => resolve(kv.value.toString())));
    expect(await ctl('put', 'a', 'b')).toMatchObject({ code: 0, stdout: 'OK\n' });
    expect(await ctl('get', 'a', '--print-value-only')).toMatchObject({ code: 0, stdout: 'b\n' });
    expect(await seen).toBe('b');
    client.close();
  }, 30_000);

  test('with a member gone every new client is served by the others, and by it once it is back', async () => {
    const member = cluster.member(0);
    await member.stop();
    await cluster.leader(20_000).catch(() => undefined);
    for (let at = 0; at < 6; at++) expect((await ctl('put', 'k', String(at))).code).toBe(0);
    await waitFor('the gateway to notice', () => log.includes('"msg":"marked endpoint as inactive"'));
    await member.start();
    await waitFor('the gateway to use it again', () => log.includes('"msg":"activated"'));
    expect((await ctl('get', 'k', '--print-value-only')).stdout).toBe('5\n');
  }, 60_000);

  test('told to stop it ends with 0, though a client stays', async () => {
    const client = new Etcd3({ hosts: `http://127.0.0.1:${port}` });
    await client.watch().key('a').create();
    const ended = once(gateway, 'exit');
    gateway.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
    client.close();
  }, 30_000);

  test.each([
    [['--endpoints=x'], 1, /not HOST:PORT/],
    [['--listen-addr=127.0.0.1:1', '--endpoints=127.0.0.1:1'], 1, /gateway's own --listen-addr/],
    [['--discovery-srv=example.com'], 1, /--discovery-srv is not supported/],
  ])('%j is refused in one line', async (flags, code, reason) => {
    const result = await run(HEXAD, ['gateway', 'start', ...flags]);
    expect(result.code).toBe(code);
    expect(result.stderr.trim().split('\n')).toEqual([expect.stringMatching(reason)]);
  });

  test('a port in use is one line', async () => {
    const result = await run(HEXAD, ['gateway', 'start', `--listen-addr=${cluster.endpoints[1] ?? ''}`]);
    expect(result).toMatchObject({ code: 1, stderr: expect.stringMatching(/can't listen on .*EADDRINUSE/) });
  });
});
