import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { ReceivedSpan } from '../system/support/otlp-sink';
import { ROOT } from '../system/support/cluster';
import { run } from '../system/support/tools';
import { waitFor } from '../system/support/wait-for';
import { Load } from './support/load';
import { describeWithEngine, IMAGE, Stack } from './support/stack';
import { tracedPut, tracedTimeToLive, tracedUserAdd, tracedWatch } from './support/traced';

const HEALTHY_WITHIN_MS = 60_000;
/** What the services listen on in the private network. */
const PRIVATE_PORTS: readonly (readonly [string, number])[] = [
  ['m1-raft', 2380],
  ['m1-raft', 2390],
  ['m1-storage', 2391],
  ['watch', 2392],
  ['m1-lease', 2393],
  ['m1-auth', 2394],
  ['proxy', 2379],
  ['proxy', 2382],
  ['nats', 4222],
];
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

  test('no container runs as root, writes to its own file system, has a capability, or takes what it likes', async () => {
    const wrong: string[] = [];
    for (const service of await stack.services()) {
      for (const id of await stack.containers(service)) {
        const problems = await confinementProblems(stack, id);
        if (problems.length > 0) wrong.push(`${service}: ${problems.join(', ')}`);
      }
    }
    expect(wrong).toEqual([]);
  }, 60_000);

  test('the image has the packages of production alone', async () => {
    const list = ['sh', '-c', 'cd /hexad/node_modules && ls -d [!@]* @*/*'];
    const [container = ''] = await stack.containers('m1-raft');
    const found = (await stack.docker('exec', container, ...list)).split('\n').filter((name) => name !== '');
    const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, { dev?: boolean }>;
    };
    const isOurs = (name: string): boolean => {
      const entry = packages[`node_modules/${name}`];
      return entry !== undefined && entry.dev !== true;
    };
    expect(found.length).toBeGreaterThan(10);
    expect(found.filter((name) => !isOurs(name))).toEqual([]);
    const kilobytes = Number((await stack.docker('exec', container, 'du', '-sk', '/hexad')).split('\t')[0]);
    expect(kilobytes).toBeLessThan(100_000);
  }, 30_000);

  test('from outside the private network nothing is reached but the edge, and at the edge nothing but TLS', async () => {
    const [edge = ''] = await stack.containers('edge');
    expect(listening(await stack.docker('exec', edge, 'cat', '/proc/net/tcp', '/proc/net/tcp6'))).toEqual([2379]);
    const inside: string[] = [];
    for (const [service, port] of PRIVATE_PORTS) {
      for (const address of await stack.addresses(service)) inside.push(`${address}:${port}`);
    }
    const script = `for (const one of process.argv.slice(1)) {
      const [host, port] = one.split(':');
      require('net').connect({ host, port }, () => console.log(one)).on('error', () => undefined);
    }
    setTimeout(() => process.exit(0), 2000);`;
    const alone = ['run', '--rm', '--network', `${stack.project}_public`, '--entrypoint', 'node', IMAGE, '-e', script];
    expect((await stack.docker(...alone, ...inside)).trim()).toBe('');
    // From where they may be reached they are: the script sees what there is.
    const [proxy = ''] = await stack.containers('proxy');
    const reached = (await stack.docker('exec', proxy, 'node', '-e', script, ...inside)).trim().split('\n');
    expect(reached.sort()).toEqual([...inside].sort());
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

/** What is missing of what confines a container. */
async function confinementProblems(stack: Stack, id: string): Promise<string[]> {
  const host = await stack.inspect<{
    ReadonlyRootfs: boolean;
    CapDrop: string[] | null;
    Memory: number;
    NanoCpus: number;
    PidsLimit: number | null;
    SecurityOpt: string[] | null;
  }>(id, '.HostConfig');
  const user = await stack.inspect<string>(id, '.Config.User');
  const wanted: Readonly<Record<string, boolean>> = {
    'read-only root file system': host.ReadonlyRootfs,
    'no capabilities': host.CapDrop?.join() === 'ALL',
    'no new privileges': host.SecurityOpt?.some((option) => option.startsWith('no-new-privileges')) === true,
    'limit of memory': host.Memory > 0,
    'limit of processors': host.NanoCpus > 0,
    'limit of processes': (host.PidsLimit ?? 0) > 0,
    'a user of its own': !/^(0|root|)(:|$)/.test(user),
  };
  return Object.entries(wanted).flatMap(([what, has]) => (has ? [] : [what]));
}

/** Ports that a container listens on for others, from its /proc/net/tcp and tcp6. */
function listening(table: string): number[] {
  const ports = table.split('\n').flatMap((line) => {
    const [, local = '', , state] = line.trim().split(/\s+/);
    const [address = '', port = ''] = local.split(':');
    const isLoopback = address.length === 8 && address.endsWith('7F');
    return state === '0A' && !isLoopback ? [Number.parseInt(port, 16)] : [];
  });
  return [...new Set(ports)];
}

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
