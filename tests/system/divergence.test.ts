import { Cluster, etcdctl, type Member } from './support/cluster';
import { plantOtherState, rot } from './support/store-file';
import { describeWith } from './support/tools';
import { waitFor } from './support/wait-for';

const CORRUPT = 'etcdserver: corrupt cluster';

/** On one member alone, from what it has. */
function local(member: Member, ...args: string[]): ReturnType<typeof etcdctl> {
  return etcdctl([member.endpoint], [...args, '--command-timeout=3s']);
}

async function value(member: Member, key: string): Promise<string> {
  const { code, stdout, stderr } = await local(member, 'get', key, '--consistency=s', '--print-value-only');
  return code === 0 ? stdout.trim() : stderr;
}

interface Line {
  readonly level: string;
  readonly ts: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

function lines(member: Member, msg: string): Line[] {
  const found = member.log.split('\n').filter((line) => line.includes(`"msg":"${msg}"`));
  return found.map((line) => JSON.parse(line) as Line);
}

/** What any member has logged so. */
function anywhere(cluster: Cluster, msg: string): Line[] {
  return cluster.members.flatMap((member) => lines(member, msg));
}

async function alarms(member: Member): Promise<string> {
  const { stdout } = await local(member, 'alarm', 'list');
  const found = stdout.split('\n').map((line) => line.trim());
  return found
    .filter((line) => line !== '')
    .sort()
    .join(' ');
}

async function idOf(member: Member): Promise<string> {
  const { stdout } = await local(member, 'endpoint', 'status', '-w', 'json');
  const [, id = ''] = /"member_id":(\d+)/.exec(stdout) ?? [];
  return id;
}

async function followers(cluster: Cluster): Promise<Member[]> {
  const leader = await cluster.leader();
  return cluster.members.filter((member) => member !== leader);
}

/** A write is acknowledged before every member has applied it: until then a store lacks what is to be spoiled. */
async function has(member: Member, key: string, text: string): Promise<void> {
  await waitFor(`${member.name} to have ${key}`, async () => (await value(member, key)) === text);
}

/** Stops the member, which has `good` under `key`, gives it another state there, and starts it again. */
async function plant(member: Member, key: string): Promise<void> {
  await has(member, key, 'good');
  await member.stop('SIGTERM');
  await plantOtherState(member, key, 'planted');
  await member.start();
}

describeWith(['etcdctl'], 'a member whose state is not the others’', () => {
  let cluster: Cluster;
  afterEach(() => cluster.destroy(), 60_000);

  test('is found within a second, raises the alarm, serves nothing any more, and is sent the store when that is disarmed', async () => {
    cluster = await Cluster.start({ members: 3 });
    await cluster.ctl('put', 'k', 'good');
    await cluster.ctl('put', 'other', 'good');
    const [odd, sound] = (await followers(cluster)) as [Member, Member];
    const oddId = await idOf(odd);
    await plant(odd, 'k');
    expect(await value(odd, 'k')).toBe('planted');
    await cluster.leader();
    // The planted version shows in what the entry makes of it.
    await etcdctl([sound.endpoint], ['put', 'k', 'next']);
    const appliedAt = Date.now();
    const [found] = await waitFor('the report', () => {
      const reports = anywhere(cluster, 'members have another state than the majority');
      return reports.length > 0 ? reports : undefined;
    });
    expect(Date.parse(found?.ts ?? '') - appliedAt).toBeLessThan(1_000);
    const hex = BigInt(oddId).toString(16);
    expect(found).toMatchObject({ level: 'error', odd: [hex], index: expect.any(Number), revision: 4 });
    const members = found?.['members'] as { member: string; hash: string }[];
    const oddHash = members.find(({ member }) => member === hex)?.hash;
    expect(oddHash).toMatch(/^[0-9a-f]{16}$/);
    expect(members.filter(({ hash }) => hash === oddHash)).toHaveLength(1);

    await waitFor('the alarm', async () => (await alarms(sound)) === `memberID:${oddId} alarm:CORRUPT`);
    await waitFor('the odd one to be out of service', async () => (await value(odd, 'k')).includes(CORRUPT));
    expect((await local(odd, 'get', 'other', '--consistency=s')).stderr).toContain(CORRUPT);
    expect((await local(odd, 'snapshot', 'save', '/dev/null')).code).not.toBe(0);
    expect(await value(sound, 'k')).toBe('next');
    for (const request of [
      ['put', 'k', 'refused'],
      ['del', 'k'],
      ['lease', 'grant', '10'],
      ['compaction', '2'],
    ])
      expect((await local(sound, ...request)).stderr).toContain(CORRUPT);
    const health = await fetch(`http://${sound.endpoint}/health`);
    expect([health.status, await health.text()]).toEqual([503, '{"health":"false","reason":"ALARM CORRUPT"}']);

    // What was found is not forgotten, and the store is left for whoever wants to see it.
    const before = odd.processPid('storage') ?? 0;
    process.kill(before, 'SIGKILL');
    await waitFor('another storage process', () => ![undefined, before].includes(odd.processPid('storage')));
    expect(await value(odd, 'other')).toContain(CORRUPT);
    expect((await local(sound, 'alarm', 'disarm')).stdout.trim()).toBe(`memberID:${oddId} alarm:CORRUPT`);
    await waitFor('the copy', () => lines(odd, 'applied snapshot').length === 1, 20_000);
    await waitFor('the right value', async () => (await value(odd, 'k')) === 'next', 20_000);
    await cluster.ctl('put', 'k', 'last');
    await waitFor('the member to follow', async () => (await value(odd, 'k')) === 'last');
    expect(await alarms(sound)).toBe('');
    expect(anywhere(cluster, 'members have different states')).toEqual([]);
  }, 90_000);

  test('is not put out of service when nobody can tell who is right', async () => {
    cluster = await Cluster.start({ members: 2 });
    await cluster.ctl('put', 'k', 'good');
    const [odd] = (await followers(cluster)) as [Member];
    const ids = await Promise.all(cluster.members.map(idOf));
    await plant(odd, 'k');
    await cluster.leader();
    await cluster.ctl('put', 'k', 'next');
    const [found] = await waitFor('the report', () => {
      const reports = anywhere(cluster, 'members have different states');
      return reports.length > 0 ? reports : undefined;
    });
    const hashes = ((found?.['members'] ?? []) as { hash: string }[]).map(({ hash }) => hash);
    expect([found?.['odd'], hashes.length, new Set(hashes).size]).toEqual([[], 2, 2]);
    const expected = ids.map((id) => `memberID:${id} alarm:CORRUPT`).sort();
    await waitFor('both alarms', async () => (await alarms(odd)) === expected.join(' '));
    expect(await Promise.all(cluster.members.map((member) => value(member, 'k')))).toEqual(['next', 'next']);
    expect((await cluster.etcdctl(['put', 'k', 'refused'])).stderr).toContain(CORRUPT);
  }, 60_000);

  test('is found by the comparison of all keys, before it serves and now and then', async () => {
    cluster = await Cluster.start({ members: 2, flags: ['--divergence-check=false'] });
    await cluster.ctl('put', 'k', 'good');
    const [odd] = (await followers(cluster)) as [Member];
    await has(odd, 'k', 'good');
    await odd.stop('SIGTERM');
    await plantOtherState(odd, 'k', 'planted');
    const checked = odd.withFlags(['--experimental-initial-corrupt-check=true']);
    cluster.members.push(checked);
    checked.spawn();
    expect(await checked.ended()).toBe(1);
    expect(checked.log).toContain('found data inconsistency with peers');
    cluster.members.pop();
    for (const [at, member] of cluster.members.entries()) {
      await member.stop('SIGTERM');
      cluster.members[at] = member.withFlags(['--corrupt-check-time=300ms']);
    }
    for (const member of cluster.members) member.spawn();
    await Promise.all(cluster.members.map((member) => member.ready()));
    const [found] = await waitFor('the report', () => {
      const reports = anywhere(cluster, 'members have different states');
      return reports.length > 0 ? reports : undefined;
    });
    expect(found).toMatchObject({ hash: 'of all keys', revision: 2, odd: [] });
  }, 60_000);
});

describeWith(['etcdctl'], 'a byte that has rotted in a store file', () => {
  let cluster: Cluster;
  afterEach(() => cluster.destroy(), 60_000);
  const LONG = 'a value that is found in the file';

  test('is found by a read, never served, and the store is fetched anew from the leader', async () => {
    cluster = await Cluster.start({ members: 3, flags: ['--scrub-bytes-per-second=0'] });
    await cluster.ctl('put', 'k', LONG);
    const [victim] = (await followers(cluster)) as [Member];
    await has(victim, 'k', LONG);
    await victim.stop('SIGTERM');
    expect(rot(victim, LONG)).toBeGreaterThanOrEqual(2);
    await victim.start();
    // etcdctl asks again when the process that found it has ended, and may then be given what came from the leader.
    const answer = await value(victim, 'k');
    if (answer !== LONG) {
      expect(answer).toContain('Error');
      expect(answer).not.toContain('value that is found');
    }
    await waitFor('the copy', () => lines(victim, 'applied snapshot').length === 1, 20_000);
    const [found] = lines(victim, 'the store is damaged and will be fetched anew from the leader');
    expect(found?.['error']).toContain('key "k"');
    await waitFor('the right value', async () => (await value(victim, 'k')) === LONG, 20_000);
    await cluster.ctl('put', 'k2', 'after');
    await waitFor('the member to follow', async () => (await value(victim, 'k2')) === 'after');
    expect(await alarms(victim)).toBe('');
  }, 60_000);

  test('is found by the scrub while nobody reads it', async () => {
    cluster = await Cluster.start({ members: 3 });
    await cluster.ctl('put', 'k', LONG);
    const leader = await cluster.leader();
    await has(leader, 'k', LONG);
    await leader.stop('SIGTERM');
    expect(rot(leader, LONG)).toBeGreaterThanOrEqual(2);
    await leader.start();
    await waitFor('the copy', () => lines(leader, 'applied snapshot').length === 1, 20_000);
    const [found] = lines(leader, 'the store is damaged and will be fetched anew from the leader');
    expect(found?.['error']).toMatch(/checksum of .* does not match/);
    await waitFor('the right value', async () => (await value(leader, 'k')) === LONG, 20_000);
  }, 60_000);

  test('is an error where there is no other member, and the rest is served', async () => {
    cluster = await Cluster.start({ members: 1 });
    await cluster.ctl('put', 'k', LONG);
    await cluster.ctl('put', 'other', 'sound');
    const [alone] = cluster.members as [Member];
    await alone.stop('SIGTERM');
    rot(alone, LONG);
    await alone.start();
    await waitFor('the alarm', async () => (await alarms(alone)).endsWith('alarm:CORRUPT'));
    expect(await value(alone, 'k')).toContain(CORRUPT);
    expect(await value(alone, 'other')).toBe('sound');
    expect(alone.hasEnded).toBe(false);
  }, 60_000);
});
