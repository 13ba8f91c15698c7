import { closeSync, cpSync, fsyncSync, openSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { decodeRangeResponse, encodePutRequest, encodeRangeRequest, KV_PATHS } from '../../proto/gen/etcdserverpb';
import { connectTo, fill } from './fill';
import { keyAt, VALUE } from './keys';
import { Latencies } from './latencies';
import { median } from './measurement';
import { ServerCluster } from './servers';
import type { StoreRun } from './store-cases';

const ROUNDS = 7;
const UNDER_WAY = 500;
const LAST = Buffer.from('the last entry');

/**
 * Restarts of a member with so many keys whose store has on disk what it had so many log entries ago, in turn with those of one
 * that has no keys. The store goes back by a copy of its files that was made while the member stood still.
 */
export function restartBehindLog(keys: number, entries: number): StoreRun {
  return async (cluster, phases, options) => {
    phases.onMeasure();
    const from = performance.now();
    await fill(cluster.ports[0] ?? 0, keys);
    const seconds = (performance.now() - from) / 1_000;
    phases.onDone();
    const store = join(cluster.dataDir, 'member', cluster.kind === 'etcd' ? 'snap' : 'db');
    const saved = `${cluster.dataDir}-store`;
    const empty = await ServerCluster.start(cluster.kind, options);
    try {
      await cluster.restart(() => cpSync(store, saved, { recursive: true }));
      await put(cluster, entries);
      const behind: number[] = [];
      const none: number[] = [];
      for (let round = 0; round < ROUNDS; round += 1) {
        behind.push(await cluster.restart(() => putBack(saved, store)));
        await expectLast(cluster);
        none.push(await empty.restart());
      }
      const extra = {
        'restart s': median(behind),
        'empty restart s': median(none),
        'restart s longer': median(behind) - median(none),
      };
      return { operations: keys, seconds, latencies: new Latencies(), errors: new Map(), extra };
    } finally {
      await empty.stop();
    }
  };
}

/** The copy is synced, as the store's own files would have been long ago: the start must not wait for its writing. */
function putBack(saved: string, store: string): void {
  rmSync(store, { recursive: true });
  cpSync(saved, store, { recursive: true });
  for (const entry of readdirSync(store, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = openSync(join(entry.parentPath, entry.name), 'r+');
    fsyncSync(file);
    closeSync(file);
  }
}

/** So many puts, each an entry of the log, and one more that tells whether all are there. */
async function put(cluster: ServerCluster, entries: number): Promise<void> {
  const channel = connectTo(cluster.ports[0] ?? 0);
  let next = 0;
  const one = (key: Uint8Array): Promise<void> =>
    new Promise((resolve, reject) => {
      channel.unary(KV_PATHS.Put, encodePutRequest({ key, value: VALUE }), {}, (result) => {
        if (result.ok) resolve();
        else reject(new Error(`a put failed: ${result.error.message}`));
      });
    });
  const some = async (): Promise<void> => {
    while (next < entries) await one(keyAt(next++));
  };
  await Promise.all(Array.from({ length: UNDER_WAY }, some));
  await one(LAST);
  channel.close();
}

function expectLast(cluster: ServerCluster): Promise<void> {
  const channel = connectTo(cluster.ports[0] ?? 0);
  return new Promise((resolve, reject) => {
    channel.unary(KV_PATHS.Range, encodeRangeRequest({ key: LAST }), {}, (result) => {
      channel.close();
      if (result.ok && decodeRangeResponse(result.response).kvs.length === 1) resolve();
      else reject(new Error('the last entry of the log is not there after a restart'));
    });
  });
}
