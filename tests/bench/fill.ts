import { type Channel, connect } from '../../libs/rpc';
import { encodePutRequest, encodeTxnRequest, KV_PATHS } from '../../proto/gen/etcdserverpb';
import { revisionOf } from './answers';
import { keyAt, spread, VALUE } from './keys';

const PUTS_PER_TXN = 100;
const UNDER_WAY = 16;
const OVERWRITES_UNDER_WAY = 500;

export function connectTo(port: number): Channel {
  return connect({ kind: 'tcp', host: '127.0.0.1', port }, { engine: 'native', maxReceiveBytes: 2 ** 31 - 1 });
}

/** Writes the first `count` keys, in transactions of many puts; says the revision at which each key was written. */
export function fill(port: number, count: number, valueBytes = VALUE.length): Promise<Float64Array> {
  const revisions = new Float64Array(count);
  if (count === 0) return Promise.resolve(revisions);
  const channel = connectTo(port);
  const value = Buffer.alloc(valueBytes, 'v');
  let next = 0;
  let running = 0;
  return new Promise((resolve, reject) => {
    const one = (): void => {
      if (next >= count) {
        if (running > 0) return;
        channel.close();
        return resolve(revisions);
      }
      const from = next;
      next = Math.min(count, from + PUTS_PER_TXN);
      const end = next;
      running += 1;
      channel.unary(KV_PATHS.Txn, putAll(from, end, value), {}, (result) => {
        running -= 1;
        if (!result.ok) {
          channel.close();
          return reject(new Error(`filling failed: ${result.error.message}`));
        }
        revisions.fill(revisionOf(result.response) ?? 0, from, end);
        one();
      });
    };
    for (let at = 0; at < UNDER_WAY; at++) one();
  });
}

/** So many puts, each a revision, spread over the keys of all cases. */
export function overwrite(port: number, count: number): Promise<void> {
  const channel = connectTo(port);
  let sent = 0;
  let running = 0;
  return new Promise((resolve, reject) => {
    const one = (): void => {
      if (sent === count) {
        if (running > 0) return;
        channel.close();
        return resolve();
      }
      running += 1;
      const request = encodePutRequest({ key: keyAt(spread(sent++)), value: VALUE });
      channel.unary(KV_PATHS.Put, request, {}, (result) => {
        running -= 1;
        if (result.ok) return one();
        channel.close();
        reject(new Error(`overwriting failed: ${result.error.message}`));
      });
    };
    for (let at = 0; at < OVERWRITES_UNDER_WAY; at++) one();
  });
}

function putAll(from: number, end: number, value: Uint8Array): Uint8Array {
  const success = [];
  for (let at = from; at < end; at++) success.push({ requestPut: { key: keyAt(at), value } });
  return encodeTxnRequest({ success });
}
