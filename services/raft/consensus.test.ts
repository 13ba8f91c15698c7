import { createRaft, type LogEntry, type Message, MessageType, type RaftCore } from '../../libs/raft';
import { Wal } from '../../libs/wal';
import { MemoryDisk } from '../../libs/wal/testing/memory-disk';
import { bootstrapOfThree, entries, voters, walOptions } from '../../libs/wal/testing/wal-options';
import { type ConfChange, ConfChangeType, encodeConfChange } from '../../proto/gen/hexad';
import { Consensus } from './consensus';
import { createStats } from './stats';

const [own, second, third] = voters as [bigint, bigint, bigint];

interface Setup {
  readonly disk: MemoryDisk;
  readonly core: RaftCore;
  readonly consensus: Consensus;
  readonly sent: Message[];
  readonly log: string[];
}

async function setUp(now: () => number = () => 0): Promise<Setup> {
  const disk = new MemoryDisk();
  const wal = new Wal(walOptions(disk, { now }));
  await wal.bootstrap(bootstrapOfThree);
  disk.holdSyncs = true;
  const core = createRaft({
    id: own,
    confState: bootstrapOfThree.configuration.conf,
    confIndex: 3,
    hardState: bootstrapOfThree.hardState,
    storage: wal,
    applied: 3,
    electionTicks: 10,
    heartbeatTicks: 1,
    maxInflightMessages: 10,
    maxInflightBytes: 1e6,
    maxMessageBytes: 1e6,
    maxUncommittedBytes: 1e6,
    maxCommittedBytes: 1e6,
    preVote: false,
    checkQuorum: true,
    random: () => 0,
    nonce: 7,
  });
  const sent: Message[] = [];
  const log: string[] = [];
  const events = {
    beforeTurn: () => undefined,
    send: (messages: readonly Message[]) => {
      sent.push(...messages);
      for (const { type, to } of messages) log.push(`send ${type} to ${to.toString(16)}`);
    },
    flushPeers: () => undefined,
    readConfirmed: () => log.push('read'),
    readsDropped: () => log.push('dropped'),
    leadershipChanged: () => undefined,
    stepsOf: (_: number, change: ConfChange | undefined) =>
      change === undefined ? [] : [{ op: change.type, node: change.nodeId }],
    configurationChanged: () => log.push('configuration'),
    afterTurn: () => log.push(`deliverable ${consensus.deliverable}`),
  };
  const fatal = (error: unknown): never => {
    throw error;
  };
  const consensus: Consensus = new Consensus(core, wal, events, createStats(), fatal);
  return { disk, core, consensus, sent, log };
}

function message(type: number, from: bigint, fields: Partial<Message>): Message {
  return {
    type,
    from,
    to: own,
    term: 2,
    logTerm: 0,
    index: 0,
    commit: 0,
    entries: [] as LogEntry[],
    reject: false,
    rejectHint: 0,
    context: 0,
    contextNonce: 0,
    campaignTransfer: false,
    snapshot: undefined,
    ...fields,
  };
}

/** Lets a scheduled turn run. */
function turn(consensus: Consensus): Promise<void> {
  consensus.schedule();
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

async function becomeLeader(setup: Setup): Promise<void> {
  const { core, consensus, disk } = setup;
  core.campaign();
  await turn(consensus);
  disk.releaseSyncs();
  core.step(message(MessageType.VoteReply, second, {}));
  await turn(consensus);
}

test('a follower answers an append only after its own sync', async () => {
  const { core, consensus, disk, sent } = await setUp();
  core.step(message(MessageType.Append, second, { logTerm: 1, index: 3, entries: entries(4, 6, 2), commit: 6 }));
  await turn(consensus);
  expect(sent).toEqual([]);
  expect(consensus.deliverable).toBe(3);
  disk.releaseSyncs();
  expect(sent).toMatchObject([{ type: MessageType.AppendReply, to: second, index: 6, reject: false }]);
  expect(consensus.deliverable).toBe(6);
});

test('a vote is sent only after it is synced', async () => {
  const { core, consensus, disk, sent } = await setUp();
  core.step(message(MessageType.Vote, second, { logTerm: 1, index: 3 }));
  await turn(consensus);
  expect(sent).toEqual([]);
  disk.releaseSyncs();
  expect(sent).toMatchObject([{ type: MessageType.VoteReply, to: second, reject: false }]);
});

test('a leader sends appends while its own write is under way, and commits with the others before it has synced', async () => {
  const setup = await setUp();
  await becomeLeader(setup);
  const { core, consensus, disk, sent } = setup;
  expect(core.role).toBe('leader');
  expect(sent.filter(({ type }) => type === MessageType.Append).map(({ to }) => to)).toEqual([second, third]);
  for (const from of [second, third]) core.step(message(MessageType.AppendReply, from, { index: 4 }));
  await turn(consensus);
  expect([core.commit, consensus.deliverable]).toEqual([4, 3]);
  disk.releaseSyncs();
  expect(consensus.deliverable).toBe(4);
});

test('proposals of one turn share one write and one append to each peer', async () => {
  const setup = await setUp();
  await becomeLeader(setup);
  const { core, consensus, disk, sent } = setup;
  disk.releaseSyncs();
  for (const from of [second, third]) core.step(message(MessageType.AppendReply, from, { index: 4 }));
  await turn(consensus);
  const before = { sent: sent.length, syncs: disk.syncs };
  for (let i = 0; i < 50; i += 1) core.propose([{ type: 0, data: new Uint8Array(10) }]);
  await turn(consensus);
  const appends = sent.slice(before.sent).filter(({ type }) => type === MessageType.Append);
  expect(appends.map(({ entries: list }) => list.length)).toEqual([50, 50]);
  expect(disk.syncs - before.syncs).toBe(1);
});

test('a committed configuration entry takes effect in its turn, before the next work', async () => {
  const { core, consensus, disk, log } = await setUp();
  const data = encodeConfChange({ type: ConfChangeType.CONF_REMOVE, nodeId: third });
  const list = [{ term: 2, index: 4, type: 1, data }];
  core.step(message(MessageType.Append, second, { logTerm: 1, index: 3, entries: list, commit: 4 }));
  await turn(consensus);
  disk.releaseSyncs();
  expect(log).toContain('configuration');
  expect(core.confState.voters).toEqual([own, second]);
});

test('a leader whose disk hangs hands leadership to a follower that is up to date', async () => {
  let clock = 0;
  const setup = await setUp(() => clock);
  await becomeLeader(setup);
  const { core, consensus, sent } = setup;
  core.step(message(MessageType.AppendReply, third, { index: 4 }));
  clock = 999;
  expect(consensus.handOverIfStalled(1000)).toBe(0n);
  clock = 1000;
  expect(consensus.handOverIfStalled(1000)).toBe(third);
  await turn(consensus);
  expect(sent.at(-1)).toMatchObject({ type: MessageType.TimeoutNow, to: third });
  expect(consensus.handOverIfStalled(1000)).toBe(0n);
});
