import { formatId, type ProcessConfig } from '../../libs/config';
import { Errors } from '../../libs/errors';
import { configOf } from '../../libs/member-links/testing/config';
import { FakeMember, MEMBER_ID, OTHER_MEMBER_ID } from '../../libs/member-links/testing/fake-member';
import { createLogger, parseAddress, type RunningProcess } from '../../libs/process';
import { BatchClient, type BatchReply } from '../../libs/rpc';
import {
  decodeLeaseRemaining,
  encodeLeaseId,
  encodeLeaseRemaining,
  EntryKind,
  LEASE_PATHS,
  LeaseMethod,
  type LeaseRemaining,
} from '../../proto/gen/hexad';
import { startLease } from './server';

let member: FakeMember;
let lease: RunningProcess;
let proxy: BatchClient;

interface Setup {
  readonly electionMs?: number;
  readonly leader?: bigint;
  readonly checkpoint?: boolean;
  readonly prepare?: (fake: FakeMember) => void;
}

async function start(setup: Setup = {}): Promise<void> {
  member = new FakeMember();
  member.leaderId = setup.leader ?? MEMBER_ID;
  setup.prepare?.(member);
  await member.start();
  const config = configOf('lease', member.addresses);
  const electionMs = setup.electionMs ?? 100;
  const settings: ProcessConfig = {
    ...config,
    memberId: formatId(MEMBER_ID),
    timing: { ...config.timing, electionMs },
    leaseCheckpoint: setup.checkpoint ?? false,
  };
  const fatal = (error: unknown): never => {
    throw error;
  };
  lease = await startLease({ config: settings, logger: createLogger('lease', 'error', 'm1'), fatal });
  await new Promise<void>((resolve) => {
    proxy = new BatchClient({
      address: parseAddress(member.addresses.lease),
      path: LEASE_PATHS.Calls,
      lostError: Errors.TimeoutConnectionLost.id,
      busyError: Errors.TooManyRequests.id,
      onOpen: resolve,
    });
  });
}

function ask(method: number, id: bigint): Promise<BatchReply> {
  return new Promise((resolve) => proxy.call(method, encodeLeaseId({ id }), {}, resolve));
}

async function keepAlive(id: bigint): Promise<LeaseRemaining> {
  const reply = await ask(LeaseMethod.LEASE_KEEP_ALIVE, id);
  expect(reply.error).toBe(0);
  return decodeLeaseRemaining(reply.payload);
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

const revokes = (): number => member.proposed.filter(({ entry }) => entry.kind === EntryKind.ENTRY_LEASE_REVOKE).length;

afterEach(async () => {
  proxy.close();
  await lease.shutdown();
  await member.stop();
});

describe('the lease process', () => {
  it('renews a lease on the leader after one leadership check for all that wait', async () => {
    await start();
    member.grant(7n, 60);
    await keepAlive(7n);
    const before = member.readIndexRounds;
    const answers = await Promise.all(Array.from({ length: 100 }, () => keepAlive(7n)));
    for (const answer of answers) expect(answer).toEqual({ id: 7n, ttl: 60, grantedTtl: 60 });
    expect(member.readIndexRounds - before).toBe(1);
  });

  it('answers TTL 0 for a lease that does not exist, also to a question for the time left', async () => {
    await start();
    expect(await keepAlive(99n)).toEqual({ id: 99n, ttl: 0, grantedTtl: 0 });
    const reply = await ask(LeaseMethod.LEASE_REMAINING, 99n);
    expect(decodeLeaseRemaining(reply.payload)).toEqual({ id: 99n, ttl: 0, grantedTtl: 0 });
  });

  it('tells the whole seconds left', async () => {
    await start();
    member.grant(7n, 60);
    await keepAlive(7n);
    const reply = await ask(LeaseMethod.LEASE_REMAINING, 7n);
    expect(decodeLeaseRemaining(reply.payload)).toEqual({ id: 7n, ttl: 59, grantedTtl: 60 });
  });

  it('revokes an expired lease once, on its own behalf and for its own term only', async () => {
    await start();
    member.grant(7n, 1);
    await until(() => !member.leases.has(7n));
    expect(revokes()).toBe(1);
    expect(member.proposed[0]).toMatchObject({ proposal: { requireTerm: 3 }, entry: { internal: true, user: '' } });
  });

  it('does not time leases while another member leads, and gives them their full time when it takes over', async () => {
    await start({ leader: OTHER_MEMBER_ID });
    member.grant(7n, 1);
    await new Promise((resolve) => setTimeout(resolve, 1_300));
    expect(revokes()).toBe(0);
    member.lead(MEMBER_ID);
    const promoted = performance.now();
    await until(() => !member.leases.has(7n));
    expect(performance.now() - promoted).toBeGreaterThan(1_000);
  });

  it('answers nothing as a new leader before its first entry is applied', async () => {
    await start({ leader: OTHER_MEMBER_ID });
    member.grant(7n, 60);
    member.lead(MEMBER_ID, { applied: false });
    let answered = false;
    const waiting = keepAlive(7n).then((answer) => {
      answered = true;
      return answer;
    });
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(answered).toBe(false);
    member.applyTermStart();
    expect(await waiting).toMatchObject({ ttl: 60 });
  });

  it('relays a keep-alive to the leader and asks again when the leader had changed', async () => {
    await start({ leader: OTHER_MEMBER_ID });
    member.relayAnswer = () => ({ error: Errors.NotLeader.id, payload: new Uint8Array(0) });
    const waiting = keepAlive(7n);
    await until(() => member.relayed.length > 0);
    const answer = encodeLeaseRemaining({ id: 7n, ttl: 30, grantedTtl: 30 });
    member.relayAnswer = () => ({ error: 0, payload: answer });
    expect(await waiting).toEqual({ id: 7n, ttl: 30, grantedTtl: 30 });
    expect(member.relayed[0]).toMatchObject({ process: 'lease', memberId: 0n, method: LeaseMethod.LEASE_KEEP_ALIVE });
  });

  it('answers what is relayed to it as leader and refuses it as follower', async () => {
    await start();
    member.grant(7n, 60);
    await keepAlive(7n);
    const reply = await member.relayIn(LeaseMethod.LEASE_KEEP_ALIVE, encodeLeaseId({ id: 7n }));
    expect(decodeLeaseRemaining(reply.payload)).toMatchObject({ ttl: 60 });
    member.lead(OTHER_MEMBER_ID);
    const refused = await member.relayIn(LeaseMethod.LEASE_KEEP_ALIVE, encodeLeaseId({ id: 7n }));
    expect(refused.error).toBe(Errors.NotLeader.id);
  });

  it('waits for a grant that the feed has not shown yet', async () => {
    await start();
    await keepAlive(1n);
    member.feedHeld = true;
    member.grant(7n, 60);
    let answered = false;
    const waiting = keepAlive(7n).then((answer) => {
      answered = true;
      return answer;
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(answered).toBe(false);
    member.showFeed();
    expect(await waiting).toMatchObject({ ttl: 60 });
  });

  it('lets the renewal of an expired lease wait for its revoke, then answers TTL 0', async () => {
    await start({
      prepare: (fake) => {
        fake.losesProposals = true;
      },
    });
    member.grant(7n, 1);
    await until(() => revokes() === 1);
    const waiting = keepAlive(7n);
    await new Promise((resolve) => setTimeout(resolve, 50));
    member.leases.delete(7n);
    member.losesProposals = false;
    await member.stopRaft();
    await member.startRaft();
    // The link broke: whether the revoke was logged is unknown, so storage is asked before it is proposed again.
    member.leases.set(7n, { id: 7n, ttl: 1, remainingTtl: 0, grantedIndex: 11 });
    expect(await waiting).toMatchObject({ ttl: 0 });
    expect(revokes()).toBe(2);
  });

  it('proposes a refused revoke again, and an unanswered one not before its fate is known', async () => {
    await start({
      prepare: (fake) => {
        fake.refusesWith = Errors.NoLeader.id;
      },
    });
    member.grant(7n, 1);
    await until(() => revokes() === 2);
    member.losesProposals = true;
    await until(() => revokes() === 3);
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(revokes()).toBe(3);
    member.refusesWith = 0;
    member.losesProposals = false;
    member.lead(MEMBER_ID); // the revoke of the old term can no longer be logged
    await until(() => !member.leases.has(7n));
  });

  it('logs the reset of a checkpoint before it answers the renewal', async () => {
    await start({ prepare: (fake) => fake.leases.set(7n, { id: 7n, ttl: 600, remainingTtl: 100, grantedIndex: 4 }) });
    expect(await keepAlive(7n)).toMatchObject({ ttl: 600 });
    expect(member.leases.get(7n)?.remainingTtl).toBe(0);
    expect(member.proposed).toHaveLength(1);
  });

  it('says that there is no leader, or that the time is over, when a keep-alive can not be answered', async () => {
    await start({ electionMs: -2_400 }); // bound: 5 s + 2 × election timeout = 200 ms
    member.grant(7n, 60);
    await keepAlive(7n);
    member.holdsReadIndexes = true;
    expect((await ask(LeaseMethod.LEASE_KEEP_ALIVE, 7n)).error).toBe(Errors.Timeout.id);
    member.loseLeader();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect((await ask(LeaseMethod.LEASE_KEEP_ALIVE, 7n)).error).toBe(Errors.NoLeader.id);
  });
});
