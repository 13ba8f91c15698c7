import { encodePutRequest, KV_PATHS } from '../../proto/gen/etcdserverpb';
import { type Channel, connect, type UnaryResult } from '../../libs/rpc';
import { CLIENTS_SERVED, REQUESTS_IN_FLIGHT_MAX } from '../../libs/limits';
import { Cluster } from './support/cluster';

jest.setTimeout(60_000);

const value = Buffer.alloc(256, 'v');
const TOO_MANY = 'etcdserver: too many requests';

/** How much a member takes on at once, and from whom. */
describe('admission', () => {
  let cluster: Cluster;
  let channels: Channel[] = [];

  beforeAll(async () => {
    cluster = await Cluster.start();
  }, 60_000);
  afterAll(() => cluster?.destroy(), 60_000);
  afterEach(() => {
    for (const channel of channels) channel.close();
    channels = [];
  });

  function open(count: number): Channel[] {
    const port = cluster.member(0).clientPort;
    const opened = Array.from({ length: count }, () => connect({ kind: 'tcp', host: '127.0.0.1', port }));
    channels.push(...opened);
    return opened;
  }

  function put(channel: Channel, key: string): Promise<UnaryResult> {
    const request = encodePutRequest({ key: Buffer.from(key), value });
    return new Promise((resolve) => channel.unary(KV_PATHS.Put, request, { timeoutMs: 30_000 }, resolve));
  }

  test.each([
    [100, 3],
    [1_000, 1],
    [1, 1],
  ])('16,000 clients on %i connections work without a refusal', async (connections, rounds) => {
    const opened = open(connections);
    const failures: string[] = [];
    const client = async (_: unknown, at: number): Promise<void> => {
      for (let round = 0; round < rounds; round++) {
        const result = await put(opened[at % connections] as Channel, `k${at}`);
        if (!result.ok) failures.push(result.error.message);
      }
    };
    await Promise.all(Array.from({ length: CLIENTS_SERVED }, client));
    expect(failures).toEqual([]);
  });

  test('a flood is refused at once beyond its share, while others are served', async () => {
    const [greedy, modest] = open(2) as [Channel, Channel];
    await Promise.all([put(greedy, 'warm'), put(modest, 'warm')]);
    const order: Array<'served' | 'refused'> = [];
    const others = new Set<string>();
    const flood = Array.from({ length: 2 * REQUESTS_IN_FLIGHT_MAX }, async (_, i) => {
      const result = await put(greedy, `f${i % 1000}`);
      if (result.ok) order.push('served');
      else if (result.error.message === TOO_MANY) order.push('refused');
      else others.add(result.error.message);
    });
    let done = false;
    const flooding = Promise.all(flood).then(() => {
      done = true;
    });
    const outcomes: UnaryResult[] = [];
    while (!done || outcomes.length === 0) outcomes.push(await put(modest, `m${outcomes.length}`));
    await flooding;
    expect(outcomes.filter((result) => !result.ok)).toEqual([]);
    expect([...others]).toEqual([]);
    const refused = order.filter((each) => each === 'refused').length;
    expect(refused).toBeGreaterThan(0);
    expect(order.length - refused).toBeGreaterThanOrEqual(REQUESTS_IN_FLIGHT_MAX / 2);
    // Refusals do not wait for what was admitted before them.
    expect(order.indexOf('refused')).toBeLessThan(order.lastIndexOf('served'));
    expect(await put(greedy, 'after')).toMatchObject({ ok: true });
  });
});
