import type { Channel, ClientStream } from '../../libs/rpc';
import {
  decodeWatchResponse,
  encodePutRequest,
  encodeWatchRequest,
  KV_PATHS,
  WATCH_PATHS,
} from '../../proto/gen/etcdserverpb';
import { revisionOf, scanWatchMessage, type WatchMessage } from './answers';
import { connectTo, fill } from './fill';
import { keyAt, VALUE } from './keys';
import { Latencies } from './latencies';
import { delay, type Phases } from './load';
import { median } from './measurement';
import { anonymousKb } from './proc';
import type { ServerCluster } from './servers';
import { SilentWatchers } from './silent-watchers';

/** What a case on the watch hub alone gives: events, and figures of its own. */
export interface HubResult {
  readonly operations: number;
  readonly seconds: number;
  readonly latencies: Latencies;
  readonly errors: Map<string, number>;
  readonly extra: Record<string, number>;
}

export type HubRun = (cluster: ServerCluster, phases: Phases) => Promise<HubResult>;

const WAIT_MS = 120_000;
const SMALL = Buffer.alloc(8, 'v');

export async function until(what: string, holds: () => boolean): Promise<void> {
  const giveUpAt = performance.now() + WAIT_MS;
  while (!holds()) {
    if (performance.now() > giveUpAt) throw new Error(`waited in vain for ${what}`);
    await delay(5);
  }
}

function hubPid(cluster: ServerCluster): number {
  return cluster.processes().find(({ name }) => name === 'leader watch')?.pid ?? 0;
}

/** The sum of a metric over its labels, as the proxy on this port tells it. */
async function metric(port: number, name: string): Promise<number> {
  const body = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  let sum = 0;
  for (const line of body.split('\n')) if (line.startsWith(name)) sum += Number(line.slice(line.lastIndexOf(' ')));
  return sum;
}

/** One stream of watches; counts what comes. */
class CountingStream {
  readonly stream: ClientStream;
  created = 0;
  events = 0;
  private readonly message: WatchMessage = { created: false, canceled: false, eventEnds: [] };

  constructor(channel: Channel, onProblem: (text: string) => void) {
    this.stream = channel.stream(WATCH_PATHS.Watch);
    this.stream.onMessage((bytes) => {
      scanWatchMessage(bytes, this.message);
      if (this.message.canceled) onProblem(`a watcher was canceled: ${decodeWatchResponse(bytes).cancelReason}`);
      if (this.message.created) this.created += 1;
      this.events += this.message.eventEnds.length;
    });
  }

  watch(key: Uint8Array, rangeEnd?: Uint8Array, startRevision = 0): void {
    this.stream.send(encodeWatchRequest({ createRequest: { key, rangeEnd, startRevision } }));
  }
}

/** Connections, streams and puts of a case, and what went wrong. */
export class HubLoad {
  readonly errors = new Map<string, number>();
  readonly latencies = new Latencies();
  private readonly channels: Channel[] = [];

  readonly problem = (text: string): void => void this.errors.set(text, (this.errors.get(text) ?? 0) + 1);

  connect(port: number): Channel {
    const channel = connectTo(port);
    this.channels.push(channel);
    return channel;
  }

  streams(port: number, count: number, perConnection: number): CountingStream[] {
    let channel = this.connect(port);
    return Array.from({ length: count }, (_, at) => {
      if (at > 0 && at % perConnection === 0) channel = this.connect(port);
      return new CountingStream(channel, this.problem);
    });
  }

  put(channel: Channel, key: Uint8Array, value: Uint8Array): Promise<number> {
    const from = performance.now();
    return new Promise((resolve) => {
      channel.unary(KV_PATHS.Put, encodePutRequest({ key, value }), {}, (result) => {
        if (!result.ok) this.problem(result.error.message);
        this.latencies.record(performance.now() - from);
        resolve(result.ok ? (revisionOf(result.response) ?? 0) : 0);
      });
    });
  }

  end(): void {
    for (const channel of this.channels) channel.close();
  }
}

export const total = (streams: readonly CountingStream[], of: 'created' | 'events'): number =>
  streams.reduce((sum, stream) => sum + stream[of], 0);

/**
 * Watchers of a key each, and what they cost the hub: those beyond the first `apart`, since a process that has begun to work has
 * grown by its heap's young generation too. Each of 1,000 puts must reach the one watcher that wants it.
 */
export function memory(watchers: number, streams: number, apart: number): HubRun {
  return async (cluster, phases) => {
    const [port = 0] = cluster.ports;
    const run = new HubLoad();
    const open = run.streams(port, streams, 100);
    // The first watch makes the hub follow events: not what a watcher costs.
    open[0]?.watch(Buffer.from('first'));
    await until('the first watcher', () => total(open, 'created') === 1);
    let before = 0;
    const key = (at: number): Buffer => Buffer.from(`/registry/pods/namespace/pod-${at}`);
    phases.onMeasure();
    const from = performance.now();
    const perStream = watchers / streams;
    for (let at = 0; at < watchers; at += 1) {
      open[Math.floor(at / perStream)]?.watch(key(at));
      if (at === apart) {
        await until('the first watchers', () => total(open, 'created') === at + 2);
        await delay(3_000);
        before = anonymousKb(hubPid(cluster));
      }
      if (at % 10_000 === 0) await until('watchers to be created', () => total(open, 'created') > at - 20_000);
    }
    await until('all watchers', () => total(open, 'created') === watchers + 1);
    const seconds = (performance.now() - from) / 1_000;
    await delay(3_000);
    const after = anonymousKb(hubPid(cluster));
    const writer = run.connect(port);
    const step = Math.max(1, Math.floor(watchers / 1_000));
    for (let at = 0; at < 1_000; at += 1) await run.put(writer, key((at * step) % watchers), SMALL);
    await until('the events', () => total(open, 'events') === 1_000);
    phases.onDone();
    run.end();
    const extra = { 'hub B/watcher': ((after - before) * 1_024) / (watchers - apart), 'hub MB': after / 1_024 };
    return { operations: watchers, seconds, latencies: run.latencies, errors: run.errors, extra };
  };
}

/** Watchers that start a while back, all at once, find the events in the hub. */
export function cache(watchers: number, revisionsBack: number): HubRun {
  return async (cluster, phases) => {
    const [port = 0] = cluster.ports;
    const run = new HubLoad();
    const [follower] = run.streams(port, 1, 1) as [CountingStream];
    follower.watch(Buffer.from('k'), Buffer.from('l'));
    await until('the first watcher', () => follower.created === 1);
    const writer = run.connect(port);
    let last = 0;
    let sent = 0;
    const one = async (): Promise<void> => {
      while (sent < revisionsBack) last = Math.max(last, await run.put(writer, Buffer.from(`k${sent++}`), SMALL));
    };
    await Promise.all(Array.from({ length: 50 }, one));
    await until('the follower', () => follower.events === revisionsBack);
    await delay(1_500);
    const readsBefore = await metric(port, 'hexad_watch_hub_history_reads_total{');
    const open = run.streams(port, 10, 1);
    phases.onMeasure();
    const from = performance.now();
    const start = last - revisionsBack + 1;
    for (let at = 0; at < watchers; at += 1) open[at % open.length]?.watch(Buffer.from('k'), Buffer.from('l'), start);
    await until('all events', () => total(open, 'events') === watchers * revisionsBack);
    const seconds = (performance.now() - from) / 1_000;
    phases.onDone();
    await delay(1_500);
    const reads = (await metric(port, 'hexad_watch_hub_history_reads_total{')) - readsBefore;
    run.end();
    const extra = { 'storage reads': reads };
    return { operations: watchers * revisionsBack, seconds, latencies: run.latencies, errors: run.errors, extra };
  };
}

interface Round {
  readonly cpuPerPut: number;
  readonly p99: number;
}

/**
 * A watcher that starts far back and many whose clients do not read, against none: what puts cost the other processes, in paired
 * rounds. Then the clients read again and must get everything.
 */
export function stalled(behind: number, silent: number, rounds: number): HubRun {
  return async (cluster, phases) => {
    const [port = 0] = cluster.ports;
    const run = new HubLoad();
    await fillRevisions(run, port, behind);
    await putRound(run, cluster, 2_000);
    phases.onMeasure();
    const from = performance.now();
    const ratios: { cpu: number; p99: number }[] = [];
    let hubMb = 0;
    let operations = 0;
    for (let round = 0; round < rounds; round += 1) {
      const without = await putRound(run, cluster, 3_000);
      const clients = await SilentWatchers.open(port, silent);
      const first = await run.put(run.connect(port), keyAt(0), VALUE);
      // What clients and sockets still take in comes first: the case is about those who take nothing.
      await untilHeldBack(run, cluster, silent + 1);
      const withThem = await putRound(run, cluster, 3_000);
      hubMb = Math.max(hubMb, anonymousKb(hubPid(cluster)) / 1_024);
      ratios.push({ cpu: withThem.cpuPerPut / without.cpuPerPut, p99: withThem.p99 / without.p99 });
      const last = await run.put(run.connect(port), keyAt(0), VALUE);
      await clients.resume();
      const wanted = last - first + 1;
      const haveAll = ([farBack = 0, ...others]: readonly number[]): boolean =>
        others.every((events) => events >= wanted) && farBack >= last - 1;
      const { events, errors } = await clients.until(haveAll, WAIT_MS);
      if (events[0] !== last - 1) run.problem('the watcher from the start has other events than there are');
      for (const [text] of errors) run.problem(text);
      await clients.end();
      operations += events.reduce((sum, one) => sum + one, 0);
    }
    const seconds = (performance.now() - from) / 1_000;
    phases.onDone();
    run.end();
    const extra = {
      'CPU/put with / without': median(ratios.map(({ cpu }) => cpu)),
      'p99 with / without': median(ratios.map(({ p99 }) => p99)),
      'hub MB': hubMb,
    };
    return { operations, seconds, latencies: run.latencies, errors: run.errors, extra };
  };
}

async function untilHeldBack(run: HubLoad, cluster: ServerCluster, watchers: number): Promise<void> {
  const [port = 0] = cluster.ports;
  const giveUpAt = performance.now() + WAIT_MS;
  while ((await metric(port, 'hexad_watch_hub_slow_watchers{')) < watchers) {
    if (performance.now() > giveUpAt) throw new Error('not all watchers are held back');
    await putRound(run, cluster, 1_000);
  }
}

/** Single-key revisions, by as many puts. */
async function fillRevisions(run: HubLoad, port: number, count: number): Promise<void> {
  await fill(port, 1);
  let sent = 1;
  const one = async (channel: Channel): Promise<void> => {
    while (sent < count) await run.put(channel, keyAt(sent++ % 100_000), VALUE);
  };
  await Promise.all(
    Array.from({ length: 20 }, () => run.connect(port)).flatMap((c) => Array.from({ length: 25 }, () => one(c))),
  );
}

/** Puts at 2,000 a second, and what they cost all processes but the hubs. */
async function putRound(run: HubLoad, cluster: ServerCluster, ms: number): Promise<Round> {
  const [port = 0] = cluster.ports;
  const channel = run.connect(port);
  const cpu = (): number =>
    [...cluster.cpu()].reduce((sum, [name, seconds]) => (name.endsWith('watch') ? sum : sum + seconds), 0);
  const latencies = new Latencies();
  const before = cpu();
  const from = performance.now();
  const puts: Promise<void>[] = [];
  while (performance.now() - from < ms) {
    const due = Math.floor((performance.now() - from) * 2);
    while (puts.length < due) {
      const sentAt = performance.now();
      const put = run.put(channel, keyAt(puts.length % 100_000), VALUE);
      puts.push(put.then(() => latencies.record(performance.now() - sentAt)));
    }
    await delay(1);
  }
  await Promise.all(puts);
  channel.close();
  return { cpuPerPut: (cpu() - before) / puts.length, p99: latencies.quantile(0.99) };
}
