import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { encodePutRequest, encodeRangeRequest, KV_PATHS } from '../../proto/gen/etcdserverpb';
import { Cluster, type Member, type ProcessName } from '../system/support/cluster';
import { OtlpSink } from '../system/support/otlp-sink';
import { waitFor } from '../system/support/wait-for';
import { MemberClient } from './client';
import { buildDiskLibrary, diskEnvironment, setDisk } from './disk/library';
import { PeerNetwork } from './relay';

const library = buildDiskLibrary();
const SLOW_MS = 300;
const TIMEOUT_MS = 10_000;

interface SlowLine {
  readonly op: string;
  readonly stage: string;
  readonly where: string;
  readonly reason: string;
  readonly 'request-id': string;
  readonly 'trace-id': string;
}

function slowLines(member: Member, from: number): SlowLine[] {
  const lines = member.log.slice(from).split('\n').slice(0, -1);
  return lines.filter((line) => line.includes('"msg":"slow request"')).map((line) => JSON.parse(line) as SlowLine);
}

const put = (client: MemberClient) =>
  client.call(KV_PATHS.Put, encodePutRequest({ key: Buffer.from('app/k'), value: Buffer.from('v') }), TIMEOUT_MS);

/** A fault is injected at each stage in turn; every request that is slow for it must say so. */
(library === undefined ? describe.skip : describe)('with three members and a fault, the slow-request log', () => {
  let cluster: Cluster;
  let network: PeerNetwork;
  let sink: OtlpSink;
  let leader: Member;
  let followers: Member[];
  const clients = new Map<string, MemberClient>();
  const disk = (directory: string, at: number): string => join(directory, `disk-${at}`);
  const client = (member: Member): MemberClient => clients.get(member.name) as MemberClient; // made for each member
  const at = (member: Member): number => cluster.members.indexOf(member);

  beforeAll(async () => {
    sink = new OtlpSink();
    const otlp = await sink.start();
    let made: Cluster | undefined;
    network = await PeerNetwork.open(3, (member) => made?.member(member).childPids() ?? []);
    made = await Cluster.create({
      members: 3,
      // Faults are shorter than the patience of followers: the leader stays.
      flags: ['--heartbeat-interval=100', '--election-timeout=5000', '--slow-request-threshold=150ms'],
      peerPort: (member, port) => {
        network.setTarget(member, port);
        return network.ports[member] ?? 0;
      },
      env: (member, directory) => {
        const control = disk(directory, member);
        closeSync(openSync(control, 'a'));
        setDisk(control, { syncDelayMs: 0, isFull: false });
        const files = { root: join(directory, `m${member + 1}`), control };
        return { ...diskEnvironment(library ?? '', files), OTEL_EXPORTER_OTLP_ENDPOINT: `http://${otlp}` };
      },
    });
    cluster = made;
    for (const member of cluster.members) member.spawn();
    await Promise.all(cluster.members.map((member) => member.ready()));
    for (const member of cluster.members) clients.set(member.name, new MemberClient(member.endpoint));
    leader = await cluster.leader();
    followers = cluster.members.filter((member) => member !== leader);
    for (const member of cluster.members) await waitFor('a put', async () => (await put(client(member))).ok);
  }, 60_000);

  afterAll(async () => {
    for (const one of clients.values()) one.close();
    await cluster?.destroy();
    await network?.close();
    sink?.stop();
  }, 60_000);

  /** Puts through `member` one after the other; the lines of those that were slow. */
  async function slowPuts(member: Member, count = 3): Promise<SlowLine[]> {
    const from = member.log.length;
    for (let i = 0; i < count; i++) expect(await put(client(member))).toMatchObject({ ok: true });
    await waitFor('the lines', () => slowLines(member, from).length >= count);
    return slowLines(member, from);
  }

  /** Requests are under way while a process of `member` stands still; the lines of those that were slow. */
  async function slowWhileStopped(
    member: Member,
    stopped: Member,
    name: ProcessName,
    request = put,
  ): Promise<SlowLine[]> {
    const from = member.log.length;
    const pid = stopped.processPid(name) ?? 0;
    let running = true;
    let answered = 0;
    const load = Array.from({ length: 8 }, async () => {
      while (running) {
        await request(client(member));
        answered++;
      }
    });
    try {
      // What is under way at the moment is slow; that there is something is likely, not certain.
      for (let round = 0; round < 10 && slowLines(member, from).length === 0; round++) {
        const before = answered;
        await waitFor('requests under way', () => answered > before + 20);
        process.kill(pid, 'SIGSTOP');
        await new Promise((resolve) => setTimeout(resolve, SLOW_MS)); // the length of the fault
        process.kill(pid, 'SIGCONT');
        const stoppedAt = answered;
        await waitFor('answers', () => answered > stoppedAt + 20);
      }
      await waitFor('slow requests', () => slowLines(member, from).length > 0);
    } finally {
      process.kill(pid, 'SIGCONT');
      running = false;
    }
    await Promise.all(load);
    return slowLines(member, from);
  }

  function expectAll(
    lines: readonly SlowLine[],
    stages: readonly string[],
    where: readonly string[],
    reason: RegExp,
  ): void {
    expect(lines.length).toBeGreaterThan(0);
    for (const line of lines) {
      expect({ line, isStage: stages.includes(line.stage), isPlace: where.includes(line.where) }).toEqual({
        line,
        isStage: true,
        isPlace: true,
      });
      expect(line.reason).toMatch(reason);
    }
  }

  test("names the leader's disk when it is slow to sync", async () => {
    setDisk(disk(cluster.directory, at(leader)), { syncDelayMs: SLOW_MS, isFull: false });
    try {
      const lines = await slowPuts(leader);
      expectAll(
        lines,
        ['wal'],
        [`raft@${leader.name}`],
        // A raft that is busy while its disk is slow may be told of as what took the greater half of it.
        new RegExp(`for (fsync|raft) on ${leader.name}(; its disk's p99 is \\d+ ms|, whose event loop stood still)`),
      );
    } finally {
      setDisk(disk(cluster.directory, at(leader)), { syncDelayMs: 0, isFull: false });
    }
    await waitFor('the disk to be quick', async () => (await put(client(leader))).ok);
  }, 30_000);

  test('names the disk of the follower that makes the quorum', async () => {
    for (const one of followers) setDisk(disk(cluster.directory, at(one)), { syncDelayMs: SLOW_MS, isFull: false });
    try {
      const lines = await slowPuts(leader);
      expectAll(
        lines,
        ['replicate'],
        followers.map(({ name }) => `raft@${name}`),
        /for fsync on m\d/,
      );
    } finally {
      for (const one of followers) setDisk(disk(cluster.directory, at(one)), { syncDelayMs: 0, isFull: false });
    }
  }, 30_000);

  test('names the link between the leader and its followers', async () => {
    for (const one of followers) network.delay(at(leader), at(one), SLOW_MS);
    try {
      const lines = await slowPuts(leader);
      expectAll(
        lines,
        ['replicate'],
        followers.map(({ name }) => `link ${leader.name}-${name}`),
        /the link between/,
      );
    } finally {
      network.heal();
    }
  }, 30_000);

  test('names the link over which a follower passes requests on', async () => {
    const [follower] = followers as [Member, ...Member[]];
    network.delay(at(follower), at(leader), SLOW_MS);
    try {
      const lines = await slowPuts(follower);
      expectAll(lines, ['propose'], [`link ${follower.name}-${leader.name}`], /the link there and back took/);
    } finally {
      network.heal();
    }
  }, 30_000);

  test('names storage when it does not get to apply', async () => {
    const lines = await slowWhileStopped(leader, leader, 'storage');
    expectAll(lines, ['apply'], [`storage@${leader.name}`], /it was busy/);
  }, 30_000);

  test('names storage when it does not get to read', async () => {
    const range = (one: MemberClient) =>
      one.call(KV_PATHS.Range, encodeRangeRequest({ key: Buffer.from('app/k'), serializable: true }), TIMEOUT_MS);
    const lines = await slowWhileStopped(leader, leader, 'storage', range);
    expectAll(lines, ['wait-applied', 'read'], [`storage@${leader.name}`], /storage/);
  }, 30_000);

  test('names raft when its event loop stands still', async () => {
    const lines = await slowWhileStopped(leader, leader, 'raft');
    expectAll(
      lines,
      ['propose', 'wal', 'replicate', 'commit'],
      cluster.members.map(({ name }) => `raft@${name}`),
      /./,
    );
  }, 30_000);

  test('names the proxy when its event loop stands still', async () => {
    const lines = await slowWhileStopped(leader, leader, 'proxy');
    expectAll(lines, ['edge', 'queue', 'respond'], [`proxy@${leader.name}`], /its event loop was busy/);
  }, 30_000);

  test('is matched by traces: every slow request is exported, whole, though nobody sampled it', async () => {
    const lines = cluster.members.flatMap((member) => slowLines(member, 0));
    for (const line of lines) {
      const of = () => sink.spans.filter(({ traceId }) => traceId === line['trace-id']);
      const roots = () => of().filter(({ parentSpanId }) => parentSpanId === '');
      // Each process exports by itself, so parts come in any order.
      await waitFor(
        `the trace of ${line['request-id']}`,
        () => roots().length > 0 && of().some(({ name }) => name === `stage.${line.stage}`),
      );
      expect(roots()).toHaveLength(1);
    }
  }, 30_000);
});
