import { type Channel, connect } from '../../libs/rpc';
import { Latencies } from './latencies';

/** One request of a case: the path and the bytes. `sequence` counts requests of the whole run. */
export type Operation = (sequence: number) => { readonly path: string; readonly request: Uint8Array };

export interface LoadOptions {
  readonly ports: readonly number[];
  readonly clients: number;
  readonly connections: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
  /** Requests per second of an open loop; absent: a closed loop. */
  readonly rate?: number;
}

export interface LoadResult {
  readonly operations: number;
  readonly seconds: number;
  readonly latencies: Latencies;
  readonly errors: ReadonlyMap<string, number>;
}

export function openChannels(ports: readonly number[], connections: number): Channel[] {
  return Array.from({ length: connections }, (_, at) =>
    connect({ kind: 'tcp', host: '127.0.0.1', port: ports[at % ports.length] ?? 0 }, { engine: 'native' }),
  );
}

/** Calls `onMeasure` when the warm-up is over and `onDone` when measuring is: the caller reads CPU counters there. */
export function runLoad(
  options: LoadOptions,
  operation: Operation,
  onMeasure: () => void,
  onDone: () => void,
): Promise<LoadResult> {
  const channels = openChannels(options.ports, options.connections);
  const latencies = new Latencies();
  const errors = new Map<string, number>();
  let sequence = 0;
  let measuring = false;
  let stopped = false;
  let running = 0;
  let measuredFrom = 0;

  return new Promise((resolve) => {
    const finish = (): void => {
      for (const channel of channels) channel.close();
      resolve({ operations: latencies.count, seconds: (measuredTo - measuredFrom) / 1_000, latencies, errors });
    };
    let measuredTo = 0;
    const issue = (channel: Channel, dueAt: number, next: () => void): void => {
      const { path, request } = operation(sequence++);
      running += 1;
      channel.unary(path, request, {}, (result) => {
        running -= 1;
        if (!result.ok) errors.set(result.error.message, (errors.get(result.error.message) ?? 0) + 1);
        else if (measuring) latencies.record(performance.now() - dueAt);
        if (!stopped) next();
        else if (running === 0) finish();
      });
    };
    const closedLoop = (channel: Channel): void => issue(channel, performance.now(), () => closedLoop(channel));
    const stopPacing =
      options.rate === undefined
        ? startClosed(channels, options.clients, closedLoop)
        : startOpen(channels, options.rate, issue);
    setTimeout(() => {
      measuring = true;
      measuredFrom = performance.now();
      onMeasure();
      setTimeout(() => {
        measuring = false;
        stopped = true;
        measuredTo = performance.now();
        stopPacing();
        onDone();
        if (running === 0) finish();
      }, options.measureMs);
    }, options.warmUpMs);
  });
}

function startClosed(channels: readonly Channel[], clients: number, loop: (channel: Channel) => void): () => void {
  for (let at = 0; at < clients; at++) loop(channels[at % channels.length] as Channel); // there is at least one channel
  return () => undefined;
}

/** Issues requests when they are due, whatever has been answered; latency counts from the due time. */
function startOpen(
  channels: readonly Channel[],
  rate: number,
  issue: (channel: Channel, dueAt: number, next: () => void) => void,
): () => void {
  const from = performance.now();
  let issued = 0;
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - from) * rate) / 1_000);
    for (; issued < due; issued++) {
      issue(channels[issued % channels.length] as Channel, from + (issued * 1_000) / rate, () => undefined);
    }
  }, 1);
  return () => clearInterval(timer);
}
