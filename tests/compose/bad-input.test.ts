import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { run } from '../system/support/tools';
import { describeWithEngine, IMAGE } from './support/stack';

const MEMBER = {
  ETCD_NAME: 'm1',
  ETCD_DATA_DIR: '/data',
  ETCD_INITIAL_CLUSTER: 'm1=http://m1-raft:2380,m2=http://m2-raft:2380,m3=http://m3-raft:2380',
  ETCD_INITIAL_ADVERTISE_PEER_URLS: 'http://m1-raft:2380',
  ETCD_LISTEN_PEER_URLS: 'http://0.0.0.0:2380',
};

/** Debian's libfaketime, by which one container has a clock of its own: containers share that of the host. */
const FAKETIME = ['x86_64', 'aarch64']
  .map((machine) => `/usr/lib/${machine}-linux-gnu/faketime/libfaketime.so.1`)
  .find((path) => existsSync(path));

function environment(env: Readonly<Record<string, string>>): string[] {
  return Object.entries({ ...MEMBER, ...env }).flatMap(([name, value]) => ['--env', `${name}=${value}`]);
}

/** What is wrong with a start is said in one line, in the container's log, and the container ends with 1. */
describeWithEngine('a container that is set up wrongly', () => {
  const volumes: string[] = [];
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'hexad-bad-input-'));
    chmodSync(directory, 0o755); // another user reads it in the container
  });
  afterAll(async () => {
    rmSync(directory, { recursive: true });
    if (volumes.length > 0) await run('docker', ['volume', 'rm', '--force', ...volumes]);
  }, 60_000);

  async function volume(): Promise<string> {
    const { stdout } = await run('docker', ['volume', 'create']);
    volumes.push(stdout.trim());
    return stdout.trim();
  }

  /** As in the compose file, but alone. */
  async function start(
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
    ...command: string[]
  ): Promise<{ code: number; lines: string[] }> {
    const isolated = [
      'run',
      '--rm',
      '--init',
      '--read-only',
      '--tmpfs',
      '/tmp',
      '--cap-drop',
      'ALL',
      ...(args.includes('--network') ? [] : ['--network', 'none']),
    ];
    const process_ = command.length > 0 ? command : ['process', 'raft'];
    const { code, stderr } = await run('docker', [...isolated, ...args, ...environment(env), IMAGE, ...process_]);
    const lines = stderr.split('\n').filter((line) => line !== '' && !line.startsWith('{'));
    return { code, lines };
  }

  test('a missing volume', async () => {
    const { code, lines } = await start([]);
    expect({ code, lines }).toEqual({
      code: 1,
      lines: [
        expect.stringMatching(
          /^hexad: cannot access data directory: EROFS: .* \(the file system is read-only: is the volume for the data missing\?\)$/,
        ),
      ],
    });
  }, 30_000);

  test('a volume that belongs to someone else', async () => {
    const name = await volume();
    // One that is empty would be given the owner of the mount point again.
    const give = ['--entrypoint', 'sh', IMAGE, '-c', 'touch /data/kept && chown 0:0 /data'];
    await run('docker', ['run', '--rm', '--user', '0', '--volume', `${name}:/data`, ...give]);
    const { code, lines } = await start(['--volume', `${name}:/data`]);
    expect({ code, lines }).toEqual({
      code: 1,
      lines: [
        expect.stringMatching(
          /^hexad: cannot access data directory: EACCES: .* \(this process runs as 2379:2379: give it the directory with "chown -R 2379:2379 \/data"\)$/,
        ),
      ],
    });
  }, 60_000);

  test('two members with one name', async () => {
    const env = { ETCD_INITIAL_ADVERTISE_PEER_URLS: 'http://m2-raft:2380' };
    const { code, lines } = await start(['--volume', `${await volume()}:/data`], env);
    expect({ code, lines }).toEqual({
      code: 1,
      lines: [
        'hexad: --initial-cluster has m1=http://m1-raft:2380 but missing from --initial-advertise-peer-urls=http://m2-raft:2380: is --name m1 that of another member?',
      ],
    });
  }, 30_000);

  test('a cluster token that is another than the one the data began with', async () => {
    const name = await volume();
    const note = 'member 1 of cluster 2 with token "hexad"';
    const write = `mkdir -p /data/member && echo '${note}' > /data/member/wal-begun`;
    await run('docker', ['run', '--rm', '--volume', `${name}:/data`, '--entrypoint', 'sh', IMAGE, '-c', write]);
    const { code, lines } = await start(['--volume', `${name}:/data`], { ETCD_INITIAL_CLUSTER_TOKEN: 'other' });
    expect({ code, lines }).toEqual({
      code: 1,
      lines: [
        'hexad: the data in /data is of a cluster with the token "hexad", but --initial-cluster-token is "other": set the token back, or give the new cluster an empty data directory',
      ],
    });
  }, 60_000);

  test.each([
    [
      'that has expired',
      -2,
      -1,
      /^hexad raft: certificate \/bad\/cert\.pem expired at \S+: replace it with a new one and start again$/,
    ],
    [
      'from the future, as a clock that is wrong sees it',
      1,
      2,
      /^hexad raft: certificate \/bad\/cert\.pem is not valid before \S+, and the clock says \S+: set this machine's clock, or replace the certificate$/,
    ],
  ])(
    'a certificate %s',
    async (_, fromDays, toDays, wanted) => {
      const day = (days: number): Date => new Date(Date.now() + days * 86_400_000);
      const made = await generate([], { keyType: 'ec', notBeforeDate: day(fromDays), notAfterDate: day(toDays) });
      for (const [file, text] of Object.entries({ cert: made.cert, key: made.private, ca: made.cert })) {
        writeFileSync(join(directory, `${file}.pem`), text, { mode: 0o644 });
      }
      const { code, lines } = await start(['--volume', `${await volume()}:/data`, '--volume', `${directory}:/bad:ro`], {
        HEXAD_INTERNAL_CERT_FILE: '/bad/cert.pem',
        HEXAD_INTERNAL_KEY_FILE: '/bad/key.pem',
        HEXAD_INTERNAL_TRUSTED_CA_FILE: '/bad/ca.pem',
        HEXAD_RAFT_ADDRESS: 'tcp:m1-raft:2390',
      });
      expect({ code, lines }).toEqual({ code: 1, lines: [expect.stringMatching(wanted)] });
    },
    30_000,
  );

  (FAKETIME === undefined ? test.skip : test)(
    "a clock that is an hour ahead of the other members'",
    async () => {
      const network = `hexad-clock-${process.pid}`;
      await run('docker', ['network', 'create', '--internal', network]);
      const begun: string[] = [];
      try {
        for (const name of ['m1', 'm2']) {
          const place = [
            '--network',
            network,
            '--network-alias',
            `${name}-raft`,
            '--volume',
            `${await volume()}:/data`,
          ];
          const env = environment({ ETCD_NAME: name, ETCD_INITIAL_ADVERTISE_PEER_URLS: `http://${name}-raft:2380` });
          const { stdout } = await run('docker', [
            'run',
            '--detach',
            '--init',
            ...place,
            ...env,
            IMAGE,
            'process',
            'raft',
          ]);
          begun.push(stdout.trim());
        }
        const place = ['--network', network, '--network-alias', 'm3-raft', '--volume', `${await volume()}:/data`];
        const { code, lines } = await start([...place, '--volume', `${FAKETIME ?? ''}:/faketime.so:ro`], {
          ETCD_NAME: 'm3',
          ETCD_INITIAL_ADVERTISE_PEER_URLS: 'http://m3-raft:2380',
          LD_PRELOAD: '/faketime.so',
          FAKETIME: '+3600s',
          FAKETIME_DONT_FAKE_MONOTONIC: '1',
        });
        expect({ code, lines }).toEqual({
          code: 1,
          lines: [
            expect.stringMatching(
              /^hexad raft: the clock of this host is 3\d{3}\.\d s ahead of that of most members \(m1, m2\): set it \(with chrony or ntpd, for example\) and start again$/,
            ),
          ],
        });
      } finally {
        if (begun.length > 0) await run('docker', ['rm', '--force', ...begun]);
        await run('docker', ['network', 'rm', network]);
      }
    },
    60_000,
  );

  test('a log that is gone though the member has run before', async () => {
    const name = await volume();
    const write = "mkdir -p /data/member && echo 'member 1 of cluster 2' > /data/member/wal-begun";
    await run('docker', ['run', '--rm', '--volume', `${name}:/data`, '--entrypoint', 'sh', IMAGE, '-c', write]);
    const { code, lines } = await start(['--volume', `${name}:/data`], { HEXAD_RUN_DIR: '/tmp/run' });
    expect({ code, lines }).toEqual({
      code: 1,
      lines: [expect.stringMatching(/^hexad raft: the WAL in \/data\/member\/wal is missing, .* add it again$/)],
    });
  }, 60_000);

  test('an edge without proxies', async () => {
    const { code, lines } = await start([], {}, 'gateway', 'start', '--endpoints=proxy');
    expect({ code, lines }).toEqual({
      code: 1,
      lines: [
        expect.stringMatching(
          /^error: option '--endpoints <list>' argument 'proxy' is invalid\. "proxy" is not HOST:PORT\.$/,
        ),
      ],
    });
  }, 30_000);
});
