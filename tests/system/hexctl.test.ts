import { join } from 'node:path';
import { Client } from '../../libs/client';
import { Cluster, etcdctl, ROOT } from './support/cluster';
import { describeWith, run, type RunResult } from './support/tools';
import { waitFor } from './support/wait-for';

const HEXCTL = join(ROOT, 'bin', 'hexctl');

describeWith(['etcdctl'], 'hexctl, with three members', () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.start({ members: 3 });
  }, 60_000);
  afterAll(async () => {
    await cluster?.destroy();
  }, 60_000);

  const hexctl = (args: readonly string[], input?: string): Promise<RunResult> =>
    run(HEXCTL, ['--endpoints', cluster.endpoints.join(','), ...args], input === undefined ? {} : { input });

  test('prints what etcdctl prints', async () => {
    expect((await hexctl(['put', 'app/a', '1'])).stdout).toBe('OK\n');
    expect((await hexctl(['put', 'app/b', 'two words'])).stdout).toBe('OK\n');
    const same = [
      ['get', 'app/', '--prefix'],
      ['get', 'app/a', 'app/z', '--order', 'DESCEND', '--sort-by', 'KEY'],
      ['get', 'app/', '--prefix', '--keys-only', '--limit', '1', '--hex'],
      ['get', 'none'],
      ['member', 'list'],
      ['member', 'list', '-w', 'table'],
    ];
    for (const args of same) {
      const [own, theirs] = await Promise.all([hexctl(args), etcdctl(cluster.endpoints, args)]);
      expect({ args, code: own.code, text: own.stdout.replace(/\n+$/, '') }).toEqual({
        args,
        code: theirs.code,
        text: theirs.stdout.replace(/\n+$/, ''),
      });
    }
    const json = async (program: typeof hexctl) =>
      JSON.parse((await program(['get', 'app/a', '-w', 'json'])).stdout) as { kvs: unknown };
    expect((await json(hexctl)).kvs).toEqual((await json((args) => etcdctl(cluster.endpoints, args))).kvs);
    const txn = 'mod("app/a") > "0"\n\nput app/c 3\nget app/a\n\nget app/b\n';
    expect((await hexctl(['txn'], txn)).stdout).toBe('SUCCESS\n\nOK\n\napp/a\n1\n');
    expect((await hexctl(['del', 'app/c', '--prev-kv'])).stdout).toBe('1\napp/c\n3\n');
    expect(
      (await hexctl(['endpoint', 'health'])).stdout.match(/is healthy: successfully committed proposal: took = /g),
    ).toHaveLength(3);
    expect((await hexctl(['endpoint', 'status'])).stdout.trim().split('\n')).toHaveLength(3);
  }, 60_000);

  test('takes the cluster’s version back and forth, told by every member and remembered by one that was away', async () => {
    const downgrade = (...args: string[]): Promise<RunResult> => hexctl(['downgrade', ...args]);
    const told = async (): Promise<string[]> =>
      (await hexctl(['endpoint', 'status'])).stdout
        .trim()
        .split('\n')
        .map((line) => {
          const fields = line.split(', ');
          return [fields[3], ...fields.slice(-2)].join(' ');
        });
    const untilAll = (state: string): Promise<true> =>
      waitFor(state, async () => (await told()).join() === [state, state, state].join(), 20_000);
    await untilAll('3.7.0  false');
    expect((await downgrade('validate', '3.6')).stdout).toBe('Downgrade validate success, cluster version 3.7\n');
    expect(await downgrade('enable', '3.5')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('etcdserver: invalid downgrade target version') as string,
    });
    expect((await downgrade('cancel')).stderr).toContain('etcdserver: no inflight downgrade job');
    expect((await downgrade('enable', '3.6')).stdout).toMatch(/^Downgrade enable success, cluster version 3\.[67]\n$/);
    await untilAll('3.6.0 3.6.0 true');
    expect((await downgrade('validate', '3.5')).stderr).toContain('cluster has a downgrade job in progress');
    await cluster.member(1).stop('SIGKILL');
    await cluster.member(1).start();
    await untilAll('3.6.0 3.6.0 true');
    // Whoever leads has a member at 3.7 before it, so the cluster goes up again once nobody wants it lower.
    expect((await downgrade('cancel')).stdout).toBe('Downgrade cancel success, cluster version 3.6\n');
    await untilAll('3.7.0  false');
  }, 60_000);

  test('ends with the codes of etcdctl', async () => {
    expect(await hexctl(['get', 'a', '-w', 'table'])).toMatchObject({
      code: 4,
      stderr: 'Error: table not supported as output format\n',
    });
    expect((await hexctl(['txn'], 'nonsense\n\n\n')).code).toBe(3);
    expect((await hexctl(['put', 'a', 'b', '--lease=xyz'])).code).toBe(128);
    expect((await run(HEXCTL, ['--endpoints', '127.0.0.1:1', 'get', 'a'])).code).not.toBe(0);
  }, 60_000);

  test('shows where the time of a request went, at once and later', async () => {
    const { stdout, stderr } = await hexctl(['--timing', 'put', 'app/t', '1']);
    expect(stdout).toBe('OK\n');
    for (const stage of ['edge', 'queue', 'propose', 'wal', 'replicate', 'commit', 'apply', 'respond', 'total']) {
      expect(stderr).toMatch(new RegExp(`^  ${stage} .* ms`, 'm'));
    }
    const id = stderr.split('\n')[0] ?? '';
    const later = await hexctl(['trace', id]);
    expect(later.stdout).toContain(`${id}  put on m1`);
    expect(later.stdout).toMatch(/wal +raft@m\d/);
    expect((await hexctl(['trace', 'nobody'])).code).toBe(1);
    expect((await hexctl(['trace'])).stdout).toContain('histogram');
    expect((await hexctl(['top'])).stdout).toMatch(/HOT PREFIX[^]*PROCESS[^]*FSYNC/);
  }, 60_000);

  test('changes the log level of all processes while they run', async () => {
    const levels = JSON.parse(
      (await hexctl(['log-level', 'debug'])).stdout.split('\n')[0]?.replace(/^[^{]*/, '') ?? '',
    ) as object;
    expect(levels).toEqual({
      proxy: 'debug',
      raft: 'debug',
      storage: 'debug',
      watch: 'debug',
      lease: 'debug',
      auth: 'debug',
    });
    expect((await hexctl(['log-level', 'loud'])).code).toBe(1);
  }, 60_000);

  test('diagnoses a member that is gone, with an exit code for scripts', async () => {
    const all = cluster.endpoints;
    const own = (args: readonly string[]): Promise<RunResult> => run(HEXCTL, ['--endpoints', all.join(','), ...args]);
    expect((await own(['diagnose', '-w', 'json'])).stdout).not.toContain('critical');
    const probes = await Promise.all(
      cluster.members.map(async ({ endpoint }) => {
        const client = new Client({ endpoint, timeoutMs: 10_000 });
        const { families } = await client.top({ probeDisk: true });
        client.close();
        return families.find(({ name }) => name === 'hexad_disk_probe_seconds')?.samples.map(({ value }) => value > 0);
      }),
    );
    expect(probes).toEqual([
      [true, true],
      [true, true],
      [true, true],
    ]);
    await cluster.member(2).stop('SIGKILL');
    const { code, stdout } = await own(['diagnose', '-w', 'json']);
    const findings = JSON.parse(stdout) as { id: string; severity: string; member: string }[];
    expect(findings).toContainEqual(
      expect.objectContaining({ id: 'unreachable', severity: 'critical', member: all[2] }),
    );
    expect(code).toBe(1);
  }, 60_000);
});
