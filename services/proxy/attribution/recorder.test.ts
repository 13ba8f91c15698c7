import { encodeEntryTimings, type EntryTiming } from '../../../libs/attribution';
import { Errors } from '../../../libs/errors';
import type { Metadata } from '../../../libs/rpc';
import { toHostMicros } from '../../../libs/telemetry';
import { encodePutRequest, encodeRangeResponse } from '../../../proto/gen/etcdserverpb';
import { encodeResultBatch } from '../../../proto/gen/hexad';
import type { Breakdown } from './breakdown';
import { HotKeys } from './hot-keys';
import { OpStats } from './op-stats';
import { Recorder } from './recorder';
import { Slowest } from './slowest';
import type { TimedRequest } from './timed-request';

const BASE = Math.round(toHostMicros(1_000));
const connection = {
  id: 1,
  remoteAddress: '10.0.0.9:1',
  encrypted: false,
  clientCommonName: undefined,
  onClose() {},
  reportRequest() {},
};

function setUp(slowMicros = 50_000) {
  const clock = { now: BASE };
  const notable: Breakdown[] = [];
  const slowest = new Slowest();
  const hot = new HotKeys();
  const recorder = new Recorder({
    slowMicros,
    clock: () => clock.now,
    wallClock: () => 7,
    origin: 5,
    memberName: () => 'm1',
    nameOf: (id) => `m${id}`,
    onNotable: (breakdown) => {
      notable.push(breakdown);
      return '';
    },
    isTracing: false,
    slowest,
    hot,
  });
  const request = (op: string, wantsTiming = false): TimedRequest => ({
    call: { receivedAt: 1_000, connection, metadata: [] },
    stats: { path: `/x/${op}`, ops: new OpStats(op) },
    body: encodePutRequest({ key: Buffer.from('app/users/7') }),
    trace: new Uint8Array(0),
    authMicros: 0,
    calledAfterMicros: 0,
    wantsTiming,
    progress: undefined,
  });
  return { clock, notable, slowest, hot, recorder, request };
}

/** Times from BASE; the stations of a put that took 1,000 µs. */
function timing(fields: Partial<EntryTiming> = {}): EntryTiming {
  return {
    first: 10,
    last: 12,
    arrived: BASE + 150,
    appended: BASE + 200,
    synced: BASE + 500,
    committed: BASE + 600,
    delivered: BASE + 650,
    fsync: 250,
    leader: 1n,
    follower: 2n,
    roundTrip: 350,
    followerHeld: 300,
    followerFsync: 260,
    forwardNet: 0,
    leaderStall: 0,
    ...fields,
  };
}

function batch(entry: EntryTiming, { received = 650, applied = 800, wait = 0, shift = 0 } = {}): Uint8Array {
  return encodeResultBatch({
    results: [{ sequence: 1 }],
    deliveries: [{ receivedAt: BASE + received + shift, entries: encodeEntryTimings([entry]) }],
    storeWaitMicros: wait,
    appliedAt: BASE + applied + shift,
  });
}

const PROGRESS = { submittedAt: BASE + 30, handedOverAt: BASE + 100 };
const trailer = (trailers: Metadata | undefined): string =>
  trailers?.find(([name]) => name === 'hexad-timing')?.[1] ?? '';

function durations(text: string): Record<string, number> {
  return Object.fromEntries(
    text.split(', ').map((part) => {
      const [, stage = '', ms = ''] = /^([\w-]+);dur=([\d.]+)$/.exec(part) ?? [];
      return [stage, Math.round(Number(ms) * 1000)];
    }),
  );
}

test("a write's stages are consecutive and add up to its total", () => {
  const { clock, recorder, request } = setUp();
  recorder.resultsBegin(batch(timing(), { wait: 40 }));
  clock.now = BASE + 1_000;
  const trailers = recorder.result(request('put', true), PROGRESS, 11, new Uint8Array(0));
  expect(durations(trailer(trailers))).toEqual({
    edge: 30,
    auth: 0,
    queue: 70,
    propose: 100,
    wal: 300,
    replicate: 100,
    commit: 50,
    apply: 110,
    lmdb: 40,
    respond: 200,
    unattributed: 0,
    total: 1_000,
  });
});

test('times of another host are put between the moments when the request left and came back', () => {
  const { clock, recorder, request } = setUp();
  const shift = 5_000_000_000;
  const entry = timing();
  const moved = {
    delivered: entry.delivered + shift,
    arrived: entry.arrived + shift,
    appended: entry.appended + shift,
    synced: entry.synced + shift,
    committed: entry.committed + shift,
  };
  recorder.resultsBegin(batch({ ...entry, ...moved }, { shift }));
  clock.now = BASE + 1_000;
  const stages = durations(trailer(recorder.result(request('put', true), PROGRESS, 11, new Uint8Array(0))));
  // 900 µs away, 650 of them accounted for there: 125 each way.
  expect(stages).toMatchObject({ propose: 175, wal: 300, replicate: 100, commit: 50, respond: 125, unattributed: 0 });
});

test('what the member does not tell of is unattributed, and counted', () => {
  const { clock, recorder, request } = setUp();
  const put = request('put');
  recorder.resultsBegin(encodeResultBatch({ results: [{ sequence: 1 }] }));
  recorder.result(put, PROGRESS, 11, new Uint8Array(0));
  clock.now = BASE + 1_000;
  recorder.resultsEnd();
  recorder.settle();
  const { ops } = put.stats;
  expect(ops.total.count).toBe(1);
  expect(ops.shareSum).toBeCloseTo(0.9);
  expect(ops.shareQuantile(0.99)).toBe(1);
});

test('a read is divided into the wait for the index, for storage and the reading itself', () => {
  const { recorder, request } = setUp();
  const moments = { confirmedAt: BASE + 300, askedAt: BASE + 310, workMicros: 120, repliedAt: BASE + 500 };
  const trailers = recorder.read(request('range', true), PROGRESS, moments, new Uint8Array(0), BASE + 560);
  expect(durations(trailer(trailers))).toEqual({
    edge: 30,
    auth: 0,
    queue: 70,
    readindex: 210,
    'wait-applied': 70,
    read: 120,
    respond: 60,
    unattributed: 0,
    total: 560,
  });
});

test('a serializable read has no read index, and a reply of another clock no way back of its own', () => {
  const { recorder, request } = setUp();
  const moments = { confirmedAt: 0, askedAt: BASE + 100, workMicros: 120, repliedAt: 17 };
  const trailers = recorder.read(request('range', true), PROGRESS, moments, new Uint8Array(0), BASE + 560);
  expect(durations(trailer(trailers))).toMatchObject({
    queue: 70,
    readindex: 0,
    'wait-applied': 340,
    read: 120,
    respond: 0,
    unattributed: 0,
  });
});

test.each<[string, Partial<EntryTiming>, string, string, RegExp]>([
  [
    'the leader is slow to sync',
    { synced: BASE + 90_200, committed: BASE + 90_300, fsync: 89_000 },
    'wal',
    'raft@m1',
    /waited 90 ms for fsync on m1; its disk's p99 is/,
  ],
  [
    'a follower is slow to sync',
    { committed: BASE + 90_500, roundTrip: 90_300, followerHeld: 90_000, followerFsync: 89_000 },
    'replicate',
    'raft@m2',
    /waited 90 ms for fsync on m2; its disk's p99 is/,
  ],
  [
    'the raft of a follower is busy',
    { committed: BASE + 90_500, roundTrip: 90_300, followerHeld: 90_000, followerFsync: 100 },
    'replicate',
    'raft@m2',
    /for raft on m2/,
  ],
  [
    'the link to a follower is slow',
    { committed: BASE + 90_500, roundTrip: 90_300, followerHeld: 300, followerFsync: 200 },
    'replicate',
    'link m1-m2',
    /the link between m1 and m2/,
  ],
  [
    'the link to the leader is slow',
    { leader: 3n, appended: BASE + 90_200, synced: BASE + 90_400, committed: BASE + 90_500, forwardNet: 89_000 },
    'propose',
    'link m1-m3',
    /on the way to the leader m3/,
  ],
  [
    'the leader takes its time',
    { leader: 3n, appended: BASE + 90_200, synced: BASE + 90_400, committed: BASE + 90_500, forwardNet: 100 },
    'propose',
    'raft@m3',
    /until raft@m3 had taken the proposal/,
  ],
])('when %s the cause names the stage, the place and the reason', (_, fields, stage, process, reason) => {
  const { clock, notable, recorder, request } = setUp();
  const end = (fields.committed ?? 0) - BASE;
  recorder.resultsBegin(
    batch(timing({ ...fields, delivered: BASE + end + 10 }), { received: end + 10, applied: end + 100 }),
  );
  recorder.result(request('put'), PROGRESS, 11, new Uint8Array(0));
  clock.now = BASE + end + 200;
  recorder.resultsEnd();
  recorder.settle();
  expect(notable).toHaveLength(1);
  expect(notable[0]?.cause).toMatchObject({ stage, process });
  expect(notable[0]?.cause.reason).toMatch(reason);
});

test('what is accounted for later counts with the time of its answer', () => {
  const { clock, recorder, request } = setUp();
  const put = request('put');
  recorder.resultsBegin(batch(timing()));
  recorder.result(put, PROGRESS, 11, new Uint8Array(0));
  clock.now = BASE + 1_000;
  recorder.resultsEnd();
  clock.now = BASE + 91_000;
  expect(put.stats.ops.total.count).toBe(0);
  recorder.settle();
  expect(put.stats.ops.total.sumMicros).toBeCloseTo(1_000, 0);
});

test('what is slow is told of at once', () => {
  const { clock, notable, recorder, request } = setUp(500);
  recorder.resultsBegin(batch(timing()));
  recorder.result(request('put'), PROGRESS, 11, new Uint8Array(0));
  clock.now = BASE + 1_000;
  recorder.resultsEnd();
  expect(notable).toMatchObject([{ totalMicros: 1_000, unattributedMicros: 0 }]);
});

test('many answers are accounted for without being asked, each with the stamps of its own batch', () => {
  const { clock, recorder, request } = setUp();
  const put = request('put');
  for (let i = 0; i < 1_000; i++) {
    const fsync = 250 + (i % 2) * 10_000;
    recorder.resultsBegin(batch(timing({ fsync })));
    clock.now = BASE + 1_000;
    recorder.result(put, PROGRESS, 11, new Uint8Array(0));
    recorder.resultsEnd();
  }
  expect(put.stats.ops.total.count).toBeGreaterThan(700);
  recorder.settle();
  expect(put.stats.ops.total.count).toBe(1_000);
  expect(recorder.fsyncs.get('m1')?.count).toBe(1_000);
  expect(recorder.fsyncs.get('m1')?.sumMicros).toBe(1_000 * 5_250);
});

test('a slow range says how many keys it read', () => {
  const { notable, recorder, request } = setUp();
  const response = encodeRangeResponse({ kvs: [{ key: Buffer.from('a') }, { key: Buffer.from('b') }], count: 2 });
  const moments = { confirmedAt: 0, askedAt: BASE + 100, workMicros: 90_000, repliedAt: BASE + 95_000 };
  recorder.read(request('range'), PROGRESS, moments, response, BASE + 95_100);
  recorder.settle();
  expect(notable).toMatchObject([
    { rangeKeys: 2, responseBytes: response.length, cause: { stage: 'read', process: 'storage@m1' } },
  ]);
});

test('a request that is cut off is told of with the stages that are known', () => {
  const { clock, notable, recorder, request } = setUp();
  const put = request('put');
  put.progress = PROGRESS;
  clock.now = BASE + 2_000;
  recorder.ended(put, Errors.TimeoutConnectionLost);
  expect(notable).toMatchObject([
    {
      error: Errors.TimeoutConnectionLost.message,
      unattributedMicros: 1_900,
      stages: [{ stage: 'edge', micros: 30 }, { stage: 'auth' }, { stage: 'queue', micros: 70 }],
    },
  ]);
});

test('the slowest are remembered and found by their ids, the others cost no memory', () => {
  const { clock, slowest, recorder, request } = setUp();
  for (let i = 0; i < 200; i++) {
    clock.now = BASE + 1_000 + i;
    recorder.ended(request('lock'), undefined);
  }
  const found = slowest.slowest(1_000, 0);
  expect(found).toHaveLength(64);
  expect(found.map(({ totalMicros }) => totalMicros)).toEqual(Array.from({ length: 64 }, (_, i) => 1_199 - i));
  expect(slowest.find(found[3]?.id ?? '')).toBe(found[3]);
  expect(slowest.find('nobody')).toBeUndefined();
});

test('what is asked for most is known from samples', () => {
  const { recorder, request, hot } = setUp();
  for (let i = 0; i < 320; i++) recorder.ended(request('put'), undefined);
  expect(hot.hotPrefixes(1)).toEqual([{ name: 'app/users/', count: 320 }]);
  expect(hot.hotClients(1)).toEqual([{ name: '10.0.0.9:1', count: 320 }]);
});
