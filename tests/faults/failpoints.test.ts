import { spawnSync } from 'node:child_process';
import { encodePutRequest, KV_PATHS } from '../../proto/gen/etcdserverpb';
import { failpointNames, type FailpointName } from '../../libs/failpoints';
import { HEXAD } from '../system/support/cluster';
import { waitFor } from '../system/support/wait-for';
import { MemberClient } from './client';
import { FailingCluster } from './failpoints/member-under-test';
import { ForgetfulScene } from './failpoints/scenes';
import { runFailpoints } from './failpoints/trial';
import { MemberStatuses } from './members';

/** A part of all; the nightly run dies at every one. */
const GATE: readonly FailpointName[] = [
  'walBeforeSync',
  'walAfterSync',
  'walAfterRemoveSegment',
  'raftAfterSaveMembers',
  'applyAfterOneEntry',
  'beforeCommit',
  'compactBeforeSetFinishedCompact',
  'raftAfterNoteBegun',
  'walBeforeCutTornWrite',
  'raftBeforeWALSaveSnaphot',
  'copyInAfterSwitch',
];
const PUT = encodePutRequest({ key: Buffer.from('k'), value: Buffer.from('v') });

test('a member that dies at a failpoint loses no acknowledged write, and agrees with the others when it is back', async () => {
  const result = await runFailpoints({ points: GATE, seed: Date.now() % 1e6 });
  expect(result.problems).toEqual([]);
  expect([...result.passed].sort()).toEqual([...GATE].sort());
  expect(result.acknowledged).toBeGreaterThan(100);
}, 240_000);

test('a member that has forgotten what it acknowledged is found out', async () => {
  const scene = await ForgetfulScene.create(1);
  try {
    expect((await scene.run('walAfterRemoveSegment')).join('\n')).toMatch(/a write was acknowledged with/);
  } finally {
    await scene.end();
  }
}, 60_000);

test('the endpoint lists the points of all processes, and says no to what is none', async () => {
  const failing = await FailingCluster.create(1);
  try {
    await failing.cluster.member(0).start();
    const { status, text } = await failing.ask(0, 'GET', '/');
    expect([status, text]).toEqual([
      200,
      failpointNames()
        .map((name) => `${name}=\n`)
        .join(''),
    ]);
    expect(await failing.ask(0, 'PUT', '/nonsense', 'panic')).toMatchObject({ status: 400 });
    expect(await failing.set(0, 'walBeforeSync', 'panik')).toMatchObject({ status: 400 });
    for (const point of ['walBeforeSync', 'beforeCommit', 'beforeSyncWatchers'] as const) {
      expect(await failing.set(0, point, '1*off')).toMatchObject({ status: 204 });
      expect(await failing.ask(0, 'GET', `/${point}`)).toEqual({ status: 200, text: '1*off\n' });
      expect(await failing.clear(0, point)).toMatchObject({ status: 204 });
    }
    expect(failing.cluster.member(0).hasEnded).toBe(false);
  } finally {
    await failing.end();
  }
}, 60_000);

test('a process that is held at a point takes orders, and one that is started again begins with what is set', async () => {
  const failing = await FailingCluster.create(1);
  const member = failing.cluster.member(0);
  const client = new MemberClient(member.endpoint);
  try {
    await member.start();
    await failing.set(0, 'raftBeforeSave', '1*sleep("30s")');
    const held = client.call(KV_PATHS.Put, PUT, 20_000);
    await waitFor('raft to be held', async () => (await failing.ask(0, 'GET', '/raftBeforeSave/count')).text === '1');
    expect(await failing.set(0, 'walAfterSync', 'panic')).toMatchObject({ status: 204 });
    expect(await failing.clear(0, 'raftBeforeSave')).toMatchObject({ status: 204 });
    process.kill(member.processPid('raft') ?? 0, 'SIGKILL');
    expect(await member.ended()).toBe(2);
    expect(member.log).toContain('hexad: failpoint panic: walAfterSync');
    expect((await held).ok).toBe(false);
  } finally {
    client.close();
    await failing.end();
  }
}, 60_000);

test('a leader whose syncs are held hands leadership over', async () => {
  const failing = await FailingCluster.create(3);
  const { cluster } = failing;
  const statuses = new MemberStatuses(cluster.endpoints);
  try {
    await Promise.all(cluster.members.map((member) => member.start()));
    const leader = await waitFor('a leader', () => statuses.leader());
    const client = new MemberClient(cluster.member((leader + 1) % 3).endpoint);
    await failing.set(leader, 'walBeforeSync', '1*sleep("3s")');
    void client.call(KV_PATHS.Put, PUT, 1_000);
    await waitFor('another leader', async () => {
      const now = await statuses.leader();
      return now !== undefined && now !== leader;
    });
    expect(cluster.member(leader).log).toContain('the WAL does not sync: leadership is handed over');
    await waitFor('writes', async () => (await client.call(KV_PATHS.Put, PUT, 1_000)).ok);
    client.close();
  } finally {
    statuses.close();
    await failing.end();
  }
}, 60_000);

test.each([
  ['GOFAIL_HTTP', '0.0.0.0:22381', 'GOFAIL_HTTP must be a loopback address with a port, not "0.0.0.0:22381"'],
  ['GOFAIL_FAILPOINTS', 'walBeforeSync', 'fail to parse failpoint: bad failpoint "walBeforeSync"'],
  ['GOFAIL_FAILPOINTS', 'walBeforeSync=panik', 'fail to parse failpoint: failpoint: could not parse terms "panik"'],
])('%s=%s is refused in one line', async (name, value, expected) => {
  const failing = await FailingCluster.create(1);
  const { dataDir } = failing.cluster.member(0);
  const { status, stderr } = spawnSync(HEXAD, [`--data-dir=${dataDir}`, '--log-level=error'], {
    env: { ...process.env, [name]: value },
    encoding: 'utf8',
    timeout: 20_000,
  });
  await failing.end();
  expect([status, stderr]).toEqual([1, `hexad: ${expected}\n`]);
});
