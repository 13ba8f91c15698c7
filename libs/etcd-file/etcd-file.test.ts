import { type BoltBucket, BoltFile, type BoltRow, planBoltFile, writeBoltFile } from '../bbolt';
import { encodeKeyValue, type KeyValueInput } from '../../proto/gen/mvccpb';
import { encodeLease } from '../../proto/gen/leasepb';
import { roleRow, userRow } from '../state-rows';
import { revisionKey, revisionOf } from './fields';
import { EtcdFile, EtcdFileError, etcdBuckets, type EtcdState, fileStatus } from './index';

const encoder = new TextEncoder();
const text = (value: string): Uint8Array => encoder.encode(value);
const NOTHING = new Uint8Array(0);

function fileOf(buckets: readonly BoltBucket[]): BoltFile {
  const planning = planBoltFile(buckets);
  let step = planning.next();
  while (!step.done) step = planning.next();
  const bytes = new Uint8Array(Buffer.concat([...writeBoltFile(buckets, step.value)]));
  return BoltFile.open({ size: bytes.length, read: (offset, length) => bytes.subarray(offset, offset + length) });
}

function version(main: number, sub: number, key: string, value: string | undefined) {
  const kv: KeyValueInput =
    value === undefined
      ? { key: text(key), modRevision: main }
      : { key: text(key), modRevision: main, createRevision: main, version: 1, value: text(value), lease: -5n };
  return { modRevision: main, sub, isDelete: value === undefined, key: text(key), kv: encodeKeyValue(kv) };
}

const alice = { name: 'alice', passwordHash: text('$2a$10$hash'), noPassword: false, roles: ['reader', 'writer'] };
const robot = { name: 'robot', passwordHash: NOTHING, noPassword: true, roles: [] };
const reader = { name: 'reader', permissions: [{ permType: 0, key: text('a'), rangeEnd: text('b') }] };
const state: EtcdState = {
  versions: () => [
    version(2, 0, 'a', '1'),
    version(3, 0, 'b', '2'),
    version(3, 1, 'c', ''),
    version(4, 0, 'a', undefined),
  ],
  compactRevision: 3,
  compactFinished: 2,
  leases: () => [
    { id: 7n, ttl: 60, remainingTtl: 30 },
    { id: -5n, ttl: 100, remainingTtl: 0 },
  ],
  auth: { enabled: true, revision: 12 },
  users: [alice, robot].map((user): BoltRow => [text(user.name), userRow(user)]),
  roles: [[text('reader'), roleRow(reader)]],
  alarms: [{ memberID: 0xfedc_ba98_7654_3210n, alarm: 1 }],
  members: [
    {
      id: 0xfedc_ba98_7654_3210n,
      name: 'm1',
      peerUrls: ['http://h:2380'],
      clientUrls: ['http://h:2379'],
      isLearner: false,
    },
    { id: 5n, name: '', peerUrls: ['http://i:2380'], clientUrls: [], isLearner: true },
  ],
  removedMembers: [9n],
  applied: { index: 99, term: 4 },
};

function rows(file: BoltFile, bucket: string): Record<string, string> {
  const read = [...file.rows(text(bucket))].map(({ key, value }) => [
    Buffer.from(key).toString('latin1'),
    Buffer.from(value).toString('latin1'),
  ]);
  return Object.fromEntries(read) as Record<string, string>;
}

test('what is written reads back: history, leases, users, roles, alarms and where compaction stands', () => {
  const file = new EtcdFile(fileOf(etcdBuckets(state)));
  file.checkIsEtcd();
  expect([...file.versions()]).toMatchObject([
    { main: 2, sub: 0, isDelete: false, key: text('a'), value: text('1'), lease: -5n, createRevision: 2, version: 1 },
    { main: 3, sub: 0, key: text('b') },
    { main: 3, sub: 1, key: text('c'), value: NOTHING },
    { main: 4, sub: 0, isDelete: true, key: text('a') },
  ]);
  expect([...file.leases()]).toEqual([...state.leases()]);
  expect(file.users()).toEqual([alice, robot]);
  expect(file.roles()).toEqual([reader]);
  expect(file.auth()).toEqual(state.auth);
  expect(file.alarms()).toEqual(state.alarms);
  expect(file.meta()).toEqual({ compactScheduled: 3, compactFinished: 2, storageVersion: '3.6.0' });
});

test('members, their ids and the configuration stand in etcd’s own form', () => {
  const file = fileOf(etcdBuckets(state));
  expect(rows(file, 'members')).toEqual({
    fedcba9876543210:
      '{"id":18364758544493064720,"peerURLs":["http://h:2380"],"name":"m1","clientURLs":["http://h:2379"]}',
    '5': '{"id":5,"peerURLs":["http://i:2380"],"isLearner":true}',
  });
  expect(rows(file, 'members_removed')).toEqual({ '9': 'removed' });
  expect(rows(file, 'meta')).toMatchObject({
    confState: '{"voters":[18364758544493064720],"learners":[5],"auto_leave":false}',
    consistent_index: '\0\0\0\0\0\0\0\x63',
    term: '\0\0\0\0\0\0\0\x04',
    scheduledCompactRev: '\0\0\0\0\0\0\0\x03_\0\0\0\0\0\0\0\0',
  });
  expect([...file.rows(text('key'))].map(({ key }) => key.length)).toEqual([17, 17, 17, 18]);
  expect(fileStatus(file)).toMatchObject({
    revision: 4,
    totalKey: 2,
    version: '3.6.0',
  });
});

test('the status counts live keys, wherever compaction stands', () => {
  const put = (main: number, key: string, version: number, create = main) => ({
    modRevision: main,
    sub: 0,
    isDelete: false,
    key: text(key),
    kv: encodeKeyValue({ key: text(key), modRevision: main, createRevision: create, version, value: text('v') }),
  });
  const gone = (main: number, key: string) => version(main, 0, key, undefined);
  const count = (
    compactRevision: number,
    compactFinished: number,
    versions: ReturnType<EtcdState['versions']>,
  ): number =>
    fileStatus(fileOf(etcdBuckets({ ...state, compactRevision, compactFinished, versions: () => versions }))).totalKey;
  expect(count(-1, -1, [put(2, 'a', 1), put(3, 'a', 2, 2), put(4, 'b', 1), gone(5, 'a'), put(6, 'a', 1)])).toBe(2);
  expect(
    count(5, 5, [put(3, 'a', 7, 2), put(4, 'b', 1), gone(5, 'c'), put(6, 'a', 8, 2), gone(7, 'b'), put(8, 'c', 1)]),
  ).toBe(2);
  expect(count(6, 2, [put(4, 'a', 3, 2), gone(5, 'b'), put(6, 'c', 1), gone(7, 'c')])).toBe(1);
});

test('a store that never compacted says nothing of it', () => {
  const file = new EtcdFile(fileOf(etcdBuckets({ ...state, compactRevision: -1, compactFinished: -1 })));
  expect(file.meta()).toMatchObject({ compactScheduled: 0, compactFinished: 0 });
});

test('revision keys keep the order of revisions up to 2^53 - 1', () => {
  const key = revisionKey(Number.MAX_SAFE_INTEGER, 5, true);
  expect(revisionOf(key, 'it')).toEqual({ main: Number.MAX_SAFE_INTEGER, sub: 5, isDelete: true });
});

describe('what etcd would not write is named', () => {
  const put = (kv: KeyValueInput): Uint8Array =>
    encodeKeyValue({ key: text('k'), createRevision: 2, modRevision: 2, version: 1, ...kv });
  const keyBucket = (key: Uint8Array, value: Uint8Array): BoltBucket => ({
    name: text('key'),
    rows: () => [[key, value]],
  });
  const leaseBucket = (key: Uint8Array, value: Uint8Array): BoltBucket => ({
    name: text('lease'),
    rows: () => [[key, value]],
  });
  const two53 = new Uint8Array(revisionKey(0, 0)).fill(0x20, 1, 2);

  test.each<[string, BoltBucket, string]>([
    ['a key that is no revision', keyBucket(text('k'), put({})), 'is no revision: 6b'],
    ['a revision of 2^53', keyBucket(two53, put({})), 'is 9007199254740992, which is not from 0 to 2^53 - 1'],
    ['a sub-revision of 2^32', keyBucket(revisionKey(2, 2 ** 32), put({})), 'has sub-revision 4294967296'],
    ['revision 1', keyBucket(revisionKey(1, 0), put({})), 'revisions begin at 2'],
    ['bytes that are no key', keyBucket(revisionKey(2, 0), text('no')), "revision 2.0 can't be decoded"],
    ['a key of another revision', keyBucket(revisionKey(3, 0), put({})), 'revision 3.0 holds a key of revision 2'],
    ['a key created later', keyBucket(revisionKey(2, 0), put({ createRevision: 3 })), 'with create revision 3'],
    ['a version of 0', keyBucket(revisionKey(2, 0), put({ version: 0 })), 'and version 0'],
    ['a lease under another id', leaseBucket(new Uint8Array(8), encodeLease({ ID: 5n, TTL: 1 })), 'under another id'],
    ['a lease with a negative TTL', leaseBucket(new Uint8Array(8), encodeLease({ ID: 0n, TTL: -1 })), 'is -1'],
    [
      'a user under another name',
      { name: text('authUsers'), rows: () => [[text('bob'), userRow(alice)]] },
      'user "alice" is stored under another name',
    ],
    [
      'a short auth revision',
      { name: text('auth'), rows: () => [[text('authRevision'), text('1')]] },
      'authRevision has 1 bytes',
    ],
  ])('%s', (_, bucket, message) => {
    const file = new EtcdFile(fileOf([bucket]));
    const readAll = (): void => {
      for (const rowsOf of [file.versions(), file.leases()]) for (const row of rowsOf) expect(row).toBeDefined();
      file.users();
      file.auth();
    };
    expect(readAll).toThrow(EtcdFileError);
    expect(readAll).toThrow(message);
  });

  test('a database of something else', () => {
    expect(() => new EtcdFile(fileOf([{ name: text('other'), rows: () => [] }])).checkIsEtcd()).toThrow(
      'no database of etcd',
    );
  });
});

test('the revision that --bump-revision leaves without a key is a marker', () => {
  const bucket = { name: text('key'), rows: (): BoltRow[] => [[revisionKey(1_000_002, 0), NOTHING]] };
  expect([...new EtcdFile(fileOf([bucket])).versions()]).toEqual([{ main: 1_000_002, sub: 0, isMarker: true }]);
});
