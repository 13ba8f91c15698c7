import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAddress } from '../../libs/process';
import { connect } from '../../libs/rpc';
import {
  decodeRangeResponse,
  decodeWatchResponse,
  encodeCompactionRequest,
  encodePutRequest,
  encodeRangeRequest,
  encodeWatchRequest,
  KV_PATHS,
  WATCH_PATHS,
} from '../../proto/gen/etcdserverpb';
import { Cluster, type Member, type ProcessName } from '../system/support/cluster';
import { OtlpSink } from '../system/support/otlp-sink';
import { freePorts } from '../system/support/ports';
import { waitFor } from '../system/support/wait-for';
import { MemberClient } from './client';
import { buildDiskLibrary, diskEnvironment, setDisk } from './disk/library';
import { PeerNetwork } from './relay';

const library = buildDiskLibrary();
const SLOW_MS = 300;
/** Under way at a time. */
const REQUESTS = 8;
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

async function pageOf(member: Member): Promise<string> {
  return (await fetch(`http://${member.endpoint}/metrics`)).text();
}

async function appliedAt(member: Member): Promise<number> {
  return Number(/^hexad_storage_applied_index (\d+)$/m.exec(await pageOf(member))?.[1]);
}

/** The sum of a metric over its labels. */
async function metricOf(member: Member, name: string): Promise<number> {
  const lines = (await pageOf(member)).split('\n').filter((line) => line.startsWith(`${name}{`));
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
}

/** A fault is injected at each stage in turn; every request that is slow for it must say so. */
(library === undefined ? describe.skip : describe)('with three members and a fault, the slow-request log', () => {
  let cluster: Cluster;
  let marks = 0;
  let network: PeerNetwork;
  let sink: OtlpSink;
  let leader: Member;
  let followers: Member[];
  let failpoints: number[];
  const clients = new Map<string, MemberClient>();
  const disk = (directory: string, at: number): string => join(directory, `disk-${at}`);
  const client = (member: Member): MemberClient => clients.get(member.name) as MemberClient; // made for each member
  const at = (member: Member): number => cluster.members.indexOf(member);

  beforeAll(async () => {
    failpoints = await freePorts(3);
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
        return {
          ...diskEnvironment(library ?? '', files),
          OTEL_EXPORTER_OTLP_ENDPOINT: `http://${otlp}`,
          GOFAIL_HTTP: `127.0.0.1:${failpoints[member]}`,
        };
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

  /** A line about a slow request belongs to the test that caused it. */
  afterEach(async () => {
    for (const member of cluster.members) await caughtUp(member);
  });

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

  /**
   * The log tells of all that has been answered or delivered: a scrape has it accounted for, and what the proxy says after that
   * comes by the same way.
   */
  async function caughtUp(member: Member): Promise<void> {
    await pageOf(member);
    const mark = `no-check-${(marks += 1)}`;
    await fetch(`http://${member.endpoint}/livez?exclude=${mark}`);
    await waitFor('the log to catch up', () => member.log.includes(mark));
  }

  /** Returns when the process stands still; what has it go on. */
  async function stop(member: Member, name: ProcessName): Promise<() => void> {
    const pid = member.processPid(name) ?? 0;
    process.kill(pid, 'SIGSTOP');
    await waitFor('the stop', () => / T /.test(readFileSync(`/proc/${pid}/stat`, 'latin1')));
    return () => process.kill(pid, 'SIGCONT');
  }

  /** The length of the fault. */
  const lasting = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

  /**
   * Requests meet a process of `member` that stands still; the lines of those that were slow. It is stopped while nothing is
   * under way in it: what a process has stamped and not yet sent would count for whom it is sent to. So a proxy is stopped
   * once all that it has passed on is applied elsewhere and waits for storage here.
   */
  async function slowWhileStopped(member: Member, name: ProcessName, request = put): Promise<SlowLine[]> {
    const from = member.log.length;
    const send = () => Promise.all(Array.from({ length: REQUESTS }, () => request(client(member))));
    const [witness] = followers as [Member, ...Member[]];
    const before = await appliedAt(witness);
    const began = performance.now();
    const goOn = [await stop(member, name === 'proxy' ? 'storage' : name)];
    const load = send();
    try {
      if (name === 'proxy') {
        await waitFor('the other members', async () => (await appliedAt(witness)) >= before + REQUESTS);
        goOn.unshift(await stop(member, 'proxy'));
        goOn.pop()?.();
        await lasting(3 * (performance.now() - began)); // much longer than storage stood still
      }
      await lasting(SLOW_MS);
    } finally {
      for (const one of goOn) one();
    }
    await load;
    await caughtUp(member);
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
    const lines = await slowWhileStopped(leader, 'storage');
    expectAll(lines, ['apply'], [`storage@${leader.name}`], /it was busy/);
  }, 30_000);

  test('names storage when it does not get to read', async () => {
    const range = (one: MemberClient) =>
      one.call(KV_PATHS.Range, encodeRangeRequest({ key: Buffer.from('app/k'), serializable: true }), TIMEOUT_MS);
    const lines = await slowWhileStopped(leader, 'storage', range);
    expectAll(lines, ['wait-applied', 'read'], [`storage@${leader.name}`], /storage/);
  }, 30_000);

  test('names raft when its event loop stands still', async () => {
    const lines = await slowWhileStopped(leader, 'raft');
    expectAll(
      lines,
      ['propose', 'wal', 'replicate', 'commit'],
      cluster.members.map(({ name }) => `raft@${name}`),
      /./,
    );
  }, 30_000);

  test('names the proxy when its event loop stands still', async () => {
    const lines = await slowWhileStopped(leader, 'proxy');
    expectAll(lines, ['edge', 'queue', 'respond'], [`proxy@${leader.name}`], /its event loop was busy/);
  }, 30_000);

  /** A watcher of everything of `member`'s; its connection is one of its own. */
  async function watchAll(member: Member) {
    const channel = connect(parseAddress(`tcp:${member.endpoint}`));
    const stream = channel.stream(WATCH_PATHS.Watch);
    let created = false;
    let events = 0;
    stream.onMessage((bytes) => {
      const answer = decodeWatchResponse(bytes);
      created ||= answer.created;
      events += answer.events.length;
    });
    const key = Uint8Array.of(0);
    stream.send(encodeWatchRequest({ createRequest: { key, rangeEnd: key } }));
    await waitFor('the watcher', () => created);
    return { stream, events: () => events, close: () => channel.close() };
  }

  const ofWatch = (lines: readonly SlowLine[]): SlowLine[] => lines.filter(({ op }) => op === 'watch');

  /** Events are on their way to a watcher of the leader's while one of its processes stands still. */
  async function slowEvents(name: ProcessName): Promise<SlowLine[]> {
    const from = leader.log.length;
    const watcher = await watchAll(leader);
    try {
      await slowWhileStopped(leader, name);
      await waitFor('the events', () => watcher.events() === REQUESTS);
    } finally {
      watcher.close();
    }
    await caughtUp(leader);
    return ofWatch(slowLines(leader, from));
  }

  test('names storage when it does not get to publish events', async () => {
    expectAll(await slowEvents('storage'), ['publish'], [`storage@${leader.name}`], /to apply the entry and to send/);
  }, 30_000);

  test('names the watch hub when its event loop stands still', async () => {
    expectAll(await slowEvents('watch'), ['match'], [`watch@${leader.name}`], /its event loop was busy/);
  }, 30_000);

  test('names the proxy when it does not get to send events', async () => {
    expectAll(await slowEvents('proxy'), ['send'], [`proxy@${leader.name}`], /its event loop was busy/);
  }, 30_000);

  test('names a watcher that reads slowly', async () => {
    const from = leader.log.length;
    const watcher = await watchAll(leader);
    const held = () => metricOf(leader, 'hexad_watch_hub_slow_watchers');
    watcher.stream.pause();
    const large = encodePutRequest({ key: Buffer.from('app/large'), value: Buffer.alloc(200_000) });
    let sent = 0;
    for (; (await held()) === 0; sent++)
      expect(await client(leader).call(KV_PATHS.Put, large, TIMEOUT_MS)).toMatchObject({ ok: true });
    await new Promise((resolve) => setTimeout(resolve, SLOW_MS)); // the length of the fault
    watcher.stream.resume();
    await waitFor('the events', () => watcher.events() === sent);
    await waitFor('the line', () => ofWatch(slowLines(leader, from)).some(({ where }) => where.startsWith('client ')));
    watcher.close();
    // On a busy machine an event of this size may be late for other reasons too, before the stream is full.
    const lines = ofWatch(slowLines(leader, from)).filter(({ where }) => where.startsWith('client '));
    expectAll(lines, ['send'], [lines[0]?.where ?? ''], /for the client at 127\.0\.0\.1:\d+, which reads slowly/);
  }, 60_000);

  /** Storage of the leader stands still in the middle of a compaction while requests are under way. */
  async function slowWhileCompacting(request = put): Promise<SlowLine[]> {
    const from = leader.log.length;
    let running = true;
    let answered = 0;
    const load = Array.from({ length: REQUESTS }, async () => {
      for (; running; answered++) await request(client(leader));
    });
    try {
      for (let round = 0; round < 10 && slowLines(leader, from).length === 0; round++) {
        const before = answered;
        await waitFor('requests under way', () => answered > before + 20);
        await put(client(leader)); // something to compact, each time
        const { revision } = await setFailpoint(`compactBeforeCommitBatch`, `1*sleep(${SLOW_MS})`);
        expect(
          await client(leader).call(KV_PATHS.Compact, encodeCompactionRequest({ revision }), TIMEOUT_MS),
        ).toMatchObject({ ok: true });
        const compacted = answered;
        await waitFor('answers', () => answered > compacted + 20);
      }
      await waitFor('slow requests', () => slowLines(leader, from).length > 0);
    } finally {
      running = false;
    }
    await Promise.all(load);
    return slowLines(leader, from);
  }

  /** Returns the store's revision too, which is what there is to be compacted. */
  async function setFailpoint(name: string, terms: string): Promise<{ revision: number }> {
    const answer = await fetch(`http://127.0.0.1:${failpoints[at(leader)]}/${name}`, { method: 'PUT', body: terms });
    expect(answer.ok).toBe(true);
    const range = encodeRangeRequest({ key: Buffer.from('app/k') });
    const got = await client(leader).call(KV_PATHS.Range, range, TIMEOUT_MS);
    return { revision: Number(got.ok ? decodeRangeResponse(got.bytes).header?.revision : 0) };
  }

  test('names a long compaction that a put waits for', async () => {
    const lines = await slowWhileCompacting();
    expectAll(lines, ['apply', 'lmdb'], [`storage@${leader.name}`], /busy with a compaction for \d+ ms/);
  }, 30_000);

  test('names a long compaction that a range waits for', async () => {
    const range = (one: MemberClient) =>
      one.call(KV_PATHS.Range, encodeRangeRequest({ key: Buffer.from('app/k'), serializable: true }), TIMEOUT_MS);
    const lines = await slowWhileCompacting(range);
    expectAll(lines, ['wait-applied', 'read'], [`storage@${leader.name}`], /busy with a compaction for \d+ ms/);
  }, 30_000);

  test('has the stages of events in the metrics too', async () => {
    const page = await pageOf(leader);
    for (const stage of ['commit', 'publish', 'match', 'send']) {
      expect(page).toMatch(new RegExp(`hexad_stage_duration_seconds_count\\{stage="${stage}",op="watch"\\} [1-9]`));
    }
  });

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
