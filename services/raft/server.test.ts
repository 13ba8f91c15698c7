import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Errors } from '../../libs/errors';
import type { ProcessConfig } from '../../libs/config';
import { createLink } from '../../libs/rpc';
import {
  decodeRaftMoveLeaderResponse,
  decodeRelayBatch,
  decodeRelayReplyBatch,
  encodeRaftMoveLeaderRequest,
  encodeRelayBatch,
  encodeRelayServeBatch,
  RAFT_PATHS,
  type RelayReply,
} from '../../proto/gen/hexad';
import { freePorts } from './testing/ports';
import { testConfig } from './testing/process-config';
import { RaftProcess } from './testing/raft-process';
import { Siblings } from './testing/siblings';

// Real processes on a machine that may be busy.
jest.setTimeout(90_000);

let directory: string;
let raft: RaftProcess[] = [];
let siblings: Siblings[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'hexad-raft-'));
});

afterEach(async () => {
  for (const sibling of siblings) sibling.close();
  await Promise.all(raft.map((process_) => process_.kill()));
  raft = [];
  siblings = [];
  rmSync(directory, { recursive: true });
});

async function startCluster(size: number, electionMs = 500): Promise<void> {
  const ports = await freePorts(size);
  raft = ports.map((_, i) => new RaftProcess(testConfig(directory, ports, i, electionMs)));
  await Promise.all(raft.map((process_) => process_.start()));
  siblings = raft.map(({ config }, i) => new Siblings(config, 1000 + i));
  await Promise.all(siblings.map((s) => s.until('a leader', () => s.isUp && (s.status?.leaderId ?? 0n) !== 0n)));
}

function idOf(config: ProcessConfig | undefined): bigint {
  return BigInt(`0x${config?.memberId ?? '0'}`);
}

function at(position: number): Siblings {
  const found = siblings[position];
  if (found === undefined) throw new Error(`no member ${position}`);
  return found;
}

function processAt(position: number): RaftProcess {
  const found = raft[position];
  if (found === undefined) throw new Error(`no member ${position}`);
  return found;
}

function leaderPosition(among = siblings): number {
  const leader = among.find((s) => s.status !== undefined && s.status.leaderId !== 0n)?.status?.leaderId;
  return raft.findIndex(({ config }) => idOf(config) === leader);
}

function names(count: number, prefix: string): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}${i}`);
}

test('a sole member leads at once, applies what is proposed in order, and serves reads', async () => {
  await startCluster(1);
  const sibling = at(0);
  expect(sibling.status).toMatchObject({ voters: [idOf(processAt(0).config)], isLearner: false });
  sibling.put(names(1000, 'a'));
  sibling.put(['b']);
  await sibling.until('entries', () => sibling.values().length === 1001);
  expect(sibling.values()).toEqual([...names(1000, 'a'), 'b']);
  const read = await sibling.read();
  expect(read).toMatchObject({ index: sibling.appliedIndex, error: 0 });
  expect(sibling.applied[0]).toMatchObject({ index: 1, term: 1, type: 1 });
});

test('after kill -9 a sole member has everything that was delivered, and storage goes on where it was', async () => {
  await startCluster(1);
  const sibling = at(0);
  for (let round = 0; round < 3; round += 1) {
    const before = sibling.values().length;
    for (let i = 0; i < 20; i += 1) sibling.put(names(50, `${round}-${i}-`));
    await sibling.until('entries', () => sibling.values().length >= before + 500);
    await processAt(0).kill();
    await processAt(0).start();
    await sibling.until('links', () => sibling.isUp && sibling.status?.leaderId !== 0n);
  }
  // A storage that is new gets everything again, entries that have left the memory of the raft process too.
  const late = new Siblings(processAt(0).config, 77);
  siblings.push(late);
  const { index } = await sibling.read();
  await late.until('all entries', () => late.appliedIndex >= index);
  expect(late.values().slice(0, sibling.values().length)).toEqual(sibling.values());
});

test('three members elect a leader, replicate, forward proposals and reads', async () => {
  await startCluster(3);
  for (const [i, sibling] of siblings.entries()) sibling.put(names(300, `m${i}-`));
  await Promise.all(siblings.map((s) => s.until('entries', () => s.values().length === 900)));
  expect(at(1).values()).toEqual(at(0).values());
  expect(at(2).values()).toEqual(at(0).values());
  const leader = leaderPosition();
  at(leader).put(['last']);
  await at(leader).until('the last', () => at(leader).values().length === 901);
  const written = at(leader).appliedIndex;
  const reads = await Promise.all(siblings.map((s) => s.read()));
  for (const read of reads) {
    expect(read.error).toBe(0);
    expect(read.index).toBeGreaterThanOrEqual(written);
  }
  expect(siblings.map((s) => s.refused.size)).toEqual([0, 0, 0]);
});

test('no delivered entry is lost when the leader is killed, and it catches up when it is back', async () => {
  await startCluster(3);
  for (let round = 0; round < 3; round += 1) {
    const leader = leaderPosition();
    const others = [0, 1, 2].filter((i) => i !== leader);
    for (let i = 0; i < 30; i += 1) at(leader).put(names(20, `${round}-${i}-`));
    await at(leader).until('some entries', () =>
      at(leader)
        .values()
        .some((value) => value.startsWith(`${round}-5-`)),
    );
    await processAt(leader).kill();
    const delivered = at(leader).values();
    await Promise.all(
      others.map((i) =>
        at(i).until(
          'a new leader',
          () => ![0n, idOf(processAt(leader).config), undefined].includes(at(i).status?.leaderId),
        ),
      ),
    );
    at(others[0] ?? 0).put([`after-${round}`]);
    await Promise.all(others.map((i) => at(i).until('a new entry', () => at(i).values().includes(`after-${round}`))));
    for (const i of others) expect(at(i).values().slice(0, delivered.length)).toEqual(delivered);
    await processAt(leader).start();
    await at(leader).until('catching up', () => at(leader).values().includes(`after-${round}`));
    expect(at(leader).values()).toEqual(
      at(others[0] ?? 0)
        .values()
        .slice(0, at(leader).values().length),
    );
  }
});

test('a proposal for a term is taken only by the leader of exactly that term', async () => {
  await startCluster(3);
  const leader = leaderPosition();
  const follower = (leader + 1) % 3;
  const term = at(leader).status?.term ?? 0;
  const [good] = at(leader).put(['in-term'], { requireTerm: term });
  const [old] = at(leader).put(['old-term'], { requireTerm: term - 1 });
  const [elsewhere] = at(follower).put(['elsewhere'], { requireTerm: term });
  await at(leader).until('a refusal', () => at(leader).refused.has(old ?? 0));
  await at(follower).until('a refusal', () => at(follower).refused.has(elsewhere ?? 0));
  await at(leader).until('the entry', () => at(leader).values().includes('in-term'));
  expect(at(leader).refused).toEqual(new Map([[old, Errors.NotLeader.id]]));
  expect(at(follower).refused).toEqual(new Map([[elsewhere, Errors.NotLeader.id]]));
  expect(good).toBeDefined();
});

test('without a quorum proposals and reads wait, then fail with "no leader"; with one they go on', async () => {
  await startCluster(3);
  const [a, b] = [0, 1, 2].filter((i) => i !== leaderPosition());
  await Promise.all([processAt(leaderPosition()).kill(), processAt(b ?? 0).kill()]);
  const alone = at(a ?? 0);
  await alone.until('no leader', () => alone.status?.leaderId === 0n);
  const [lost] = alone.put(['lost']);
  await alone.until('a refusal', () => alone.refused.has(lost ?? 0));
  expect(alone.refused.get(lost ?? 0)).toBe(Errors.NoLeader.id);
  expect((await alone.read()).error).toBe(Errors.NoLeader.id);
  alone.put(['kept']);
  const read = alone.read();
  await processAt(b ?? 0).start();
  await alone.until('the entry', () => alone.values().includes('kept'));
  expect((await read).error).toBe(0);
  expect(alone.values()).not.toContain('lost');
});

test('requests are relayed to the leader and to a named member, and fail when nobody answers', async () => {
  await startCluster(3);
  const leader = leaderPosition();
  const follower = (leader + 1) % 3;
  const serve = createLink({
    channel: at(leader).channel,
    path: RAFT_PATHS.Serve,
    firstMessage: () => encodeRelayServeBatch({ serve: 'lease' }),
    onMessage: (bytes) => {
      const replies = decodeRelayBatch(bytes).requests.map(({ id, payload }) => ({
        id,
        payload: Buffer.concat([payload, Buffer.from('!')]),
      }));
      serve.send(encodeRelayServeBatch({ replies }));
    },
  });
  const replies = new Map<number, RelayReply>();
  const ask = createLink({
    channel: at(follower).channel,
    path: RAFT_PATHS.Relay,
    onMessage: (bytes) => {
      for (const reply of decodeRelayReplyBatch(bytes).replies) replies.set(reply.id, reply);
    },
  });
  await at(follower).until('links', () => ask.isOpen && serve.isOpen);
  const payload = Buffer.from('x');
  ask.send(
    encodeRelayBatch({
      requests: [
        { id: 1, process: 'lease', payload },
        { id: 2, memberId: idOf(processAt(leader).config), process: 'lease', payload },
        { id: 3, memberId: idOf(processAt(leader).config), process: 'storage', payload },
        { id: 4, memberId: 0x99n, process: 'lease', payload },
      ],
    }),
  );
  await at(follower).until('replies', () => replies.size === 4);
  expect([1, 2].map((id) => Buffer.from(replies.get(id)?.payload ?? []).toString())).toEqual(['x!', 'x!']);
  expect(replies.get(3)?.error).toBe(Errors.Unhealthy.id);
  expect(replies.get(4)?.error).toBe(Errors.MemberNotFound.id);
  ask.close();
  serve.close();
});

test('leadership moves on request, and on SIGTERM without an election timeout', async () => {
  await startCluster(3, 4_000);
  const leader = leaderPosition();
  const target = (leader + 1) % 3;
  const move = (from: number, targetId: bigint): Promise<number> =>
    new Promise((resolve, reject) => {
      const request = encodeRaftMoveLeaderRequest({ targetId });
      at(from).channel.unary(RAFT_PATHS.MoveLeader, request, {}, (result) => {
        if (result.ok) resolve(decodeRaftMoveLeaderResponse(result.response).error);
        else reject(new Error(result.error.message));
      });
    });
  expect(await move(target, idOf(processAt(target).config))).toBe(Errors.NotLeader.id);
  expect(await move(leader, 0x99n)).toBe(Errors.BadLeaderTransferee.id);
  expect(await move(leader, idOf(processAt(target).config))).toBe(0);
  await at(target).until('leadership', () => leaderPosition([at(target)]) === target);
  expect(await processAt(target).stop()).toBe(0);
  const rest = [0, 1, 2].filter((i) => i !== target).map(at);
  const stopped = performance.now();
  await Promise.all(
    rest.map((s) =>
      s.until('a successor', () => ![0n, idOf(processAt(target).config)].includes(s.status?.leaderId ?? 0n)),
    ),
  );
  expect(performance.now() - stopped).toBeLessThan(4_000);
});

test('a member of another cluster is refused by name, and says so', async () => {
  await startCluster(1);
  const ports = await freePorts(1);
  const config = testConfig(join(directory, 'other'), ports, 0);
  const foreign = new RaftProcess({
    ...config,
    addresses: { ...config.addresses, raft: `unix:${join(directory, 'other.sock')}` },
    initialMembers: [
      ...config.initialMembers,
      { id: processAt(0).config.memberId, name: 'x', peerUrls: processAt(0).config.urls.listenPeer },
    ],
  });
  raft.push(foreign);
  await foreign.start();
  await at(0).until('a refusal', () => foreign.log.includes('etcdserver: cluster ID mismatch'));
  // Two pipes: what one process says may be read before what the other said earlier.
  await at(0).until('the refusal in its log', () => processAt(0).log.includes('etcdserver: cluster ID mismatch'));
});

test('a second process on the same WAL, and a WAL that has vanished, are refused in one line', async () => {
  await startCluster(1);
  const second = new RaftProcess(processAt(0).config);
  await expect(second.start()).rejects.toThrow(/is in use by another process/);
  await processAt(0).kill();
  rmSync(processAt(0).config.paths.walDir, { recursive: true });
  await expect(processAt(0).start()).rejects.toThrow(/the WAL in .* is missing/);
  expect(existsSync(processAt(0).config.paths.walDir)).toBe(true);
});

test('a WAL that is behind the store ends the process with what to do', async () => {
  await startCluster(1);
  at(0).put(names(10, 'x'));
  await at(0).until('entries', () => at(0).values().length === 10);
  await processAt(0).kill();
  rmSync(processAt(0).config.paths.memberDir, { recursive: true });
  await processAt(0).start();
  await processAt(0).exited();
  expect(processAt(0).log).toContain('remove this member from the cluster and add it again');
});

test('after SIGSTOP of the leader a new one is elected, and the old one steps down when it goes on', async () => {
  await startCluster(3);
  const leader = leaderPosition();
  const others = [0, 1, 2].filter((i) => i !== leader);
  processAt(leader).signal('SIGSTOP');
  await Promise.all(
    others.map((i) =>
      at(i).until('a new leader', () => ![0n, idOf(processAt(leader).config)].includes(at(i).status?.leaderId ?? 0n)),
    ),
  );
  at(others[0] ?? 0).put(['while stopped']);
  await at(others[0] ?? 0).until('the entry', () =>
    at(others[0] ?? 0)
      .values()
      .includes('while stopped'),
  );
  processAt(leader).signal('SIGCONT');
  const read = await at(leader).read();
  expect(read.error).toBe(0);
  expect(read.index).toBeGreaterThanOrEqual(at(others[0] ?? 0).appliedIndex);
  await at(leader).until('the entry', () => at(leader).values().includes('while stopped'));
});
