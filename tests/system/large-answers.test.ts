import { type Channel, connect } from '../../libs/rpc';
import {
  decodeRangeResponse,
  encodeCompactionRequest,
  encodePutRequest,
  encodeRangeRequest,
  encodeTxnRequest,
  KV_PATHS,
} from '../../proto/gen/etcdserverpb';
import { Cluster } from './support/cluster';

jest.setTimeout(90_000);

const KEYS = 700;
const VALUE_BYTES = 100_000;

describe('an answer larger than any message between processes', () => {
  let cluster: Cluster;
  let channel: Channel;
  beforeAll(async () => {
    cluster = await Cluster.start();
    channel = open();
    for (let from = 0; from < KEYS; from += 10) {
      const success = Array.from({ length: 10 }, (_, i) => ({
        requestPut: { key: keyOf(from + i), value: valueOf(from + i) },
      }));
      await ask(channel, KV_PATHS.Txn, encodeTxnRequest({ success }));
    }
  }, 60_000);
  afterAll(async () => {
    channel.close();
    await cluster.destroy();
  });

  const open = (): Channel =>
    connect({ kind: 'tcp', host: '127.0.0.1', port: cluster.member(0).clientPort }, { maxReceiveBytes: 2 ** 31 - 1 });

  function ask(on: Channel, path: string, body: Uint8Array, timeoutMs = 60_000): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      on.unary(path, body, { timeoutMs }, (result) =>
        result.ok ? resolve(result.response) : reject(new Error(result.error.message)),
      );
    });
  }

  test('comes whole, with every key and value, and others are answered meanwhile', async () => {
    let isOver = false;
    const large = ask(channel, KV_PATHS.Range, all()).finally(() => (isOver = true));
    const other = open();
    let answered = 0;
    while (!isOver) {
      await ask(other, KV_PATHS.Range, encodeRangeRequest({ key: keyOf(1) }));
      answered++;
    }
    other.close();
    const response = await large;
    expect(response.length).toBeGreaterThan(64 * 1024 * 1024);
    const { kvs, count, more } = decodeRangeResponse(response);
    expect([kvs.length, Number(count), more]).toEqual([KEYS, KEYS, false]);
    expect(kvs.every((kv, i) => keyOf(i).equals(kv.key) && valueOf(i).equals(kv.value))).toBe(true);
    expect(answered).toBeGreaterThan(2);
  });

  test('is of one revision, whatever is written meanwhile, and with a limit has the count of all', async () => {
    const large = ask(
      channel,
      KV_PATHS.Range,
      encodeRangeRequest({ key: Buffer.from('k'), rangeEnd: Buffer.from('l'), limit: 650 }),
    );
    for (let i = 0; i < 20; i++) {
      const key = Buffer.from(`k-new-${i}`);
      await ask(channel, KV_PATHS.Put, encodePutRequest({ key, value: Buffer.from('x') }));
    }
    const { kvs, count, more, header } = decodeRangeResponse(await large);
    expect([kvs.length, more]).toEqual([650, true]);
    const newer = kvs.filter((kv) => Number(kv.modRevision) > Number(header?.revision));
    expect(newer).toEqual([]);
    expect(Number(count)).toBeGreaterThanOrEqual(KEYS);
  });

  test('breaks off with its client, and the member serves on', async () => {
    for (let i = 0; i < 20; i++) {
      const leaving = open();
      const asked = ask(leaving, KV_PATHS.Range, all(), 30 + 10 * i).then(
        () => 'whole',
        (error: Error) => error.message,
      );
      await asked;
      leaving.close();
    }
    expect(
      decodeRangeResponse(await ask(channel, KV_PATHS.Range, encodeRangeRequest({ key: keyOf(3) }))).kvs,
    ).toHaveLength(1);
  });

  test('of a revision that is compacted is refused as any other', async () => {
    const head = decodeRangeResponse(await ask(channel, KV_PATHS.Range, encodeRangeRequest({ key: keyOf(1) })));
    const revision = Number(head.header?.revision);
    await ask(channel, KV_PATHS.Compact, encodeCompactionRequest({ revision }));
    const old = encodeRangeRequest({ key: Buffer.from('k'), rangeEnd: Buffer.from('l'), revision: revision - 1 });
    await expect(ask(channel, KV_PATHS.Range, old)).rejects.toThrow('required revision has been compacted');
  });
});

function all(): Uint8Array {
  return encodeRangeRequest({ key: Buffer.from('key-'), rangeEnd: Buffer.from('key.') });
}

function keyOf(i: number): Buffer {
  return Buffer.from(`key-${String(i).padStart(5, '0')}`);
}

function valueOf(i: number): Buffer {
  return Buffer.alloc(VALUE_BYTES, String.fromCharCode(97 + (i % 26)));
}
