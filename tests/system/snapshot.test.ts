import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Cluster, etcdctl, type Member } from './support/cluster';
import { describeWith } from './support/tools';
import { waitFor } from './support/wait-for';
import { Watchers } from './support/watchers';
import { Writer } from './support/writes';

/** Little is kept, so that a member falls behind the log within seconds. */
const FLAGS = ['--wal-segment-bytes=65536', '--snapshot-catchup-entries=100'];
const VALUE = Buffer.alloc(1000, 'x');

interface HashKv {
  readonly HashKV: { readonly hash: number; readonly compact_revision: number; readonly hash_revision: number };
}

async function hashes(cluster: Cluster): Promise<string[]> {
  const { code, stdout } = await cluster.etcdctl(['endpoint', 'hashkv', '-w', 'json']);
  if (code !== 0) return [];
  return (JSON.parse(stdout) as HashKv[]).map(({ HashKV }) => JSON.stringify([HashKV.hash, HashKV.hash_revision]));
}

async function agree(cluster: Cluster): Promise<void> {
  await waitFor(
    'equal hashes',
    async () => {
      const found = await hashes(cluster);
      return found.length === cluster.members.length && new Set(found).size === 1;
    },
    30_000,
  );
}

function segments(member: Member): number {
  return readdirSync(join(member.dataDir, 'member', 'wal')).filter((name) => name.endsWith('.wal')).length;
}

async function serializable(member: Member, key: string): Promise<string> {
  return (await etcdctl([member.endpoint], ['get', key, '--consistency=s', '--print-value-only'])).stdout.trim();
}

/** A follower that is stopped, and has missed what the others' logs no longer have. */
async function leaveBehind(cluster: Cluster, writer: Writer, value = VALUE): Promise<Member> {
  const leader = await cluster.leader();
  const behind = cluster.members.find((member) => member !== leader) as Member;
  await writer.put('before', 'there');
  await behind.stop('SIGKILL');
  const others = new Writer(cluster.members.filter((member) => member !== behind).map(({ endpoint }) => endpoint));
  await others.fill('missed/', 3_000, value);
  others.close();
  await waitFor('the logs to be cut', () =>
    cluster.members.every((member) => member === behind || member.log.includes('compacted Raft logs')),
  );
  return behind;
}

describeWith(['etcdctl'], 'a member behind the compacted log', () => {
  let cluster: Cluster;
  let writer: Writer;
  beforeEach(async () => {
    cluster = await Cluster.start({ members: 3, flags: FLAGS });
    writer = new Writer(cluster.endpoints);
  }, 60_000);
  afterEach(async () => {
    writer.close();
    await cluster.destroy();
  }, 60_000);

  test('is sent the store, goes on from there, and survives a restart', async () => {
    const behind = await leaveBehind(cluster, writer);
    const [reached] = cluster.members.filter((member) => member !== behind) as [Member];
    expect(segments(reached)).toBeLessThan(20);
    const lease = /lease ([0-9a-f]+)/.exec((await etcdctl([reached.endpoint], ['lease', 'grant', '600'])).stdout)?.[1];
    await etcdctl([reached.endpoint], ['put', 'leased', 'v', `--lease=${lease}`]);
    await etcdctl([reached.endpoint], ['del', 'missed/1', 'missed/2']);
    await behind.start();
    await waitFor('the snapshot', () => behind.log.includes('"msg":"applied snapshot"'), 30_000);
    await agree(cluster);
    expect(await serializable(behind, 'leased')).toBe('v');
    expect(await serializable(behind, 'missed/2999')).toHaveLength(1000);
    await writer.fill('after/', 500, VALUE);
    await agree(cluster);
    const kept = await etcdctl([behind.endpoint], ['lease', 'timetolive', lease ?? '', '--keys']);
    expect(kept.stdout).toContain('leased');
    await behind.stop('SIGKILL');
    await behind.start();
    await writer.put('again', 'there');
    await agree(cluster);
    expect(await serializable(behind, 'again')).toBe('there');
  }, 120_000);

  /** Ends the member at each of these moments of an installation; the next start begins where that left off. */
  const MOMENTS: readonly (readonly [string, (behind: Member) => boolean])[] = [
    ['the copy arrives', (behind) => existsSync(join(behind.dataDir, 'member', 'db', 'generation-1'))],
    ['some of it is on disk', (behind) => existsSync(join(behind.dataDir, 'member', 'db', 'generation-1', 'db'))],
    ['it is the store', (behind) => existsSync(join(behind.dataDir, 'member', 'db', 'current'))],
    ['the log follows', (behind) => existsSync(join(behind.dataDir, 'member', 'members'))],
  ];

  test('is killed at every moment of the installation, and has everything in the end', async () => {
    const behind = await leaveBehind(cluster, writer);
    for (const [, reached] of MOMENTS) {
      behind.spawn();
      await waitFor('the moment', () => reached(behind), 30_000);
      await behind.stop('SIGKILL');
    }
    await behind.start();
    await agree(cluster);
    await writer.fill('after/', 200, VALUE);
    await agree(cluster);
  }, 180_000);

  test('gets it although each of the processes that take part is killed once', async () => {
    const behind = await leaveBehind(cluster, writer, Buffer.alloc(10_000, 'x'));
    const sendings = (): Member[] =>
      cluster.members.flatMap((member) =>
        member.log
          .split('"sending database snapshot')
          .slice(1)
          .map(() => member),
      );
    behind.spawn();
    const isDone = (): boolean => behind.log.includes('"msg":"applied snapshot"');
    const victims = ['receiver storage', 'receiver raft', 'sender storage', 'sender raft'] as const;
    for (const [round, victim] of victims.entries()) {
      await waitFor('a copy under way', () => isDone() || sendings().length > round, 30_000);
      const [side, name] = victim.split(' ') as ['receiver' | 'sender', 'storage' | 'raft'];
      const pid = (side === 'receiver' ? behind : sendings().at(-1))?.processPid(name);
      if (pid !== undefined) process.kill(pid, 'SIGKILL');
    }
    await waitFor('the snapshot', isDone, 60_000);
    await agree(cluster);
  }, 180_000);

  test('is one that joins, and is sent the store as well', async () => {
    await leaveBehind(cluster, writer).then((behind) => behind.start());
    await agree(cluster);
    const { member, peerUrl } = await cluster.newMember('m4');
    await waitFor(
      'the strict check to be content',
      async () => (await cluster.etcdctl(['member', 'add', 'm4', `--peer-urls=${peerUrl}`])).code === 0,
      20_000,
    );
    cluster.members.push(member);
    await member.start();
    expect(member.log).toContain('"msg":"applied snapshot"');
    await agree(cluster);
    await member.stop('SIGKILL');
    await member.start();
    await agree(cluster);
  }, 120_000);

  test('gets it from the next leader when the first one dies while sending', async () => {
    const behind = await leaveBehind(cluster, writer);
    const leader = await cluster.leader();
    behind.spawn();
    await waitFor('the copy to arrive', () => leader.log.includes('sending database snapshot'), 30_000);
    await leader.stop('SIGKILL');
    await behind.ready();
    await waitFor('the snapshot', () => behind.log.includes('"msg":"applied snapshot"'), 30_000);
    await leader.start();
    await agree(cluster);
  }, 120_000);
});

describeWith(['etcdctl'], 'a member behind the compacted log, with clients', () => {
  let cluster: Cluster;
  let writer: Writer;
  let watchers: Watchers;
  beforeEach(async () => {
    // Time for the member to serve what it has, and for its watchers to begin there.
    const env = { GOFAIL_FAILPOINTS: 'copyOutBeforeFirstChunk=sleep(2000)' };
    cluster = await Cluster.start({ members: 3, flags: FLAGS, env });
    writer = new Writer(cluster.endpoints);
    watchers = new Watchers();
  }, 60_000);
  afterEach(async () => {
    watchers.close();
    writer.close();
    await cluster.destroy();
  }, 60_000);

  test('is sent the store while writes go on, neither side stops serving, and its watchers see every event once', async () => {
    const behind = await leaveBehind(cluster, writer);
    const others = cluster.members.filter((member) => member !== behind);
    const load = new Writer(others.map(({ endpoint }) => endpoint));
    const stop = load.keepWriting('load/', VALUE, 10);
    await behind.start();
    watchers.stream(behind.endpoint, ['before', 'load/', 'missed/'], { prefix: true, startRevision: 2 });
    await waitFor('the snapshot', () => behind.log.includes('"msg":"applied snapshot"'), 30_000);
    const before = load.acknowledged.length;
    expect(before).toBeGreaterThan(0);
    await waitFor('the member to follow', async () => {
      const last = load.acknowledged.at(-1);
      return last !== undefined && (await serializable(behind, last)).length === 1000;
    });
    await stop();
    load.close();
    expect(load.acknowledged.length).toBeGreaterThan(before);
    await agree(cluster);
    const sent = cluster.members.map(({ log }) => log.split('"sent database snapshot').length - 1);
    expect(sent.reduce((sum, count) => sum + count)).toBe(1);
    const due = [1, load.acknowledged.length, 3_000];
    await waitFor('the events', () => watchers.all.every(({ revisions }, at) => revisions.length >= (due[at] ?? 0)));
    for (const { revisions } of watchers.all) expect(revisions).toEqual([...new Set(revisions)].sort((a, b) => a - b));
    expect(watchers.all.map(({ revisions }) => revisions.length)).toEqual(due);
    expect(watchers.problems).toEqual([]);
  }, 120_000);
});

/** A file system of its own for one member, small enough to be filled. */
function smallDisk(path: string, megabytes: number): boolean {
  mkdirSync(path, { recursive: true });
  return spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', path]).status === 0;
}

describeWith(['etcdctl', 'mount'], 'a member behind the compacted log whose disk is full', () => {
  test('goes on with its old store, says why, and takes the copy once there is room', async () => {
    const cluster = await Cluster.create({ members: 3, flags: FLAGS });
    const [small, ...others] = cluster.members as [Member, Member, Member];
    if (!smallDisk(small.dataDir, 12)) {
      await cluster.destroy();
      return console.warn('skipped: not allowed to mount');
    }
    try {
      for (const member of cluster.members) member.spawn();
      await Promise.all(cluster.members.map((member) => member.ready()));
      const writer = new Writer(others.map(({ endpoint }) => endpoint));
      await writer.put('before', 'there');
      // With the second one its log says that the first is committed: that is then there after the kill, whoever leads.
      await writer.put('behind', 'that');
      await waitFor('the keys', async () => (await serializable(small, 'behind')) === 'that');
      await small.stop('SIGKILL');
      await cluster.leader();
      await writer.fill('missed/', 4_000, Buffer.alloc(4_000, 'x'), 30);
      writer.close();
      small.spawn();
      await waitFor('the refusal', () => /was not installed|failed to receive/.test(small.log), 60_000);
      await waitFor('the reason', () => /ENOSPC|[Nn]o space/.test(small.log), 10_000);
      await waitFor('the old store', async () => (await serializable(small, 'before')) === 'there');
      expect(readdirSync(join(small.dataDir, 'member', 'db')).includes('current')).toBe(false);
      expect(spawnSync('mount', ['-o', 'remount,size=400m', small.dataDir]).status).toBe(0);
      await waitFor('the snapshot', () => small.log.includes('"msg":"applied snapshot"'), 60_000);
      await agree(cluster);
    } finally {
      await Promise.all(cluster.members.map((member) => member.stop('SIGTERM')));
      spawnSync('umount', ['-l', small.dataDir]);
      await cluster.destroy();
    }
  }, 180_000);
});
