import { spawn } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cluster, etcdctl, HEXAD, Member, ROOT } from './support/cluster';
import { ctlOf, factsOf } from './support/facts';
import { freePorts } from './support/ports';
import { RealEtcd } from './support/real-etcd';
import { describeWith, hasTool, run, type RunResult } from './support/tools';
import { waitFor } from './support/wait-for';

const HEXUTL = join(ROOT, 'bin', 'hexutl');
const ROOT_USER = '--user=root:rootpw';
const COMPACTED = 20;

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'hexad-backup-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const path = (name: string): string => join(directory, name);
const hexutl = (...args: string[]): Promise<RunResult> => run(HEXUTL, args);

async function succeed(result: Promise<RunResult>): Promise<string> {
  const { code, stdout, stderr } = await result;
  if (code !== 0) throw new Error(`ended with ${code}: ${stderr}${stdout}`);
  return stdout;
}

/** Keys with every kind of change, on both sides of a compaction, leases, users and roles; auth is on at the end. */
async function fill(cluster: Cluster): Promise<void> {
  const ctl = (...args: string[]): Promise<string> => cluster.ctl(...args);
  for (let i = 0; i < 12; i++) await ctl('put', `key-${i % 4}`, `value-${i}`);
  await ctl('del', 'key-3');
  const lease = (await ctl('lease', 'grant', '3000')).split(' ')[1] ?? '';
  await ctl('lease', 'grant', '500');
  await ctl('put', 'leased', 'a', `--lease=${lease}`);
  await ctl('put', `${'long/'.repeat(600)}leased`, 'b', `--lease=${lease}`);
  await ctl('put', 'moved', 'c', `--lease=${lease}`);
  await ctl('put', 'moved', 'no longer');
  await cluster.etcdctl(['put', 'large'], 'x'.repeat(300_000));
  await cluster.etcdctl(['txn'], '\nput t1 1\nput t2 2\ndel key-2\n\n\n');
  await ctl('del', 'key-1');
  await ctl('compaction', String(COMPACTED), '--physical');
  for (let i = 0; i < 5; i++) await ctl('put', 'key-0', `later-${i}`);
  await ctl('put', 'key-1', 'again');
  await ctl('del', 't', '--prefix');
  await ctl('user', 'add', 'root:rootpw');
  await ctl('user', 'grant-role', 'root', 'root');
  await ctl('role', 'add', 'reader');
  await ctl('role', 'grant-permission', 'reader', 'read', 'key-', '--prefix');
  await ctl('role', 'grant-permission', 'reader', 'readwrite', 'exact');
  await ctl('user', 'add', 'ann:annpw');
  await ctl('user', 'grant-role', 'ann', 'reader');
  await ctl('auth', 'enable');
}

/** A Hexad of one member on a restored directory. */
async function startRestored(dataDir: string, name = 'default'): Promise<Member> {
  const [client = 0, peer = 0] = await freePorts(2);
  const url = `http://127.0.0.1:${client}`;
  const flags = [
    `--name=${name}`,
    `--data-dir=${join(directory, dataDir)}`,
    `--listen-client-urls=${url}`,
    `--advertise-client-urls=${url}`,
    `--listen-peer-urls=http://127.0.0.1:${peer}`,
  ];
  const member = new Member(dataDir, client, flags, directory, {});
  await member.start();
  return member;
}

function changedCopy(from: string, to: string, change: (bytes: Buffer) => Buffer): string {
  writeFileSync(path(to), change(readFileSync(path(from))));
  return path(to);
}

describeWith(['etcd', 'etcdctl'], 'a snapshot of Hexad', () => {
  let cluster: Cluster;
  let facts: unknown;
  beforeAll(async () => {
    cluster = await Cluster.start();
    await fill(cluster);
    facts = await factsOf(ctlOf(cluster.member(0).endpoint, ROOT_USER), COMPACTED);
    await succeed(cluster.etcdctl([ROOT_USER, 'snapshot', 'save', path('hexad.db')]));
  }, 60_000);
  afterAll(() => cluster?.destroy(), 60_000);

  test('is checked and described by stock etcdctl, and alike by hexutl', async () => {
    const stock = await succeed(etcdctl([], ['snapshot', 'status', path('hexad.db'), '-w', 'json']));
    const ours = await succeed(hexutl('snapshot', 'status', path('hexad.db'), '-w', 'json'));
    const { hash, revision, totalSize } = JSON.parse(stock) as Record<string, number>;
    expect(JSON.parse(ours)).toEqual({ hash, revision, totalSize, totalKey: 6, version: '3.6.0' });
    const text = await succeed(hexutl('snapshot', 'status', path('hexad.db')));
    expect(text).toMatch(new RegExp(`^${hash?.toString(16)}, ${revision}, 6, \\d+ kB, 3\\.6\\.0\\n$`));
    expect(await succeed(hexutl('snapshot', 'status', path('hexad.db'), '-w', 'table'))).toContain('|   HASH   |');
  });

  test('is given to root alone', async () => {
    const saved = await cluster.etcdctl(['--user=ann:annpw', 'snapshot', 'save', path('stolen.db')]);
    expect(saved.stderr).toContain('permission denied');
    const anonymous = await cluster.etcdctl(['snapshot', 'save', path('stolen.db')]);
    expect(anonymous.stderr).toContain('user name is empty');
    expect(existsSync(path('stolen.db'))).toBe(false);
  });

  test('goes through a real etcd and back, by snapshot and by data directory, without a loss', async () => {
    await succeed(etcdctl([], ['snapshot', 'restore', path('hexad.db'), '--data-dir', path('etcd')]));
    const etcd = await RealEtcd.startOn(path('etcd'), 'etcd');
    try {
      const ctl = ctlOf(etcd.endpoint, ROOT_USER);
      expect(await factsOf(ctl, COMPACTED)).toEqual(facts);
      expect(await ctlOf(etcd.endpoint, '--user=ann:annpw')('get', 'key-1')).toBe('key-1\nagain\n');
      await ctl('snapshot', 'save', path('etcd.db'));
      const live = await hexutl('snapshot', 'restore', etcd.directory, '--data-dir', path('live'));
      expect(live.stderr).toContain('is in use by a running etcd');
      await etcd.end('SIGTERM');

      await succeed(hexutl('snapshot', 'restore', path('etcd.db'), '--data-dir', path('back')));
      const back = await startRestored('back');
      expect(await factsOf(ctlOf(back.endpoint, ROOT_USER), COMPACTED)).toEqual(facts);
      expect(await ctlOf(back.endpoint, '--user=ann:annpw')('get', 'key-1')).toBe('key-1\nagain\n');
      await back.stop();

      // A member refuses etcd's directory and names the command that imports it.
      const refused = await run(HEXAD, [`--data-dir=${etcd.directory}`]);
      expect(refused.code).toBe(1);
      const [, named = ''] = /import it with "(hexutl [^"]+)"/.exec(refused.stderr) ?? [];
      const words = named.replace('NEW_DIR', path('moved')).split(' ').slice(1);
      await succeed(hexutl(...words));
      const moved = await startRestored('moved');
      expect(await factsOf(ctlOf(moved.endpoint, ROOT_USER), COMPACTED)).toEqual(facts);
      await ctlOf(moved.endpoint, ROOT_USER)('put', 'key-9', 'written after');
      await moved.stop();
      await moved.start();
      expect(await ctlOf(moved.endpoint, ROOT_USER)('get', 'key-9')).toBe('key-9\nwritten after\n');
      await moved.stop();
    } finally {
      await etcd.stop();
    }
  }, 120_000);

  test('restores to three members that agree', async () => {
    const peers = await freePorts(3);
    const initial = peers.map((port, at) => `m${at + 1}=http://127.0.0.1:${port}`).join(',');
    const clients = await freePorts(3);
    const members: Member[] = [];
    for (const [at, port] of peers.entries()) {
      const shared = [`--name=m${at + 1}`, `--data-dir=${path(`three-${at + 1}`)}`, '--initial-cluster-token=other'];
      const cluster = [`--initial-cluster=${initial}`, `--initial-advertise-peer-urls=http://127.0.0.1:${port}`];
      await succeed(hexutl('snapshot', 'restore', path('hexad.db'), ...shared, ...cluster));
      const client = `http://127.0.0.1:${clients[at]}`;
      const listen = [`--listen-client-urls=${client}`, `--advertise-client-urls=${client}`];
      const flags = [...shared, ...cluster, ...listen, `--listen-peer-urls=http://127.0.0.1:${port}`];
      members.push(new Member(`three-${at + 1}`, clients[at] ?? 0, flags, directory, {}));
    }
    try {
      await Promise.all(members.map((member) => member.start()));
      for (const { endpoint } of members) {
        expect(await factsOf(ctlOf(endpoint, ROOT_USER), COMPACTED)).toEqual(facts);
      }
      const list = await ctlOf(members[0]?.endpoint ?? '', ROOT_USER)('member', 'list');
      expect(list.match(/started, m[123], http:\/\/127\.0\.0\.1:\d+/g)).toHaveLength(3);
      // Any two of them are a quorum.
      await members[2]?.stop('SIGKILL');
      const put = (): Promise<RunResult> =>
        etcdctl([members[0]?.endpoint ?? ''], [ROOT_USER, 'put', 'key-9', 'by two']);
      await waitFor('a put by two', async () => (await put()).code === 0);
    } finally {
      await Promise.all(members.map((member) => member.stop()));
    }
  }, 120_000);

  test('restores with a bumped revision, everything before it compacted', async () => {
    const bump = ['--bump-revision', '1000000', '--mark-compacted'];
    await succeed(hexutl('snapshot', 'restore', path('hexad.db'), '--data-dir', path('bumped'), ...bump));
    const { revision, keys } = facts as { revision: number; keys: unknown };
    const bumped = await startRestored('bumped');
    const ctl = ctlOf(bumped.endpoint, ROOT_USER);
    const now = JSON.parse(await ctl('get', '', '--prefix', '-w', 'json')) as {
      header: { revision: number };
      kvs: unknown;
    };
    expect([now.header.revision, now.kvs]).toEqual([revision + 1_000_000, keys]);
    await expect(ctl('get', 'key-0', `--rev=${revision}`)).rejects.toThrow('has been compacted');
    await ctl('put', 'key-9', 'after');
    // The gap is in its snapshot too, though the revision has no key.
    await ctl('snapshot', 'save', path('bumped.db'));
    await bumped.stop();
    expect(await succeed(hexutl('hashkv', path('bumped.db'), '-w', 'fields'))).toContain(
      `"Compact revision" : ${revision + 1_000_000}`,
    );
    const half = await hexutl(
      'snapshot',
      'restore',
      path('hexad.db'),
      '--data-dir',
      path('no'),
      '--bump-revision',
      '5',
    );
    expect([half.code, half.stderr]).toEqual([128, 'Error: --mark-compacted required if --revision-bump > 0\n']);
  }, 60_000);

  test('has the hash that the member gives', async () => {
    const { hash } = facts as { hash: [number, number] };
    const [value, revision, compacted] = (await succeed(hexutl('hashkv', path('hexad.db')))).trim().split(', ');
    expect([Number(value), Number(compacted)]).toEqual(hash);
    const early = await hexutl('hashkv', path('hexad.db'), '--rev', String(COMPACTED - 1));
    expect([early.code, early.stderr]).toEqual([1, 'Error: mvcc: required revision has been compacted\n']);
    const late = await hexutl('hashkv', path('hexad.db'), '--rev', String(Number(revision) + 1));
    expect(late.stderr).toBe('Error: mvcc: required revision is a future revision\n');
  });

  test('is refused by name when it is cut, changed, without its hash or something else, and leaves nothing', async () => {
    const refusal = async (file: string): Promise<string> => {
      const { code, stderr } = await hexutl('snapshot', 'restore', file, '--data-dir', path('refused'));
      expect(code).toBe(1);
      expect(existsSync(path('refused'))).toBe(false);
      return stderr;
    };
    const size = readFileSync(path('hexad.db')).length;
    expect(await refusal(changedCopy('hexad.db', 'cut.db', (all) => all.subarray(0, size - 32 - 4096)))).toMatch(
      /cut\.db: the file is truncated: the database has \d+ pages of 4096 bytes, the file \d+\n$/,
    );
    const flip = (all: Buffer): Buffer => {
      const at = all.indexOf('later-2');
      all[at] = (all[at] ?? 0) ^ 1;
      return all;
    };
    expect(await refusal(changedCopy('hexad.db', 'changed.db', flip))).toMatch(
      /^Error: expected sha256 \[.*\], got \[/,
    );
    expect(await refusal(changedCopy('hexad.db', 'bare.db', (all) => all.subarray(0, size - 32)))).toBe(
      'Error: snapshot missing hash but --skip-hash-check=false\n',
    );
    const torn = (all: Buffer): Buffer => all.fill(0, 4 * 4096, 5 * 4096).subarray(0, size - 32);
    changedCopy('hexad.db', 'torn.db', torn);
    mkdirSync(path('broken/member/snap'), { recursive: true });
    copyFileSync(path('torn.db'), path('broken/member/snap/db'));
    expect(await refusal(path('broken'))).toMatch(/snap\/db: page \d+ /);
    expect(await refusal(join(ROOT, 'package-lock.json'))).toContain('is not a bbolt database');
    expect(await refusal(path('missing.db'))).toBe(`Error: stat ${path('missing.db')}: no such file or directory\n`);
    await succeed(hexutl('snapshot', 'restore', path('bare.db'), '--data-dir', path('skipped'), '--skip-hash-check'));
    const again = await hexutl('snapshot', 'restore', path('hexad.db'), '--data-dir', path('skipped'));
    expect(again.stderr).toBe(`Error: data-dir "${path('skipped')}" not empty or could not be read\n`);
  }, 60_000);

  test('goes out while writes go on, and a slow reader holds up nobody', async () => {
    const ctl = ctlOf(cluster.member(0).endpoint, ROOT_USER);
    // More than the buffers between the store and the reader take.
    const value = 'y'.repeat(1_400_000);
    for (let i = 0; i < 40; i++) await succeed(cluster.etcdctl([ROOT_USER, 'put', `bulk-${i}`], value));
    const before = await revisionOf(ctl);
    const reader = spawn(
      'etcdctl',
      ['--endpoints', cluster.member(0).endpoint, ROOT_USER, 'snapshot', 'save', path('slow.db')],
      { env: { ...process.env, ETCDCTL_API: '3' }, stdio: 'ignore' },
    );
    const ended = new Promise<number | null>((resolve) => reader.once('exit', resolve));
    const part = path('slow.db.part');
    await waitFor('the first bytes', () => existsSync(part) && statSync(part).size > 0);
    reader.kill('SIGSTOP');
    expect(statSync(part).size).toBeLessThan(40 * value.length);
    await ctl('put', 'key-0', 'while it streams');
    await ctl('compaction', String(before));
    expect(await ctl('get', 'key-0')).toBe('key-0\nwhile it streams\n');
    reader.kill('SIGCONT');
    expect(await ended).toBe(0);
    const status = await succeed(hexutl('snapshot', 'status', path('slow.db'), '-w', 'json'));
    expect((JSON.parse(status) as { revision: number }).revision).toBe(before);
  }, 60_000);
});

async function revisionOf(ctl: (...args: string[]) => Promise<string>): Promise<number> {
  const reply = JSON.parse(await ctl('get', 'key-0', '-w', 'json')) as { header: { revision: number } };
  return reply.header.revision;
}

describe('hexutl', () => {
  test('answers what it does not do with a reason, and mistakes as etcd’s tools do', async () => {
    expect((await hexutl('version')).stdout).toContain('etcdutl version: 3.7.1\nAPI version: 3.7\n');
    expect((await hexutl('defrag', '--data-dir', 'x')).stderr).toMatch(/^Error: failed to defragment etcd data\[x\]/);
    expect((await hexutl('migrate', '--data-dir', 'x')).stderr).toContain('etcdctl snapshot save');
    expect((await hexutl('snapshot', 'save', 'x')).code).toBe(128);
    expect((await hexutl('snapshot', 'status', 'x', '-w', 'yaml')).code).toBe(4);
    expect((await hexutl('nonsense')).stderr).toContain('unknown command');
    expect((await hexutl('snapshot', 'restore', 'x')).stderr).toContain('--data-dir');
  }, 30_000);
});

const ETCD = process.env['ETCD_BIN'] ?? '';
const ETCDUTL = process.env['ETCDUTL_BIN'] ?? '';

/** Skipped by name without them. */
const newer = hasTool(ETCD || 'none') && hasTool(ETCDUTL || 'none') ? describe : describe.skip;
newer('with the tools of ETCD_BIN and ETCDUTL_BIN, a snapshot of Hexad', () => {
  test('is described alike, restores, and comes back from that etcd without a loss', async () => {
    const cluster = await Cluster.start();
    await fill(cluster);
    const facts = await factsOf(ctlOf(cluster.member(0).endpoint, ROOT_USER), COMPACTED);
    await succeed(cluster.etcdctl([ROOT_USER, 'snapshot', 'save', path('new.db')]));
    await cluster.destroy();
    const status = await succeed(run(ETCDUTL, ['snapshot', 'status', path('new.db'), '-w', 'json']));
    expect(JSON.parse(await succeed(hexutl('snapshot', 'status', path('new.db'), '-w', 'json')))).toEqual(
      JSON.parse(status),
    );
    await succeed(run(ETCDUTL, ['snapshot', 'restore', path('new.db'), '--data-dir', path('new')]));
    const etcd = await RealEtcd.startOn(path('new'), ETCD);
    try {
      expect(await factsOf(ctlOf(etcd.endpoint, ROOT_USER), COMPACTED)).toEqual(facts);
      await etcd.end('SIGTERM');
      await succeed(hexutl('snapshot', 'restore', etcd.directory, '--data-dir', path('new-back')));
    } finally {
      await etcd.stop();
    }
    const back = await startRestored('new-back');
    expect(await factsOf(ctlOf(back.endpoint, ROOT_USER), COMPACTED)).toEqual(facts);
    await back.stop();
  }, 120_000);
});
