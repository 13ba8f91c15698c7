import {
  decodeRangeResponse,
  decodeRangeStreamResponse,
  encodeRangeRequest,
  KV_PATHS,
} from '../../proto/gen/etcdserverpb';
import { connectTo, fill } from './fill';
import type { HubResult } from './hub-cases';
import { keyAt } from './keys';
import { Latencies } from './latencies';
import { delay, type Phases } from './load';
import { median } from './measurement';
import { ServerCluster, type StartOptions } from './servers';

/** A case about one large store, on either kind of server; `options` start one more like `cluster`. */
export type StoreRun = (cluster: ServerCluster, phases: Phases, options: StartOptions) => Promise<HubResult>;

const RESTARTS = 5;
/** Memory is looked at so often while an answer is under way. */
const SAMPLE_MS = 20;

function result(operations: number, seconds: number, extra: Record<string, number>): HubResult {
  return { operations, seconds, latencies: new Latencies(), errors: new Map(), extra };
}

async function load(cluster: ServerCluster, keys: number): Promise<number> {
  const from = performance.now();
  await fill(cluster.ports[0] ?? 0, keys);
  return (performance.now() - from) / 1_000;
}

/** A member with so many keys is ended and started again, in turn with one that has none. */
export function restart(keys: number): StoreRun {
  return async (cluster, phases, options) => {
    phases.onMeasure();
    const seconds = await load(cluster, keys);
    phases.onDone();
    const empty = await ServerCluster.start(cluster.kind, options);
    try {
      const full: number[] = [];
      const none: number[] = [];
      for (let round = 0; round < RESTARTS; round++) {
        full.push(await cluster.restart());
        none.push(await empty.restart());
      }
      return result(keys, seconds, {
        'restart s': median(full),
        'empty restart s': median(none),
        'restart s longer': median(full) - median(none),
      });
    } finally {
      await empty.stop();
    }
  };
}

/** Anonymous memory of all processes right after so many keys were loaded, and after a restart with them. */
export function memoryOf(keys: number): StoreRun {
  return async (cluster, phases) => {
    phases.onMeasure();
    const seconds = await load(cluster, keys);
    const loaded = cluster.anonymousMb();
    const after = byProcess('loaded', cluster);
    phases.onDone();
    await cluster.restart();
    await readEveryThousandth(cluster, keys);
    const extra = { 'loaded MB': loaded, 'restarted MB': cluster.anonymousMb() };
    return result(keys, seconds, { ...extra, ...after, ...byProcess('restarted', cluster) });
  };
}

function byProcess(when: string, cluster: ServerCluster): Record<string, number> {
  return Object.fromEntries([...cluster.anonymousMbByProcess()].map(([name, mb]) => [`${when} MB, ${name}`, mb]));
}

/** Reads until keys from everywhere have been asked for: what a member that serves holds. */
function readEveryThousandth(cluster: ServerCluster, keys: number): Promise<void> {
  const channel = connectTo(cluster.ports[0] ?? 0);
  let at = 0;
  return new Promise((resolve, reject) => {
    const next = (): void => {
      if (at >= keys) {
        channel.close();
        return resolve();
      }
      channel.unary(KV_PATHS.Range, encodeRangeRequest({ key: keyAt(at) }), {}, (answer) => {
        if (answer.ok) return next();
        channel.close();
        reject(new Error(`a read failed: ${answer.error.message}`));
      });
      at += 1_000;
    };
    next();
  });
}

/** What a list of all keys, without values, takes at its peak beyond what the member had before. */
export function listMemory(keys: number): StoreRun {
  return async (cluster, phases) => {
    await load(cluster, keys);
    await settled(cluster);
    phases.onMeasure();
    const unary = await peakWhile(cluster, () => listUnary(cluster, keys));
    const extra: Record<string, number> = { 'unary list, extra MB': unary.extraMb, 'unary list, s': unary.seconds };
    let { seconds } = unary;
    if (cluster.kind !== 'etcd') {
      await settled(cluster);
      const streamed = await peakWhile(cluster, () => listStreamed(cluster, keys));
      extra['streamed list, extra MB'] = streamed.extraMb;
      extra['streamed list, s'] = streamed.seconds;
      seconds += streamed.seconds;
    }
    phases.onDone();
    return result(keys, seconds, extra);
  };
}

/** Waits until memory has not grown or shrunk by more than a megabyte for a second. */
async function settled(cluster: ServerCluster): Promise<void> {
  let before = Number.NaN;
  for (let now = cluster.anonymousMb(); !(Math.abs(now - before) < 1); now = cluster.anonymousMb()) {
    before = now;
    await delay(1_000);
  }
}

async function peakWhile(
  cluster: ServerCluster,
  run: () => Promise<void>,
): Promise<{ extraMb: number; seconds: number }> {
  const before = cluster.anonymousMb();
  let peak = before;
  const sampler = setInterval(() => {
    peak = Math.max(peak, cluster.anonymousMb());
  }, SAMPLE_MS);
  const from = performance.now();
  try {
    await run();
  } finally {
    clearInterval(sampler);
  }
  return { extraMb: Math.max(peak, cluster.anonymousMb()) - before, seconds: (performance.now() - from) / 1_000 };
}

const everyKey = (): Uint8Array =>
  encodeRangeRequest({ key: Buffer.from('0'), rangeEnd: Buffer.from(':'), keysOnly: true });

function listUnary(cluster: ServerCluster, keys: number): Promise<void> {
  const channel = connectTo(cluster.ports[0] ?? 0);
  return new Promise((resolve, reject) => {
    channel.unary(KV_PATHS.Range, everyKey(), {}, (answer) => {
      channel.close();
      if (!answer.ok) return reject(new Error(`a list failed: ${answer.error.message}`));
      const { kvs } = decodeRangeResponse(answer.response);
      if (kvs.length === keys) resolve();
      else reject(new Error(`a list has ${kvs.length} of ${keys} keys`));
    });
  });
}

function listStreamed(cluster: ServerCluster, keys: number): Promise<void> {
  const channel = connectTo(cluster.ports[0] ?? 0);
  const stream = channel.stream(KV_PATHS.RangeStream);
  let seen = 0;
  return new Promise((resolve, reject) => {
    stream.onMessage((bytes) => {
      seen += decodeRangeStreamResponse(bytes).rangeResponse?.kvs.length ?? 0;
    });
    stream.onClose((error) => {
      channel.close();
      if (error !== undefined) reject(new Error(`a streamed list failed: ${error.message}`));
      else if (seen === keys) resolve();
      else reject(new Error(`a streamed list has ${seen} of ${keys} keys`));
    });
    stream.send(everyKey());
    stream.halfClose();
  });
}
