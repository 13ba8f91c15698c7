import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cluster, HEXAD, ROOT } from './support/cluster';
import { run } from './support/tools';
import { waitFor } from './support/wait-for';

let directory = '';
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'hexad-start-'))));
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** One line, no stack: what a user can read at 3 a.m. */
function expectOneLine(stderr: string, text: RegExp): void {
  const lines = stderr
    .trim()
    .split('\n')
    .filter((line) => !line.startsWith('{'));
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(text);
  expect(stderr).not.toMatch(/\n\s+at /);
}

describe('bin/hexad', () => {
  test('prints etcd’s version lines', async () => {
    const { code, stdout } = await run(HEXAD, ['--version']);
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^etcd Version: 3\.7\.1\nGit SHA: .*\nGo Version: .*\nGo OS\/Arch: linux\/.*\nHexad Version: \d/,
    );
  });

  test('prints usage for --help, and for an unknown flag with exit code 2', async () => {
    const help = await run(HEXAD, ['--help']);
    expect([help.code, help.stdout.includes('--listen-client-urls')]).toEqual([0, true]);
    const unknown = await run(HEXAD, ['--no-such-flag']);
    expect(unknown.code).toBe(2);
    expect(unknown.stderr).toMatch(/flag provided but not defined: -no-such-flag\nUsage:/);
  });

  test.each([
    [['--client-crl-file=x'], /--client-crl-file is not supported/],
    [['--election-timeout=100'], /should be at least as 5 times/],
    [['--config-file=/none/etcd.yml'], /cannot read the configuration file/],
    [['--cert-file=/none/c', '--key-file=/none/k'], /none/],
  ])('%j ends with one line and exit code 1', async (flags, text) => {
    const { code, stderr } = await run(HEXAD, [`--data-dir=${directory}/d`, ...flags]);
    expect(code).toBe(1);
    expectOneLine(stderr, text);
  });

  test('refuses a data directory of a real etcd and names the way in', async () => {
    mkdirSync(join(directory, 'd', 'member', 'snap'), { recursive: true });
    const { code, stderr } = await run(HEXAD, [`--data-dir=${directory}/d`]);
    expect(code).toBe(1);
    expectOneLine(stderr, /was made by etcd: import it with "hexutl snapshot restore/);
  });

  test('refuses a data directory that can’t be made', async () => {
    writeFileSync(join(directory, 'file'), '');
    const { code, stderr } = await run(HEXAD, [`--data-dir=${directory}/file/d`]);
    expect(code).toBe(1);
    expectOneLine(stderr, /cannot access data directory/);
  });

  test('refuses a data directory in a place where the kernel makes none', async () => {
    const { code, stderr } = await run(HEXAD, ['--data-dir=/proc/hexad/d']);
    expect(code).toBe(1);
    expectOneLine(stderr, /cannot access data directory/);
  });

  test('says which port is in use', async () => {
    const blocker = createServer();
    const port = await new Promise<number>((resolve) => {
      blocker.listen(0, '127.0.0.1', () => {
        const address = blocker.address();
        resolve(typeof address === 'object' && address !== null ? address.port : 0);
      });
    });
    const url = `http://127.0.0.1:${port}`;
    const cluster = await Cluster.create();
    const peer = `http://127.0.0.1:${cluster.member(0).clientPort}`;
    const { code, stderr } = await run(HEXAD, [
      `--data-dir=${directory}/d`,
      `--listen-client-urls=${url}`,
      `--advertise-client-urls=${url}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=default=${peer}`,
    ]);
    blocker.close();
    await cluster.destroy();
    expect(code).toBe(1);
    expectOneLine(stderr, new RegExp(`127\\.0\\.0\\.1:${port}.*address already in use`));
  }, 30_000);

  test.each([
    ['with sockets of its own', (own: string) => [`--run-dir=${own}`]],
    ['with the same sockets', () => []],
  ])(
    'refuses a data directory that another member uses, %s',
    async (_, sockets) => {
      const cluster = await Cluster.start();
      const other = await Cluster.create();
      const url = `http://127.0.0.1:${other.member(0).clientPort}`;
      const { code, stderr } = await run(HEXAD, [
        `--data-dir=${cluster.member(0).dataDir}`,
        '--name=m1',
        ...sockets(join(directory, 'run')),
        `--listen-client-urls=${url}`,
        `--advertise-client-urls=${url}`,
        '--listen-peer-urls=http://127.0.0.1:0',
        '--initial-advertise-peer-urls=http://127.0.0.1:1',
      ]);
      await cluster.destroy();
      await other.destroy();
      expect(code).toBe(1);
      expectOneLine(stderr, /in use by another process|address already in use/);
      expect(stderr).not.toContain('"level":"fatal"');
    },
    60_000,
  );
});

describe('a member', () => {
  test('keeps its data private, in six processes that are its direct children', async () => {
    const cluster = await Cluster.start();
    const member = cluster.member(0);
    expect(member.childPids()).toHaveLength(6);
    expect(statSync(member.dataDir).mode & 0o777).toBe(0o700);
    expect(readdirSync(join(member.dataDir, 'member')).sort()).toEqual(expect.arrayContaining(['db', 'wal']));
    await cluster.destroy();
  }, 60_000);

  test.each(['SIGTERM', 'SIGKILL'] as const)(
    'leaves no process and no port behind after %s',
    async (signal) => {
      const cluster = await Cluster.start();
      const member = cluster.member(0);
      const pids = member.childPids();
      await member.stop(signal);
      const alive = (): number[] => pids.filter((pid) => existsSync(`/proc/${pid}`) && !isZombie(pid));
      if (signal === 'SIGTERM') expect(alive()).toEqual([]);
      else await waitFor('the children to end', () => alive().length === 0, 1_000);
      await member.start(); // binds the same ports at once
      await cluster.destroy();
    },
    60_000,
  );

  test('logs JSON lines with etcd’s keys only', async () => {
    const cluster = await Cluster.start();
    await cluster.destroy();
    const lines = cluster.member(0).log.trim().split('\n');
    expect(lines.length).toBeGreaterThan(0);
    for (const line of lines) {
      expect(JSON.parse(line)).toEqual(
        expect.objectContaining({
          level: expect.stringMatching(/^[a-z]+$/),
          ts: expect.any(String),
          caller: expect.stringMatching(/^\w+\/main\.js:\d+$/),
          msg: expect.any(String),
          process: expect.any(String),
        }),
      );
    }
  }, 60_000);

  test('takes its whole configuration from a file', async () => {
    const cluster = await Cluster.create();
    const { clientPort } = cluster.member(0);
    const other = await Cluster.create();
    const peer = `http://127.0.0.1:${other.member(0).clientPort}`;
    const client = `http://127.0.0.1:${clientPort}`;
    writeFileSync(
      join(directory, 'etcd.yml'),
      `name: from-file\ndata-dir: ${directory}/d\nlisten-client-urls: ${client}\nadvertise-client-urls: ${client}\n` +
        `listen-peer-urls: ${peer}\ninitial-advertise-peer-urls: ${peer}\ninitial-cluster: from-file=${peer}\n`,
    );
    const { spawn } = await import('node:child_process');
    const child = spawn(HEXAD, ['--config-file', join(directory, 'etcd.yml')], { stdio: ['ignore', 'ignore', 'pipe'] });
    let log = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (log += text));
    await waitFor('the member', () => log.includes('ready to serve client requests'), 20_000);
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await gone;
  }, 60_000);

  test('ends with exit code 1 when its processes keep dying', async () => {
    const cluster = await Cluster.start();
    const member = cluster.member(0);
    const ended = member.stop('SIGCONT'); // resolves when the main process exits
    let killed = 0;
    await waitFor('five deaths', () => {
      const pid = member.processPid('auth');
      if (pid === undefined) return killed >= 5;
      process.kill(pid, 'SIGKILL');
      killed += 1;
      return killed >= 5;
    });
    expect(await ended).toBe(1);
    expect(member.log).toMatch(/hexad: the auth process died 5 times within 10 s/);
    await cluster.destroy();
  }, 60_000);
});

describe('npm start', () => {
  test('refuses another number of members than the data has', async () => {
    for (const name of ['m1', 'm2', 'm3']) mkdirSync(join(directory, name, 'member'), { recursive: true });
    const { code, stderr } = await run('node', [
      join(ROOT, 'dist/bundle/services/member/start.js'),
      '--members',
      '1',
      '--data-dir',
      directory,
    ]);
    expect(code).toBe(1);
    expectOneLine(stderr, /has the data of 3 members: start it with --members 3/);
  });

  test('refuses a number of members that makes no sense', async () => {
    const { code, stderr } = await run('node', [
      join(ROOT, 'dist/bundle/services/member/start.js'),
      '--members',
      'many',
    ]);
    expect(code).toBe(1);
    expectOneLine(stderr, /--members must be a number/);
  });
});

function isZombie(pid: number): boolean {
  try {
    return / Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return true;
  }
}
