import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cluster, HEXAD } from './support/cluster';
import { freePorts } from './support/ports';
import { run } from './support/tools';
import { waitFor } from './support/wait-for';

const PASSWORD = 'pa55-of-root';
const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';

interface Line {
  readonly level: string;
  readonly ts: string;
  readonly caller: string;
  readonly msg: string;
  readonly process: string;
  readonly member: string;
  readonly 'trace-id'?: string;
  readonly 'request-id'?: string;
}

describe('logs', () => {
  let directory: string;
  const programs: ChildProcess[] = [];
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'hexad-logs-'));
  });
  afterEach(async () => {
    const ended = programs.map((program) => new Promise((resolve) => program.once('exit', resolve)));
    for (const program of programs) program.kill('SIGKILL');
    await Promise.all(ended);
    programs.length = 0;
    rmSync(directory, { recursive: true, force: true, maxRetries: 10 });
  });
  const file = (name: string): string => join(directory, name);
  const text = (name: string): string => (existsSync(file(name)) ? readFileSync(file(name), 'utf8') : '');

  test('of all six processes go to the files that are named, as JSON lines with ids and without secrets', async () => {
    const cluster = await Cluster.create({
      flags: [
        `--log-outputs=${file('a.log')},stdout,${file('b.log')}`,
        '--log-level=debug',
        '--slow-request-threshold=1us',
        '--bcrypt-cost=4',
      ],
      env: { ETCD_ROOT_PASSWORD: PASSWORD },
    });
    const member = cluster.member(0);
    try {
      await member.start();
      for (const args of [
        ['user', 'add', `root:${PASSWORD}`],
        ['user', 'grant-role', 'root', 'root'],
        ['auth', 'enable'],
        ['--user', `root:${PASSWORD}`, 'put', 'k', 'v'],
      ]) {
        await cluster.ctl(...args);
      }
      const login = await fetch(`http://${member.endpoint}/v3/auth/authenticate`, {
        method: 'POST',
        body: JSON.stringify({ name: 'root', password: PASSWORD }),
      });
      const { token } = (await login.json()) as { token: string };
      const put = await fetch(`http://${member.endpoint}/v3/kv/put`, {
        method: 'POST',
        headers: { authorization: token, traceparent: `00-${TRACE_ID}-00f067aa0ba902b7-01` },
        body: JSON.stringify({ key: 'aw==', value: 'dg==' }),
      });
      expect(put.status).toBe(200);
      await waitFor('the log line of the put', () => text('b.log').includes(TRACE_ID));
      for (const name of ['raft', 'storage', 'watch', 'lease', 'auth', 'proxy'] as const) {
        process.kill(member.processPid(name) ?? 0, 'SIGKILL');
        await waitFor(`news of ${name}`, () => text('b.log').includes(`"restarted":"${name}"`), 20_000);
      }
      await member.stop();
      const lines = text('a.log')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Line);
      expect(text('b.log')).toBe(text('a.log'));
      expect(member.log).toBe(text('a.log'));
      for (const line of lines)
        expect(line).toMatchObject({ ts: expect.any(String), level: expect.any(String), member: 'm1' });
      expect([...new Set(lines.map((line) => line.process))]).toEqual(
        expect.arrayContaining(['member', 'proxy', 'raft', 'storage']),
      );
      const slow = lines.find((line) => line['trace-id'] === TRACE_ID);
      expect(slow).toMatchObject({
        process: 'proxy',
        msg: 'slow request',
        'request-id': expect.stringMatching(/^\w+-\w+$/),
      });
      expect(text('a.log')).not.toContain(PASSWORD);
      expect(text('a.log')).not.toContain(token);
      expect(text('a.log')).toContain('ETCD_ROOT_PASSWORD=[redacted]');
    } finally {
      await cluster.destroy();
    }
  }, 60_000);

  test('of a process that runs alone, and of the gateway, go where they are told too, for people if need be', async () => {
    const [raft = 0, port = 0] = await freePorts(2);
    const start = (...args: string[]): void => void programs.push(spawn(HEXAD, args, { stdio: 'ignore' }));
    start(
      'process',
      'raft',
      '--name=m1',
      `--data-dir=${file('m1')}`,
      `--listen-peer-urls=http://127.0.0.1:${raft}`,
      `--initial-advertise-peer-urls=http://127.0.0.1:${raft}`,
      `--initial-cluster=m1=http://127.0.0.1:${raft}`,
      `--log-outputs=${file('raft.log')}`,
      '--enable-log-rotation',
      '--log-format=console',
    );
    start('gateway', 'start', `--listen-addr=127.0.0.1:${port}`, `--log-outputs=${file('gateway.log')}`);
    await waitFor('what raft says', () => text('raft.log').includes('elected leader'), 20_000);
    expect(text('raft.log')).toMatch(/^\S+Z\tinfo\t\S+:\d+\telected leader\t\{"process":"raft","member":"m1",.*\}$/m);
    await waitFor('what the gateway says', () =>
      text('gateway.log').includes('"msg":"ready to proxy client requests"'),
    );
  }, 30_000);

  test.each([
    [['--log-outputs=default,stderr'], 'multi logoutput for "default" is not supported yet'],
    [['--enable-log-rotation'], '--log-outputs requires a single file path when --log-rotate-config-json is defined'],
    [['--log-outputs=/no/such/directory/x'], 'cannot open the log file of --log-outputs: ENOENT'],
    [['--log-outputs=systemd/journal'], "can't find journal"],
  ])(
    '%j is refused in one line, and nothing is begun',
    async (flags, reason) => {
      for (const command of [[`--data-dir=${file('m1')}`], ['gateway', 'start']]) {
        const { code, stderr } = await run(HEXAD, [...command, ...flags], { env: { JOURNAL_STREAM: '' } });
        expect(code).toBe(1);
        expect(stderr.trim().split('\n')).toEqual([expect.stringContaining(reason)]);
      }
      expect(existsSync(file('m1'))).toBe(false);
    },
    30_000,
  );
});
