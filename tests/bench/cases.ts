import { connect } from '../../libs/rpc';
import { encodePutRequest, encodeRangeRequest, encodeTxnRequest, KV_PATHS } from '../../proto/gen/etcdserverpb';
import type { Operation } from './load';

/** Keys of the closed-loop cases: 8 bytes, this many distinct. */
export const KEYS = 100_000;
const VALUE = Buffer.alloc(256, 'v');

/** What must hold against etcd in the same run; ratios are Hexad / etcd. */
export interface Target {
  /** Throughput: at least. */
  readonly throughput?: number;
  /** p50: at most. */
  readonly p50?: number;
  /** CPU per operation in µs: at most, absolute. */
  readonly cpuMicros?: number;
  /** p99 at most that of etcd, unless said otherwise. */
  readonly p99?: number;
}

export interface LoadCase {
  readonly kind: 'load';
  readonly name: string;
  readonly members: number;
  readonly clients: number;
  readonly connections: number;
  readonly keysBefore: number;
  readonly operation: () => Operation;
  readonly target: Target;
}

export interface WatchCase {
  readonly kind: 'watch';
  readonly name: string;
  readonly members: number;
  readonly streams: number;
  readonly watchersPerStream: number;
  /** Puts per second; 0: as fast as they are answered, from 10 clients. */
  readonly rate: number;
  readonly target: Target;
}

export type BenchCase = LoadCase | WatchCase;

function keyAt(number: number): Buffer {
  const key = Buffer.alloc(8, '0');
  key.write(number.toString(36).padStart(8, '0'), 'latin1');
  return key;
}

/** Spreads a sequence over the keys without order: 61 is coprime to the number of keys. */
function spread(sequence: number): number {
  return (sequence * 61_001) % KEYS;
}

const put = (): Operation => (sequence) => ({
  path: KV_PATHS.Put,
  request: encodePutRequest({ key: keyAt(spread(sequence)), value: VALUE }),
});

const range =
  (serializable: boolean): (() => Operation) =>
  () =>
  (sequence) => ({ path: KV_PATHS.Range, request: encodeRangeRequest({ key: keyAt(spread(sequence)), serializable }) });

const range1000 = (): Operation => (sequence) => {
  const from = spread(sequence) % (KEYS - 1_000);
  return { path: KV_PATHS.Range, request: encodeRangeRequest({ key: keyAt(from), rangeEnd: keyAt(from + 1_000) }) };
};

/** Succeeds or not, both branches cost a quorum or a compare: create if absent, else put. */
const compareAndSwap = (): Operation => (sequence) => {
  const key = keyAt(spread(sequence));
  const request = encodeTxnRequest({
    compare: [{ result: 1, target: 2, key, modRevision: 0 }],
    success: [{ requestPut: { key, value: VALUE } }],
    failure: [{ requestRange: { key } }],
  });
  return { path: KV_PATHS.Txn, request };
};

/** 80 % linearizable reads, 20 % puts. */
const mixed = (): Operation => {
  const read = range(false)();
  const write = put();
  return (sequence) => (sequence % 5 === 0 ? write(sequence) : read(sequence));
};

function load(
  name: string,
  members: number,
  clients: number,
  operation: () => Operation,
  target: Target,
  keysBefore = 0,
): LoadCase {
  return { kind: 'load', name, members, clients, connections: Math.min(100, clients), keysBefore, operation, target };
}

export const CASES: readonly BenchCase[] = [
  load('put-1000-3', 3, 1_000, put, { throughput: 1.5, p99: 1, cpuMicros: 75 }),
  load('put-1000-1', 1, 1_000, put, { throughput: 1.5, p99: 1 }),
  load('put-1-3', 3, 1, put, { p50: 1, p99: 1 }),
  load('put-1-1', 1, 1, put, { p50: 1.2, p99: 1 }),
  load('range-linearizable-1000-3', 3, 1_000, range(false), { throughput: 3, p99: 1 }, KEYS),
  load('range-serializable-1000-3', 3, 1_000, range(true), { throughput: 3, p99: 1 }, KEYS),
  load('range-linearizable-1-3', 3, 1, range(false), {}, KEYS),
  load('range-serializable-1-3', 3, 1, range(true), {}, KEYS),
  load('range-1000-keys-3', 3, 10, range1000, {}, KEYS),
  load('txn-cas-1000-3', 3, 1_000, compareAndSwap, { throughput: 2, p99: 1 }, KEYS),
  load('mixed-1000-3', 3, 1_000, mixed, {}, KEYS),
  load('put-16000-3', 3, 16_000, put, {}),
  {
    kind: 'watch',
    name: 'watch-1000-3',
    members: 3,
    streams: 10,
    watchersPerStream: 100,
    rate: 0,
    target: { throughput: 1.5 },
  },
  { kind: 'watch', name: 'watch-10000-3', members: 3, streams: 10, watchersPerStream: 1_000, rate: 50, target: {} },
];

/** Fills the store with `count` keys through one connection, many puts under way. */
export function fill(port: number, count: number): Promise<void> {
  if (count === 0) return Promise.resolve();
  const channel = connect({ kind: 'tcp', host: '127.0.0.1', port }, { engine: 'native' });
  let next = 0;
  let done = 0;
  return new Promise((resolve, reject) => {
    const one = (): void => {
      if (next >= count) return;
      channel.unary(KV_PATHS.Put, encodePutRequest({ key: keyAt(next++), value: VALUE }), {}, (result) => {
        if (!result.ok) return reject(new Error(`filling failed: ${result.error.message}`));
        done += 1;
        if (done < count) return one();
        channel.close();
        resolve();
      });
    };
    for (let at = 0; at < 200; at++) one();
  });
}
