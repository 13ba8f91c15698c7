import {
  encodePutResponse,
  encodeTxnResponse,
  encodeWatchResponse,
  type ResponseHeaderInput,
} from '../../proto/gen/etcdserverpb';
import { modRevisionRead, revisionOf, scanWatchMessage, txnSucceeded, type WatchMessage } from './answers';

const header: ResponseHeaderInput = {
  clusterId: 2n ** 63n + 5n,
  memberId: 2n ** 64n - 1n,
  revision: 300_000,
  raftTerm: 7,
};

test('the revision of an answer is found behind ids of 64 bits', () => {
  expect(revisionOf(encodePutResponse({ header }))).toBe(300_000);
  expect(revisionOf(encodePutResponse({ header: { ...header, revision: 2 ** 40 + 1 } }))).toBe(2 ** 40 + 1);
});

test('an answer without header or revision has none', () => {
  expect(revisionOf(new Uint8Array())).toBeUndefined();
  expect(revisionOf(encodePutResponse({ header: { clusterId: 1n } }))).toBeUndefined();
  expect(revisionOf(Uint8Array.of(0x0a))).toBeUndefined();
  expect(revisionOf(Uint8Array.of(0x0a, 0x05, 0x18, 0x80))).toBeNaN();
});

test('a transaction succeeded only if the answer says so', () => {
  const responses = [{ responsePut: { header: { revision: 1 } } }];
  expect(txnSucceeded(encodeTxnResponse({ header, succeeded: true, responses }))).toBe(true);
  expect(txnSucceeded(encodeTxnResponse({ header, succeeded: false, responses }))).toBe(false);
  expect(txnSucceeded(encodeTxnResponse({ header, succeeded: true }))).toBe(true);
  expect(txnSucceeded(encodeTxnResponse({ header }))).toBe(false);
  expect(txnSucceeded(new Uint8Array())).toBe(false);
});

test('the mod revision that a failure branch read is found', () => {
  const key = Buffer.from('k');
  const read = { responseRange: { kvs: [{ key, modRevision: 42 }], count: 1 } };
  expect(modRevisionRead(encodeTxnResponse({ header, responses: [read] }))).toBe(42);
  expect(modRevisionRead(encodeTxnResponse({ header, responses: [{ responseRange: {} }] }))).toBeUndefined();
});

describe('a watch message', () => {
  const into: WatchMessage = { created: true, canceled: true, eventEnds: [1, 2, 3] };
  const value = Buffer.alloc(256, 'v');

  test('ends each event with its value', () => {
    const values = [1, 2, 3].map((first) => Buffer.concat([Buffer.of(first), value.subarray(1)]));
    const events = values.map((each) => ({
      kv: { key: Buffer.from('watched!'), createRevision: 5, modRevision: 900, version: 77, value: each },
    }));
    const message = encodeWatchResponse({ header, watchId: 12, events });
    scanWatchMessage(message, into);
    expect(into.eventEnds.map((end) => message[end - 256])).toEqual([1, 2, 3]);
    expect([into.created, into.canceled]).toEqual([false, false]);
  });

  test('says that a watcher was created or canceled', () => {
    scanWatchMessage(encodeWatchResponse({ header, watchId: 3, created: true }), into);
    expect(into).toEqual({ created: true, canceled: false, eventEnds: [] });
    scanWatchMessage(encodeWatchResponse({ header, canceled: true, cancelReason: 'no' }), into);
    expect(into).toEqual({ created: false, canceled: true, eventEnds: [] });
  });

  test('that is cut off or garbage ends the scan', () => {
    const message = encodeWatchResponse({ header, watchId: 3, created: true });
    for (let length = 0; length < message.length; length++) scanWatchMessage(message.subarray(0, length), into);
    scanWatchMessage(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff), into);
    expect(into.eventEnds).toEqual([]);
  });
});
