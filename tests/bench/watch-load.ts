import { connect, type Channel } from '../../libs/rpc';
import {
  decodeWatchResponse,
  encodePutRequest,
  encodeWatchRequest,
  KV_PATHS,
  WATCH_PATHS,
} from '../../proto/gen/etcdserverpb';
import type { WatchCase } from './cases';
import { Latencies } from './latencies';
import type { LoadResult } from './load';

const KEY = Buffer.from('watched!');
const SENT_AT_BYTES = 8;

/**
 * Every watcher watches one key; each put carries the time it was sent, so that each delivery's delay is known. Events
 * are counted per watcher; throughput is events per second.
 */
export async function runWatchLoad(
  ports: readonly number[],
  bench: WatchCase,
  warmUpMs: number,
  measureMs: number,
  onMeasure: () => void,
  onDone: () => void,
): Promise<LoadResult> {
  const latencies = new Latencies();
  let measuring = false;
  const channels = await openWatchers(ports, bench, (sentAt, events) => {
    if (measuring) for (let at = 0; at < events; at++) latencies.record(performance.now() - sentAt);
  });
  const writer = connect({ kind: 'tcp', host: '127.0.0.1', port: ports[0] ?? 0 }, { engine: 'native' });
  const errors = new Map<string, number>();
  const stopWriting = startWriting(writer, bench.rate, errors);
  await delay(warmUpMs);
  measuring = true;
  const from = performance.now();
  onMeasure();
  await delay(measureMs);
  measuring = false;
  const seconds = (performance.now() - from) / 1_000;
  onDone();
  stopWriting();
  for (const channel of [...channels, writer]) channel.close();
  return { operations: latencies.count, seconds, latencies, errors };
}

async function openWatchers(
  ports: readonly number[],
  bench: WatchCase,
  onEvents: (sentAt: number, events: number) => void,
): Promise<Channel[]> {
  const channels: Channel[] = [];
  for (let stream = 0; stream < bench.streams; stream++) {
    const channel = connect(
      { kind: 'tcp', host: '127.0.0.1', port: ports[stream % ports.length] ?? 0 },
      { engine: 'native' },
    );
    channels.push(channel);
    await new Promise<void>((resolve, reject) => {
      let created = 0;
      const call = channel.stream(WATCH_PATHS.Watch);
      call.onClose((error) => reject(new Error(`a watch stream ended: ${error?.message ?? 'OK'}`)));
      call.onMessage((bytes) => {
        const { created: isCreated, events } = decodeWatchResponse(bytes);
        if (isCreated && ++created === bench.watchersPerStream) resolve();
        const value = events[0]?.kv?.value;
        if (value !== undefined) onEvents(Buffer.from(value).readDoubleLE(0), events.length);
      });
      for (let at = 0; at < bench.watchersPerStream; at++)
        call.send(encodeWatchRequest({ createRequest: { key: KEY } }));
    });
  }
  return channels;
}

function startWriting(writer: Channel, rate: number, errors: Map<string, number>): () => void {
  let stopped = false;
  const put = (next: () => void): void => {
    const value = Buffer.alloc(256, 'v');
    value.writeDoubleLE(performance.now(), 0);
    value.fill('v', SENT_AT_BYTES);
    writer.unary(KV_PATHS.Put, encodePutRequest({ key: KEY, value }), {}, (result) => {
      if (!result.ok && !stopped) errors.set(result.error.message, (errors.get(result.error.message) ?? 0) + 1);
      if (!stopped) next();
    });
  };
  if (rate > 0) {
    const timer = setInterval(() => put(() => undefined), 1_000 / rate);
    return () => {
      stopped = true;
      clearInterval(timer);
    };
  }
  const loop = (): void => put(loop);
  for (let at = 0; at < 10; at++) loop();
  return () => {
    stopped = true;
  };
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
