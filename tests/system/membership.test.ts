import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Cluster, etcdctl, type Member } from './support/cluster';
import { describeWith, type RunResult } from './support/tools';
import { waitFor } from './support/wait-for';
import { Writer } from './support/writes';

interface Listed {
  readonly ID: bigint;
  readonly name: string;
  readonly peerURLs: readonly string[];
  readonly clientURLs: readonly string[];
  readonly isLearner: boolean;
}

async function list(endpoint: string): Promise<Listed[]> {
  const { code, stdout } = await etcdctl([endpoint], ['member', 'list', '-w', 'simple']);
  if (code !== 0) return [];
  return stdout
    .trim()
    .split('\n')
    .map((line) => line.split(', '))
    .map(([id = '', , name = '', peer = '', client = '', learner]) => ({
      ID: BigInt(`0x${id}`),
      name,
      peerURLs: peer.split(','),
      clientURLs: client.split(',').filter((url) => url !== ''),
      isLearner: learner === 'true',
    }));
}

async function idOf(endpoint: string, name: string): Promise<string> {
  const found = (await list(endpoint)).find((member) => member.name === name);
  if (found === undefined) throw new Error(`no member ${name}`);
  return found.ID.toString(16);
}

/** Retries while etcd's strict check says that links have not been up for long enough. */
async function whenHealthy(act: () => Promise<RunResult>): Promise<RunResult> {
  return waitFor(
    'the strict check to be content',
    async () => {
      const result = await act();
      return /unhealthy cluster/.test(result.stderr) ? undefined : result;
    },
    20_000,
  );
}

async function succeed(act: () => Promise<RunResult>): Promise<string> {
  const { code, stdout, stderr } = await whenHealthy(act);
  if (code !== 0) throw new Error(stderr + stdout);
  return stdout;
}

async function serves(member: Member): Promise<void> {
  await waitFor(
    `${member.name} to serve`,
    async () => (await etcdctl([member.endpoint], ['get', 'x', '--command-timeout=2s'])).code === 0,
    20_000,
  );
}

async function holds(members: readonly Member[], keys: readonly string[]): Promise<void> {
  for (const member of members) {
    const { stdout, stderr } = await etcdctl([member.endpoint], ['get', '', '--from-key', '--keys-only']);
    const found = new Set(stdout.split('\n'));
    expect([member.name, keys.filter((key) => !found.has(key)), stderr]).toEqual([member.name, [], '']);
  }
}

describeWith(['etcdctl'], 'the members of a cluster', () => {
  let cluster: Cluster;
  afterEach(async () => {
    await cluster.destroy();
  }, 60_000);

  test('grow from one to three to five and shrink back while writes go on, and no acknowledged write is lost', async () => {
    cluster = await Cluster.start({ members: 1 });
    const [first] = cluster.members as [Member];
    const writer = new Writer([first.endpoint]);
    const stop = writer.keepWriting('load/', 'value', 4);
    for (const name of ['m2', 'm3', 'm4', 'm5']) {
      const { member, peerUrl } = await cluster.newMember(name);
      const added = await succeed(() => etcdctl([first.endpoint], ['member', 'add', name, `--peer-urls=${peerUrl}`]));
      expect(added).toContain('ETCD_INITIAL_CLUSTER_STATE="existing"');
      expect(added).toMatch(/^Member [ 0-9a-f]{16} added to cluster [ 0-9a-f]{16}$/m);
      cluster.members.push(member);
      await member.start();
      await serves(member);
    }
    expect((await list(first.endpoint)).map(({ name }) => name).sort()).toEqual(['m1', 'm2', 'm3', 'm4', 'm5']);
    for (const name of ['m5', 'm4', 'm3', 'm2']) {
      const id = await idOf(first.endpoint, name);
      const gone = cluster.members.find((member) => member.name === name) as Member;
      await succeed(() => etcdctl([first.endpoint], ['member', 'remove', id]));
      expect(await gone.ended()).toBe(0);
      expect(gone.log).toContain('the member has been permanently removed from the cluster');
      cluster.members.splice(cluster.members.indexOf(gone), 1);
    }
    await stop();
    writer.close();
    expect(writer.acknowledged.length).toBeGreaterThan(100);
    await holds([first], writer.acknowledged);
    expect(await list(first.endpoint)).toHaveLength(1);
  }, 180_000);

  test('of three lose one for good, which is replaced, and one that was removed finds no way back', async () => {
    cluster = await Cluster.start({ members: 3 });
    const leader = await cluster.leader();
    const dead = cluster.members.find((member) => member !== leader) as Member;
    const writer = new Writer([leader.endpoint]);
    await writer.fill('k/', 200, 'v');
    const id = await idOf(leader.endpoint, dead.name);
    await dead.stop('SIGKILL');
    const refused = await etcdctl([leader.endpoint], ['member', 'add', 'new', '--peer-urls=http://127.0.0.1:1']);
    expect(refused.stderr).toContain('etcdserver: unhealthy cluster');
    await succeed(() => etcdctl([leader.endpoint], ['member', 'remove', id]));
    const others = cluster.members.filter((member) => member !== dead);
    const { member, peerUrl } = await cluster.newMember('m9', [], others);
    await succeed(() => etcdctl([leader.endpoint], ['member', 'add', 'm9', `--peer-urls=${peerUrl}`]));
    cluster.members.push(member);
    await member.start();
    await serves(member);
    await writer.fill('after/', 200, 'v');
    await holds([...others, member], writer.acknowledged);
    writer.close();
    // The one that was removed while it was down is told so by the others, and ends.
    dead.spawn();
    expect(await dead.ended()).toBe(0);
    expect(dead.log).toContain('the member has been permanently removed from the cluster');
    expect(dead.log).toContain('the data-dir used by this member must be removed');
  }, 120_000);

  test('a learner answers what etcd’s learners answer, and is promoted only once it is in sync', async () => {
    cluster = await Cluster.start({ members: 1 });
    const [first] = cluster.members as [Member];
    const writer = new Writer([first.endpoint]);
    await writer.fill('k/', 500, 'v');
    writer.close();
    const { member, peerUrl } = await cluster.newMember('m2');
    const added = await succeed(() =>
      etcdctl([first.endpoint], ['member', 'add', 'm2', `--peer-urls=${peerUrl}`, '--learner']),
    );
    const [, id = ''] = /^Member +([0-9a-f]+) added (?:as learner )?to cluster/m.exec(added) ?? [];
    const early = await etcdctl([first.endpoint], ['member', 'promote', id]);
    expect(early.stderr).toContain('etcdserver: can only promote a learner member which is in sync with leader');
    const second = await etcdctl(
      [first.endpoint],
      ['member', 'add', 'm3', '--peer-urls=http://127.0.0.1:9', '--learner'],
    );
    expect(second.stderr).toContain('etcdserver: too many learner members in cluster');
    cluster.members.push(member);
    await member.start();
    const at = (...args: string[]): Promise<RunResult> => etcdctl([member.endpoint], [...args, '--command-timeout=3s']);
    await waitFor('the learner to catch up', async () => (await at('get', 'k/499', '--consistency=s')).stdout !== '');
    for (const args of [
      ['put', 'x', 'y'],
      ['get', 'k/1'],
      ['member', 'list'],
      ['lease', 'grant', '10'],
      ['compaction', '2'],
    ]) {
      expect([args, (await at(...args)).stderr]).toEqual([
        args,
        expect.stringContaining('etcdserver: rpc not supported for learner'),
      ]);
    }
    expect((await at('endpoint', 'status')).stdout).toContain('true');
    const move = await etcdctl([first.endpoint], ['move-leader', id]);
    expect(move.stderr).toContain('etcdserver: bad leader transferee');
    await succeed(() => etcdctl([first.endpoint], ['member', 'promote', id]));
    expect(await waitFor('the promotion', async () => (await at('put', 'x', 'y')).code === 0)).toBe(true);
    const again = await etcdctl([first.endpoint], ['member', 'promote', id]);
    expect(again.stderr).toContain('etcdserver: can only promote a learner member');
    expect((await list(first.endpoint)).map(({ isLearner }) => isLearner)).toEqual([false, false]);
    const unknown = await etcdctl([first.endpoint], ['member', 'promote', 'abc']);
    expect(unknown.stderr).toContain('etcdserver: member not found');
  }, 120_000);

  test('move leadership, remove their leader, and go on', async () => {
    cluster = await Cluster.start({ members: 3 });
    const leader = await cluster.leader();
    const [next, third] = cluster.members.filter((member) => member !== leader) as [Member, Member];
    const id = await idOf(leader.endpoint, next.name);
    const elsewhere = await etcdctl([third.endpoint], ['move-leader', id]);
    expect(elsewhere.stderr).toMatch(/no leader endpoint given|not leader/);
    const moved = await etcdctl([leader.endpoint], ['move-leader', id]);
    expect(moved.stdout).toMatch(/^Leadership transferred from [0-9a-f]+ to [0-9a-f]+$/m);
    expect((await cluster.leader()).name).toBe(next.name);
    const writer = new Writer([third.endpoint]);
    const stop = writer.keepWriting('load/', 'value', 4);
    await waitFor('writes', () => writer.acknowledged.length > 50);
    await succeed(() => etcdctl([third.endpoint], ['member', 'remove', id]));
    expect(await next.ended()).toBe(0);
    cluster.members.splice(cluster.members.indexOf(next), 1);
    const before = writer.acknowledged.length;
    await waitFor('writes after the removal', () => writer.acknowledged.length > before + 50);
    await stop();
    writer.close();
    await holds(cluster.members, writer.acknowledged);
  }, 120_000);

  test('a member whose peer URL has changed is reached at the new one', async () => {
    cluster = await Cluster.start({ members: 3 });
    const leader = await cluster.leader();
    const old = cluster.members.find((member) => member !== leader) as Member;
    const { peerUrl } = await cluster.newMember('unused');
    const id = await idOf(leader.endpoint, old.name);
    const taken = await etcdctl([leader.endpoint], ['member', 'update', id, `--peer-urls=${leader.peerUrl}`]);
    expect(taken.stderr).toContain('etcdserver: Peer URLs already exists');
    await succeed(() => etcdctl([leader.endpoint], ['member', 'update', id, `--peer-urls=${peerUrl}`]));
    await old.stop();
    const moved = old.withFlags([
      `--listen-peer-urls=${peerUrl}`,
      `--initial-advertise-peer-urls=${peerUrl}`,
      `--initial-cluster=${old.name}=${peerUrl}`,
    ]);
    cluster.members.splice(cluster.members.indexOf(old), 1, moved);
    await moved.start();
    await serves(moved);
    expect((await list(moved.endpoint)).find(({ name }) => name === old.name)?.peerURLs).toEqual([peerUrl]);
  }, 60_000);

  test('one is forced to be a cluster of its own with all it has, and others join it', async () => {
    cluster = await Cluster.start({ members: 3 });
    const writer = new Writer(cluster.endpoints);
    await writer.fill('k/', 300, 'v');
    writer.close();
    const survivor = await cluster.leader();
    for (const member of cluster.members) await member.stop('SIGKILL');
    cluster.members.splice(0, 3);
    const forced = survivor.withFlags(['--force-new-cluster']);
    cluster.members.push(forced);
    await forced.start();
    await serves(forced);
    expect((await list(forced.endpoint)).map(({ name }) => name)).toEqual([survivor.name]);
    await holds([forced], writer.acknowledged);
    await forced.stop();
    // Without the flag it stays what it was made.
    cluster.members.splice(0, 1, survivor);
    await survivor.start();
    await serves(survivor);
    const { member, peerUrl } = await cluster.newMember('m7');
    await succeed(() => etcdctl([survivor.endpoint], ['member', 'add', 'm7', `--peer-urls=${peerUrl}`]));
    cluster.members.push(member);
    await member.start();
    await serves(member);
    await holds(cluster.members, writer.acknowledged);
  }, 120_000);

  test('who has no place in the cluster is refused with the reason', async () => {
    cluster = await Cluster.start({ members: 3 });
    const [first, second] = cluster.members as [Member, Member];
    // Not added, or added under other URLs.
    const { member: stranger } = await cluster.newMember('m4');
    stranger.spawn();
    expect(await stranger.ended()).toBe(1);
    expect(stranger.log).toMatch(/error validating peerURLs .*: member count is unequal/);
    const { member: alone } = await cluster.newMember('m5', [
      '--initial-cluster=m5=http://127.0.0.1:1,x=http://127.0.0.1:2',
    ]);
    const lost = alone.withFlags(['--initial-advertise-peer-urls=http://127.0.0.1:1']);
    lost.spawn();
    expect(await lost.ended()).toBe(1);
    expect(lost.log).toContain('could not retrieve cluster information from the given URLs');
    // Its data are gone, so it could vote twice.
    await second.stop('SIGKILL');
    rmSync(second.dataDir, { recursive: true });
    second.spawn();
    expect(await second.ended()).toBe(1);
    expect(second.log).toContain('has already been bootstrapped');
    await serves(first);
  }, 60_000);

  test('members of two clusters that were told of each other refuse each other and say so', async () => {
    cluster = await Cluster.start({ members: 3 });
    const [first, second, third] = cluster.members as [Member, Member, Member];
    await third.stop('SIGKILL');
    rmSync(third.dataDir, { recursive: true });
    const other = third.withFlags(['--initial-cluster-token=another']);
    cluster.members.splice(2, 1, other);
    // As long as the others can be asked, it does not even begin.
    other.spawn();
    expect(await other.ended()).toBe(1);
    expect(other.log).toContain('cluster ID mismatch: the other members are of cluster');
    await serves(first);
    // While they are down it begins a cluster of its own, and then they meet.
    await Promise.all([first.stop('SIGKILL'), second.stop('SIGKILL')]);
    const before = [first.log.length, other.log.length];
    other.spawn();
    const wal = join(other.dataDir, 'member', 'wal');
    await waitFor(
      'its beginning',
      () => existsSync(wal) && readdirSync(wal).some((name) => name.endsWith('.wal')),
      20_000,
    );
    first.spawn();
    second.spawn();
    const logs = (): string[] => [first, other].map(({ log }, at) => log.slice(before[at]));
    await waitFor('the refusals', () => logs().every((log) => log.includes('cluster ID mismatch')), 20_000);
    await serves(first);
    await other.stop('SIGKILL');
  }, 60_000);

  test('agree on the version of the cluster', async () => {
    cluster = await Cluster.start({ members: 3 });
    const [first] = cluster.members as [Member];
    await waitFor('the version', async () => {
      const response = await fetch(`http://${first.endpoint}/version`);
      return ((await response.json()) as { etcdcluster: string }).etcdcluster === '3.7.0';
    });
  }, 60_000);
});
