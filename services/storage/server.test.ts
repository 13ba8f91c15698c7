import { Errors } from '../../libs/errors';
import {
  decodeHashKVResponse,
  decodeMemberListResponse,
  decodePutResponse,
  decodeRangeResponse,
  decodeCompactionRequest,
  encodeCompactionRequest,
  encodeDeleteRangeRequest,
  encodeHashKVRequest,
  encodeLeaseGrantRequest,
  encodePutRequest,
  encodeRangeRequest,
} from '../../proto/gen/etcdserverpb';
import {
  ConfChangeType,
  decodeEntry,
  decodeEventBatch,
  decodeFeedBatch,
  decodeStorageStatus,
  encodeEventsRequest,
  encodeFeedRequest,
  encodeHistoryRequest,
  EntryKind,
  type EntryInput,
  type EventBatch,
  type FeedBatch,
  FeedTopic,
  type HistoryRequestInput,
  LogEntryType,
  STORAGE_PATHS,
  StorageMethod,
} from '../../proto/gen/hexad';
import { StorageProcess } from './testing/storage-process';

jest.setTimeout(60_000);

const bytes = (text: string): Uint8Array => Buffer.from(text);
const text = (raw: Uint8Array): string => Buffer.from(raw).toString();
const NONE = new Uint8Array(0);
let storage: StorageProcess;
let sequence = 0;

function put(key: string, value: string): EntryInput {
  const body = encodePutRequest({ key: bytes(key), value: bytes(value) });
  return { origin: storage.origin, sequence: ++sequence, kind: EntryKind.ENTRY_PUT, body };
}

async function begin(quota = 0, compactionRetention = 0): Promise<void> {
  sequence = 0;
  storage = new StorageProcess(42, quota, compactionRetention);
  await storage.raft.start();
  storage.raft.commitConf({ type: ConfChangeType.CONF_ADD_VOTER, nodeId: 0xa1n, peerUrls: ['http://a:2380'] });
  await storage.start();
}

async function range(key: string, requiredIndex: number): Promise<string[]> {
  const payload = encodeRangeRequest({ key: bytes(key), rangeEnd: bytes('\0') });
  const reply = await storage.read(StorageMethod.STORAGE_RANGE, payload, { requiredIndex });
  expect(reply.error).toBe(0);
  return decodeRangeResponse(reply.payload).kvs.map((kv) => `${text(kv.key)}=${text(kv.value)}`);
}

function stream<T>(
  path: string,
  request: Uint8Array,
  decode: (bytes: Uint8Array) => T,
): { got: T[]; ended: () => boolean } {
  const got: T[] = [];
  let ended = false;
  const call = storage.channel.stream(path);
  call.onMessage((message) => got.push(decode(message)));
  call.onClose(() => {
    ended = true;
  });
  call.send(request);
  return { got, ended: () => ended };
}

async function history(request: HistoryRequestInput): Promise<EventBatch[]> {
  const { got, ended } = stream(STORAGE_PATHS.History, encodeHistoryRequest(request), decodeEventBatch);
  await storage.until(ended);
  return got;
}

const shown = (batches: readonly EventBatch[]): string[] =>
  batches.flatMap((batch) =>
    batch.revisions.flatMap(({ revision, events }) =>
      events.map((event) => `${revision}:${event.isDelete ? '-' : '+'}${text(event.key)}`),
    ),
  );

afterEach(() => storage.destroy());

describe('the storage process', () => {
  it('applies what raft delivers, answers the proposer, and publishes its member and the cluster version', async () => {
    await begin();
    await storage.until(() => storage.raft.log.length >= 3);
    storage.raft.commit(put('a', '1'), put('b', '2'));
    await storage.until(() => storage.results.length === 2);
    const responses = storage.results.map((result) => decodePutResponse(result.response).header);
    expect(responses).toEqual([
      { clusterId: 0xc1n, memberId: 0xa1n, revision: 2, raftTerm: 1 },
      { clusterId: 0xc1n, memberId: 0xa1n, revision: 3, raftTerm: 1 },
    ]);
    expect(await range('a', storage.raft.log.length)).toEqual(['a=1', 'b=2']);
    const members = await storage.read(StorageMethod.STORAGE_MEMBER_LIST, NONE);
    expect(decodeMemberListResponse(members.payload).members).toEqual([
      { ID: 0xa1n, name: 'm1', peerURLs: ['http://a:2380'], clientURLs: ['http://127.0.0.1:2379'], isLearner: false },
    ]);
    const status = decodeStorageStatus((await storage.read(StorageMethod.STORAGE_STATUS, NONE)).payload);
    expect(status).toMatchObject({ revision: 3, clusterVersion: '3.7.0', quota: 2 * 1024 ** 3, errors: [] });
    await storage.until(() => storage.raft.acks.at(-1)?.durableIndex === storage.raft.log.length);
  });

  it('lets a read wait for its index and answers it when the entry is applied', async () => {
    await begin();
    await storage.until(() => storage.raft.log.length >= 3);
    const target = storage.raft.log.length + 1;
    const waiting = range('k', target);
    await storage.read(StorageMethod.STORAGE_BARRIER, NONE);
    storage.raft.commit(put('k', 'v'));
    expect(await waiting).toEqual(['k=v']);
  });

  it('says when a term has started, after the results of the entries before', async () => {
    await begin();
    storage.raft.commit(put('a', '1'));
    storage.raft.startTerm();
    await storage.until(() => storage.termsStarted.includes(2));
    expect(storage.results).toHaveLength(1);
  });

  it('sends live events that follow each other without gaps, and the current revision when nothing happens', async () => {
    await begin();
    const { got } = stream(STORAGE_PATHS.Events, encodeEventsRequest({}), decodeEventBatch);
    await storage.until(() => got.length > 0);
    expect(got[0]).toMatchObject({ previousRevision: 1, currentRevision: 1, clusterId: 0xc1n });
    storage.raft.commit(put('a', '1'));
    storage.raft.commit(put('a', '2'), {
      kind: EntryKind.ENTRY_DELETE_RANGE,
      body: encodeDeleteRangeRequest({ key: bytes('a') }),
    });
    await storage.until(() => shown(got).length === 3);
    expect(shown(got)).toEqual(['2:+a', '3:+a', '4:-a']);
    let last = 1;
    for (const batch of got) {
      expect(batch.previousRevision).toBe(last);
      last = batch.revisions.at(-1)?.revision ?? last;
    }
    const replaced = got.flatMap((batch) => batch.revisions).find(({ revision }) => revision === 3)?.events[0];
    expect(replaced?.previousRevision).toBe(2);
    expect(Buffer.from(replaced?.prevKv ?? NONE).includes('1')).toBe(true);
    const heartbeats = (): number => got.filter((batch) => batch.revisions.length === 0).length;
    const before = heartbeats();
    await storage.until(() => heartbeats() > before);
    expect(got.at(-1)?.currentRevision).toBe(4);
  });

  it('serves history in chunks, filtered, and refuses what is compacted', async () => {
    await begin();
    for (let i = 0; i < 50; i++) storage.raft.commit(put(i % 2 === 0 ? 'even' : 'odd', 'x'.repeat(100)));
    await storage.until(() => storage.results.length === 50);
    const all = await history({ fromRevision: 2, bytesMax: 1000 });
    expect(shown(all)).toHaveLength(50);
    expect(all.length).toBeGreaterThan(3);
    const part = await history({ fromRevision: 10, toRevision: 13, key: bytes('even'), prevKv: true });
    expect(shown(part)).toEqual(['10:+even', '12:+even']);
    expect(part[0]?.revisions[0]?.events[0]?.prevKv.length).toBeGreaterThan(100);
    expect(shown(await history({ fromRevision: 99 }))).toEqual([]);
    storage.raft.commit({
      origin: storage.origin,
      sequence: 99,
      kind: EntryKind.ENTRY_COMPACTION,
      body: encodeCompactionRequest({ revision: 20, physical: true }),
    });
    await storage.until(() => storage.results.length === 51);
    const refused = await history({ fromRevision: 19 });
    expect(refused[0]).toMatchObject({ error: Errors.Compacted.id, compactRevision: 20 });
    expect(shown(await history({ fromRevision: 20 }))).toHaveLength(32);
  });

  it('proposes the compaction of what is older than the retention, as long as it is the leader', async () => {
    await begin(0, 200);
    for (let i = 0; i < 10; i++) storage.raft.commit(put('a', String(i)));
    const compactions = (): number[] =>
      storage.raft.log
        .filter(({ type, data }) => type === LogEntryType.LOG_NORMAL && data.length > 0)
        .map(({ data }) => decodeEntry(data))
        .filter(({ kind }) => kind === EntryKind.ENTRY_COMPACTION)
        .map(({ body }) => Number(decodeCompactionRequest(body).revision));
    await storage.until(() => compactions().includes(11));
    const refused = await history({ fromRevision: 3 });
    expect(refused[0]).toMatchObject({ error: Errors.Compacted.id, compactRevision: 11 });
    expect(compactions().filter((revision) => revision === 11)).toHaveLength(1);
  });

  it('feeds leases, auth and members: a full copy, then each change', async () => {
    await begin();
    const grant = (ID: bigint): EntryInput => ({
      kind: EntryKind.ENTRY_LEASE_GRANT,
      body: encodeLeaseGrantRequest({ ID, TTL: 60 }),
    });
    storage.raft.commit(grant(1n));
    await storage.until(() => storage.raft.log.length >= 4);
    await storage.read(StorageMethod.STORAGE_BARRIER, NONE, { requiredIndex: storage.raft.log.length });
    const topics = [FeedTopic.FEED_LEASES, FeedTopic.FEED_AUTH, FeedTopic.FEED_CLUSTER];
    const { got } = stream(STORAGE_PATHS.Feed, encodeFeedRequest({ topics }), decodeFeedBatch);
    await storage.until(() => got.some((batch) => batch.snapshotEnd));
    const copy = got.filter((batch) => batch.snapshot);
    const merged = (pick: (batch: FeedBatch) => readonly unknown[]): unknown[] => copy.flatMap(pick);
    expect(merged((batch) => batch.leases)).toMatchObject([{ id: 1n, ttl: 60 }]);
    expect(merged((batch) => batch.members)).toMatchObject([{ id: 0xa1n, name: 'm1' }]);
    expect(copy.at(-1)).toMatchObject({ auth: { enabled: false, revision: 1 }, clusterVersion: '3.7.0' });
    storage.raft.commit(grant(2n));
    storage.raft.startTerm();
    await storage.until(() => got.at(-1)?.appliedTerm === 2);
    const changes = got.filter((batch) => !batch.snapshot);
    expect(changes.flatMap((batch) => batch.leases).map((lease) => lease.id)).toEqual([2n]);
  });

  it('comes back after kill -9 with the same state, and re-applies what was not durable with the same answers', async () => {
    await begin();
    await storage.until(() => storage.raft.log.length >= 3);
    for (let i = 0; i < 200; i++) storage.raft.commit(put(`k${i % 10}`, `v${i}`));
    await storage.until(() => storage.results.length === 200);
    const before = new Map(
      storage.results.map((result) => [result.sequence, Buffer.from(result.response).toString('hex')]),
    );
    const keys = await range('k', 0);
    const hash = async (): Promise<number> => {
      const reply = await storage.read(StorageMethod.STORAGE_HASH_KV, encodeHashKVRequest({}));
      return decodeHashKVResponse(reply.payload).hash;
    };
    const hashBefore = await hash();
    // Some of it, so that the store knows whose it is.
    await storage.until(() => storage.raft.acks.some(({ durableIndex }) => durableIndex > 0));
    await storage.raft.stop();
    await storage.kill();
    storage.results.length = 0;
    storage.raft.commit(put('after', 'restart'));
    await storage.start();
    // Only now, so that the results of what is applied again find their subscriber.
    await storage.raft.start();
    await storage.until(() => storage.results.some((result) => result.sequence === 201));
    for (const { sequence: number, response } of storage.results) {
      if (number <= 200) expect(Buffer.from(response).toString('hex')).toBe(before.get(number));
    }
    expect(storage.raft.hellos.at(-1)).toMatchObject({ clusterId: 0xc1n, memberId: 0xa1n });
    expect((await range('k', 0)).filter((each) => each.startsWith('k'))).toEqual(keys);
    expect(await hash()).not.toBe(hashBefore);
  });

  it('keeps everything over a stop in order: nothing has to be applied again', async () => {
    await begin();
    storage.raft.commit(put('a', '1'));
    await storage.until(() => storage.results.length === 1);
    expect(await storage.kill('SIGTERM')).toBe(0);
    await storage.start();
    const last = storage.raft.hellos.at(-1);
    expect([last?.appliedIndex, last?.durableIndex]).toEqual([storage.raft.log.length, storage.raft.log.length]);
  });

  it('serves nothing before it has applied what raft had committed when they met', async () => {
    sequence = 0;
    storage = new StorageProcess();
    await storage.start();
    let answered = false;
    const early = range('a', 0).then((keys) => {
      answered = true;
      return keys;
    });
    await storage.until(() => storage.reads.pendingCalls === 1);
    expect(answered).toBe(false);
    storage.raft.acceptProposals = false;
    storage.raft.commit(put('a', '1'));
    await storage.raft.start();
    expect(await early).toEqual(['a=1']);
  });

  it('goes on after raft alone was restarted', async () => {
    await begin();
    storage.raft.commit(put('a', '1'));
    await storage.until(() => storage.results.length === 1);
    await storage.raft.stop();
    storage.raft.commit(put('b', '2'));
    await storage.raft.start();
    await storage.until(() => storage.results.length === 2);
    expect(await range('a', 0)).toEqual(['a=1', 'b=2']);
  });

  it('raises the alarm through the log when space runs out', async () => {
    await begin(1_000_000);
    for (let i = 0; i < 12; i++) storage.raft.commit(put(`k${i}`, 'x'.repeat(100_000)));
    await storage.until(() => storage.results.length === 12);
    const alarmed = async (): Promise<string[]> =>
      decodeStorageStatus((await storage.read(StorageMethod.STORAGE_STATUS, NONE)).payload).errors;
    let errors = await alarmed();
    for (let tries = 0; errors.length === 0 && tries < 100; tries++) errors = await alarmed();
    expect(errors).toEqual(['memberID:161 alarm:NOSPACE']);
    storage.raft.commit(put('one', 'more'));
    await storage.until(() => storage.results.length === 13);
    expect(storage.results.at(-1)?.error).toBe(Errors.NoSpace.id);
  });
});
