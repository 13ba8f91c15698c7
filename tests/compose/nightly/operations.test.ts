import { run } from '../../system/support/tools';
import { ROOT } from '../../system/support/cluster';
import { join } from 'node:path';
import { waitFor } from '../../system/support/wait-for';
import { Load } from '../support/load';
import { describeWithEngine, Stack, type StackOptions } from '../support/stack';

const PARTS = ['raft', 'storage', 'lease', 'auth'];
const parts = (member: string): string[] => PARTS.map((part) => `${member}-${part}`);

/** The commands of deploy/README.md. */
describeWithEngine('running the stack', () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await Stack.start();
  }, 180_000);
  afterAll(() => stack?.destroy(), 60_000);

  async function underLoad(name: string, work: () => Promise<void>): Promise<void> {
    const clients = [stack.client(), stack.client()] as const;
    const load = new Load(...clients, `${name}/`);
    await load.start();
    await load.more(20);
    await work();
    await load.more(20);
    const result = await load.stop();
    for (const client of clients) client.close();
    expect(result).toMatchObject({ failedReads: 0 });
  }

  const memberId = async (name: string): Promise<string> => {
    const line = (await stack.ctl('member', 'list')).split('\n').find((one) => one.includes(`${name}-raft`));
    return line?.split(',')[0] ?? '';
  };

  test('a rolling restart loses no request', async () => {
    await underLoad('rolling', async () => {
      const { code, stdout, stderr } = await run('sh', [join(ROOT, 'deploy/rolling.sh')], {
        env: stack.environment,
        timeoutMs: 300_000,
      });
      expect({ code, said: code === 0 ? '' : stdout + stderr }).toEqual({ code: 0, said: '' });
    });
  }, 400_000);

  test("a member's volume is replaced, and the member has everything again", async () => {
    await underLoad('volume', async () => {
      await stack.ctl('member', 'remove', await memberId('m2'));
      await stack.compose('rm', '--stop', '--force', ...parts('m2'));
      await stack.docker('volume', 'rm', `${stack.project}_m2-data`);
      await stack.ctl('member', 'add', 'm2', '--peer-urls=https://m2-raft:2380');
      await stack.composeWith({ HEXAD_CLUSTER_STATE: 'existing' }, 'up', '--detach', '--no-deps', ...parts('m2'));
      await stack.healthy(parts('m2'));
      await waitFor('m2 to have started', async () => (await stack.ctl('member', 'list')).includes('started, m2'));
    });
  }, 240_000);

  test('a fourth member joins the running stack', async () => {
    await underLoad('fourth', async () => {
      const more = stack.with(['deploy/compose.m4.yml'], { HEXAD_MEMBERS: 'm1,m2,m3,m4' });
      await more.compose('up', '--detach', '--no-deps', 'certificates');
      await waitFor('the certificates', async () => {
        const [job = ''] = await more.containers('certificates');
        const state = await more.inspect<{ Running: boolean; ExitCode: number }>(job, '.State');
        return !state.Running && state.ExitCode === 0;
      });
      await stack.ctl('member', 'add', 'm4', '--peer-urls=https://m4-raft:2380');
      await more.compose('up', '--detach', '--no-deps', ...parts('m4'));
      await more.healthy(parts('m4'));
      await waitFor('m4 to have started', async () => (await stack.ctl('member', 'list')).includes('started, m4'));
    });
    expect((await stack.ctl('member', 'list')).trim().split('\n')).toHaveLength(4);
  }, 240_000);
});

describeWithEngine('the overlays', () => {
  test.each<[string, number, StackOptions]>([
    ['one member', 1, { overlays: ['deploy/compose.single.yml'] }],
    ['five members', 5, { overlays: ['deploy/compose.five.yml'], environment: { HEXAD_MEMBERS: 'm1,m2,m3,m4,m5' } }],
    ['no TLS', 3, { overlays: ['deploy/compose.no-tls.yml'], plain: true }],
  ])(
    '%s',
    async (_, members, options) => {
      const stack = await Stack.start(options);
      try {
        expect(await stack.ctl('put', 'a', 'b')).toBe('OK\n');
        expect(await stack.ctl('get', 'a', '--print-value-only')).toBe('b\n');
        expect((await stack.ctl('member', 'list')).trim().split('\n')).toHaveLength(members);
      } finally {
        await stack.destroy();
      }
    },
    240_000,
  );
});
