import {
  decodePutRequest,
  decodeRangeRequest,
  decodeTxnRequest,
  encodeTxnResponse,
  KV_PATHS,
} from '../../proto/gen/etcdserverpb';
import { KEYS, keyAt, spread, VALUE } from './keys';
import { compareAndSwap, linearizableRange, mixed, put, range1000, serializableRange } from './requests';

const NONE = new Float64Array(KEYS);
const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('latin1');

test('keys are eight digits and sort as their numbers', () => {
  expect([0, 9, 10, 99_999, 12_345_678].map((number) => keyAt(number).toString())).toEqual([
    '00000000',
    '00000009',
    '00000010',
    '00099999',
    '12345678',
  ]);
});

test('a sequence visits each of the keys once before any comes again', () => {
  expect(new Set(Array.from({ length: KEYS }, (_, at) => spread(at))).size).toBe(KEYS);
});

test('each put writes 256 bytes to the next key', () => {
  const client = put(0, 1, NONE);
  for (const sequence of [0, 1, 77_777]) {
    const { key, value } = decodePutRequest(client.next(sequence));
    expect([text(key), text(value)]).toEqual([keyAt(spread(sequence)).toString(), VALUE.toString()]);
  }
});

test('reads differ in being serializable', () => {
  const [one, other] = [linearizableRange, serializableRange].map((of) => decodeRangeRequest(of(0, 1, NONE).next(5)));
  expect([one?.serializable, other?.serializable]).toEqual([false, true]);
  expect(text(one?.key)).toBe(text(other?.key));
});

test('an answer without the value is a problem', () => {
  expect(linearizableRange(0, 1, NONE).judge(Buffer.alloc(40))).toMatch(/lacks/);
  expect(linearizableRange(0, 1, NONE).judge(Buffer.alloc(300))).toBeUndefined();
  expect(range1000(0, 1, NONE).judge(Buffer.alloc(100_000))).toMatch(/lacks/);
});

test('a range of 1,000 keys stays within those that were written', () => {
  const client = range1000(0, 1, NONE);
  for (let sequence = 0; sequence < 2_000; sequence++) {
    const { key, rangeEnd } = decodeRangeRequest(client.next(sequence));
    expect(Number(text(rangeEnd)) - Number(text(key))).toBe(1_000);
    expect(Number(text(rangeEnd))).toBeLessThanOrEqual(KEYS);
  }
});

test('one in five mixed requests is a put', () => {
  const client = mixed(0, 1, NONE);
  const paths = Array.from({ length: 100 }, (_, at) => {
    client.next(at);
    return client.path;
  });
  expect(paths.filter((path) => path === KV_PATHS.Put)).toHaveLength(20);
  expect(paths.filter((path) => path === KV_PATHS.Range)).toHaveLength(80);
});

describe('compare-and-swap', () => {
  const swapped = (revision: number): Uint8Array => encodeTxnResponse({ header: { revision }, succeeded: true });

  test('compares the mod revision last seen with each length of it, puts, and reads on failure', () => {
    const revisions = new Float64Array(KEYS).fill(5);
    const client = compareAndSwap(0, KEYS, revisions);
    for (const revision of [5, 127, 128, 300_000, 2_097_152]) {
      revisions[0] = revision;
      const { compare, success, failure } = decodeTxnRequest(client.next(0));
      const key = keyAt(0).toString();
      expect(compare.map((c) => [text(c.key), Number(c.modRevision), c.result, c.target])).toEqual([
        [key, revision, 0, 2],
      ]);
      expect(success.map((op) => [text(op.requestPut?.key), op.requestPut?.value.length])).toEqual([[key, 256]]);
      expect(failure.map((op) => text(op.requestRange?.key))).toEqual([key]);
    }
  });

  test('two clients never write the same key', () => {
    const keysOf = (client: number): string[] => {
      const requester = compareAndSwap(client, 4, NONE);
      return Array.from({ length: KEYS / 4 }, () => text(decodeTxnRequest(requester.next(0)).compare[0]?.key));
    };
    const all = [0, 1, 2, 3].flatMap(keysOf);
    expect(new Set(all).size).toBe(KEYS);
  });

  test('the next compare of a key uses the revision of the answer', () => {
    const client = compareAndSwap(0, KEYS, new Float64Array(KEYS).fill(9));
    client.next(0);
    expect(client.judge(swapped(1_234))).toBeUndefined();
    expect(Number(decodeTxnRequest(client.next(1)).compare[0]?.modRevision)).toBe(1_234);
  });

  test('a failed compare is a problem, and the revision that was read is used next', () => {
    const client = compareAndSwap(0, KEYS, new Float64Array(KEYS).fill(9));
    client.next(0);
    const kvs = [{ key: keyAt(0), modRevision: 77 }];
    const answer = encodeTxnResponse({ header: { revision: 99 }, responses: [{ responseRange: { kvs } }] });
    expect(client.judge(answer)).toMatch(/failed/);
    expect(Number(decodeTxnRequest(client.next(1)).compare[0]?.modRevision)).toBe(77);
  });
});
