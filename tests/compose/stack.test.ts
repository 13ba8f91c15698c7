import { connect } from 'node:net';
import type { ReceivedSpan } from '../system/support/otlp-sink';
import { run } from '../system/support/tools';
import { waitFor } from '../system/support/wait-for';
import { Load } from './support/load';
import { describeWithEngine, Stack } from './support/stack';
import { tracedPut, tracedTimeToLive, tracedUserAdd, tracedWatch } from './support/traced';

const HEALTHY_WITHIN_MS = 60_000;
const [TRACE_ID, WATCH_TRACE_ID, LEASE_TRACE_ID, AUTH_TRACE_ID] = [
  '4bf92f3577b34da6a3ce929d0e0e4731',
  '4bf92f3577b34da6a3ce929d0e0e4732',
  '4bf92f3577b34da6a3ce929d0e0e4733',
  '4bf92f3577b34da6a3ce929d0e0e4734',
] as const;

describeWithEngine('docker compose up', () => {
  let stack: Stack;
  let upMs = 0;
  beforeAll(async () => {
    const begin = performance.now();
    stack = await Stack.start({
      overlays: ['tests/compose/otlp-sink.yml'],
      environment: { HEXAD_OTLP_ENDPOINT: 'https://collector:4317' },
      also: ['collector'],
    });
    upMs = performance.now() - begin;
  }, 180_000);
  afterAll(() => stack?.destroy(), 60_000);

  test('everything is healthy within a minute, and one port is open on the host', async () => {
    expect(upMs).toBeLessThan(HEALTHY_WITHIN_MS);
    const open: string[] = [];
    for (const service of await stack.services()) {
      for (const id of await stack.containers(service)) {
        const ports = await stack.inspect<Record<string, readonly object[] | null>>(id, '.NetworkSettings.Ports');
        open.push(...Object.entries(ports).flatMap(([port, bound]) => (bound === null ? [] : [`${service} ${port}`])));
      }
    }
    expect(open).toEqual(['edge 2379/tcp']);
    expect(await stack.ctl('put', 'first', 'light')).toBe('OK\n');
    expect((await stack.ctl('member', 'list')).trim().split('\n')).toHaveLength(3);
  }, 60_000);

  test('no container runs as root, writes to its own file system, or has a capability', async () => {
    const wrong: string[] = [];
    for (const service of await stack.services()) {
      for (const id of await stack.containers(service)) {
        const host = await stack.inspect<{ ReadonlyRootfs: boolean; CapDrop: string[] | null; Memory: number }>(
          id,
          '.HostConfig',
        );
        const user = await stack.inspect<string>(id, '.Config.User');
        const isRight =
          host.ReadonlyRootfs && host.CapDrop?.join() === 'ALL' && host.Memory > 0 && !/^(0|root|)$/.test(user);
        if (!isRight) wrong.push(`${service}: ${JSON.stringify({ ...host, user })}`);
      }
    }
    expect(wrong).toEqual([]);
  }, 60_000);

  test('a client without a certificate is refused, and plain text gets no answer', async () => {
    const { ca } = stack.credentials;
    const args = ['--endpoints', `https://${stack.endpoint}`, '--cacert', ca, '--command-timeout=2s', 'get', 'first'];
    const { code, stdout } = await run('etcdctl', args, { env: { ETCDCTL_API: '3' } });
    expect({ failed: code !== 0, stdout }).toEqual({ failed: true, stdout: '' });
    const answer = await new Promise<string>((resolve) => {
      const socket = connect(stack.port, '127.0.0.1', () =>
        socket.write('GET /v3/kv/range HTTP/1.1\r\nhost: x\r\n\r\n'),
      );
      let text = '';
      socket.on('data', (data: Buffer) => (text += data.toString('latin1')));
      socket.on('error', () => resolve(text));
      socket.on('close', () => resolve(text));
    });
    expect(answer).not.toMatch(/HTTP/);
  }, 30_000);

  /** `service@member` of the spans of this trace that have arrived at the collector. */
  async function placesOf(traceId: string): Promise<Set<string>> {
    const spans = (await stack.logs('collector'))
      .split('\n')
      .flatMap((line) => (line.includes(traceId) ? [JSON.parse(line.slice(line.indexOf('{'))) as ReceivedSpan] : []));
    return new Set(
      spans.map(({ service, member }) => (/raft|storage/.test(service) ? `${service}@${member}` : service)),
    );
  }

  async function arrive(traceId: string, wanted: readonly string[]): Promise<void> {
    await waitFor(
      `spans of ${wanted.join(', ')}`,
      async () => {
        const places = await placesOf(traceId);
        return wanted.every((place) => places.has(place));
      },
      30_000,
    );
  }

  test('a put arrives at the collector as spans of every process of every member that it crossed', async () => {
    const places = ['raft', 'storage'].flatMap((part) => ['m1', 'm2', 'm3'].map((member) => `hexad-${part}@${member}`));
    // With a watcher on the key, whose hub has a part in it.
    await tracedWatch(stack, WATCH_TRACE_ID, 'traced', () => tracedPut(stack, TRACE_ID));
    await arrive(TRACE_ID, ['hexad-proxy', ...places]);
    await arrive(WATCH_TRACE_ID, ['hexad-watch']);
  }, 90_000);

  test('and so do requests that the lease and the auth process have a part in', async () => {
    const [, lease = ''] = /^lease ([0-9a-f]+) granted/.exec(await stack.ctl('lease', 'grant', '60')) ?? [];
    await tracedTimeToLive(stack, LEASE_TRACE_ID, BigInt(`0x${lease}`));
    await tracedUserAdd(stack, AUTH_TRACE_ID, 'traced');
    await arrive(LEASE_TRACE_ID, ['hexad-proxy', 'hexad-lease']);
    await arrive(AUTH_TRACE_ID, ['hexad-proxy', 'hexad-auth']);
  }, 90_000);

  test('with tiers scaled under load no watch misses an event, no read fails, and proxies see what others wrote', async () => {
    const clients = [stack.client(), stack.client()] as const;
    const load = new Load(...clients, 'load/');
    await load.start();
    const scale = async (watch: number, proxy: number): Promise<void> => {
      await load.more(50);
      await stack.compose('up', '--detach', '--no-recreate', '--scale', `watch=${watch}`, '--scale', `proxy=${proxy}`);
      await stack.healthy(['watch', 'proxy']);
      await load.more(50);
    };
    await scale(3, 3);
    await eachSeesTheOthers(stack);
    await scale(2, 1);
    const result = await load.stop();
    for (const client of clients) client.close();
    expect(result).toMatchObject({ failedReads: 0 });
  }, 180_000);

  test('it stops within ten seconds, every process in order', async () => {
    const begin = performance.now();
    await stack.compose('stop');
    const codes: string[] = [];
    for (const service of await stack.services()) {
      for (const id of await stack.containers(service)) {
        const code = await stack.inspect<number>(id, '.State.ExitCode');
        // NATS says 1 when it is told to end.
        if (code !== (service === 'nats' ? 1 : 0)) codes.push(`${service}: ${code}`);
      }
    }
    expect(codes).toEqual([]);
    expect(performance.now() - begin).toBeLessThan(15_000); // 10 s of grace, and the engine's own time for 20 containers
  }, 60_000);
});

/** A put through each proxy is read through all, and a watch on each sees the puts through the others. */
async function eachSeesTheOthers(stack: Stack): Promise<void> {
  const addresses = await stack.addresses('proxy');
  const clients = addresses.map((address) => stack.client(`${address}:2379`));
  const seen = addresses.map(() => new Set<string>());
  for (const [at, client] of clients.entries()) {
    const watcher = await client.watch().prefix('across/').create();
    watcher.on('put', (kv) => seen[at]?.add(kv.key.toString()));
  }
  const keys = addresses.map((address) => `across/${address}`);
  for (const [at, client] of clients.entries()) await client.put(keys[at] ?? '').value('x');
  for (const client of clients) {
    for (const key of keys) expect(await client.get(key).string()).toBe('x');
  }
  await waitFor('each watch to see each put', () => seen.every((set) => set.size === keys.length));
  for (const client of clients) client.close();
}
