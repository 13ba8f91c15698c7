import { Load } from '../support/load';
import { describeWithEngine, Stack } from '../support/stack';

const PARTS = ['raft', 'storage', 'lease', 'auth'];
const KILLED = [
  ...['m1', 'm2', 'm3'].flatMap((member) => PARTS.map((part) => `${member}-${part}`)),
  'watch',
  'proxy',
  'edge',
  'nats',
];

describeWithEngine('the stack under faults', () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await Stack.start();
    await stack.compose('up', '--detach', '--no-recreate', '--scale', 'watch=2', '--scale', 'proxy=2');
    await stack.healthy(await everyService());
  }, 180_000);
  afterAll(() => stack?.destroy(), 60_000);

  async function everyService(): Promise<string[]> {
    return (await stack.services()).filter(
      (name) => !['certificates', 'collector', 'jaeger', 'prometheus', 'grafana'].includes(name),
    );
  }

  /** What `harm` does goes on while clients work, then `heal` mends it, and nothing is missing. */
  async function under(name: string, harm: () => Promise<unknown>, heal: () => Promise<unknown>): Promise<void> {
    const clients = [stack.client(), stack.client()] as const;
    const load = new Load(...clients, `${name}/`);
    await load.start();
    await load.more(20);
    await harm();
    await load.more(50);
    await heal();
    await stack.healthy(await everyService());
    await load.more(20);
    const result = await load.stop();
    for (const client of clients) client.close();
    expect(result).toMatchObject({ failedReads: 0 });
  }

  const network = (): string => `${stack.project}_private`;
  const disconnect = async (service: string, container: string): Promise<() => Promise<unknown>> => {
    await stack.docker('network', 'disconnect', network(), container);
    return () => stack.docker('network', 'connect', '--alias', service, network(), container);
  };

  test('a member that is cut off', async () => {
    const heals: (() => Promise<unknown>)[] = [];
    await under(
      'member-cut-off',
      async () => {
        for (const part of PARTS) {
          const [container = ''] = await stack.containers(`m1-${part}`);
          heals.push(await disconnect(`m1-${part}`, container));
        }
      },
      async () => {
        for (const heal of heals) await heal();
      },
    );
  }, 180_000);

  test.each(['nats', 'watch'])(
    '%s, cut off',
    async (service) => {
      const [container = ''] = await stack.containers(service);
      let heal = (): Promise<unknown> => Promise.resolve();
      await under(
        `${service}-cut-off`,
        async () => {
          heal = await disconnect(service, container);
        },
        () => heal(),
      );
    },
    180_000,
  );

  test.each(KILLED)(
    'the container of %s killed',
    async (service) => {
      const [container = ''] = await stack.containers(service);
      // Without its edge nobody can work; it is killed and started again.
      await under(
        `${service}-killed`,
        async () => {
          await stack.docker('kill', container);
          if (service === 'edge') await stack.docker('start', container);
        },
        () => stack.docker('start', container),
      );
    },
    120_000,
  );

  test('that was each container', async () => {
    expect([...KILLED].sort()).toEqual((await everyService()).sort());
  });

  test('volumes outlive down and up', async () => {
    await stack.ctl('put', 'kept', 'yes');
    const members = await stack.ctl('member', 'list');
    await stack.compose('down', '--timeout', '10');
    await stack.compose('up', '--detach');
    await stack.healthy(await everyService());
    expect(await stack.ctl('get', 'kept', '--print-value-only')).toBe('yes\n');
    expect(await stack.ctl('member', 'list')).toBe(members);
  }, 180_000);
});
