import type { Channel } from '../../libs/rpc';
import { encodePutRequest, encodeWatchRequest, KV_PATHS, WATCH_PATHS } from '../../proto/gen/etcdserverpb';
import { scanWatchMessage, type WatchMessage } from './answers';
import { connectTo } from './fill';
import { VALUE } from './keys';
import { Latencies } from './latencies';
import { Timeline } from './timeline';
import { delay, type LoadResult, type Phases, warmUp } from './load';

export interface WatchLoadOptions {
  readonly ports: readonly number[];
  readonly streams: number;
  readonly watchersPerStream: number;
  /** Puts whose events have not reached all watchers yet; the next one waits for that. */
  readonly putsUnderWay: number;
  /** Puts per second of an open loop; undefined: a closed loop. */
  readonly rate: number | undefined;
  readonly warmUpMs: number;
  readonly measureMs: number;
}

const KEY = Buffer.from('watched!');
const OPEN_MS = 60_000;
const DRAIN_MS = 10_000;

/** A put whose events are on their way. */
interface Put {
  readonly from: number;
  /** Watchers that have not seen it. */
  missing: number;
}

/**
 * Every watcher watches one key. A put carries its number, so each delivery's delay is known, and each put must reach each
 * watcher once. Operations are events; latency is from the put's sending (open loop: from when it was due) to the delivery.
 */
export class WatchLoad {
  private readonly latencies = new Latencies();
  private readonly errors = new Map<string, number>();
  private readonly puts = new Map<number, Put>();
  private readonly timeline = new Timeline();
  private readonly value = Buffer.from(VALUE);
  private readonly channels: Channel[] = [];
  private readonly writer: Channel;
  private readonly watchers: number;
  private events = 0;
  private putsMeasured = 0;
  private nextPut = 0;
  private measuring = false;
  private stopped = false;
  private measuredFrom = Number.POSITIVE_INFINITY;
  private measuredTo = Number.POSITIVE_INFINITY;
  private drained: () => void = () => undefined;

  constructor(private readonly options: WatchLoadOptions) {
    this.watchers = options.streams * options.watchersPerStream;
    this.writer = connectTo(options.ports[0] ?? 0);
  }

  async run(phases: Phases): Promise<LoadResult> {
    const { ports, streams, rate, putsUnderWay, warmUpMs, measureMs } = this.options;
    for (let at = 0; at < streams; at++) await this.openStream(ports[at % ports.length] ?? 0);
    const stopWriting = rate === undefined ? this.startClosed(putsUnderWay) : this.startOpen(rate);
    await warmUp(warmUpMs, phases);
    this.measuring = true;
    this.measuredFrom = performance.now();
    phases.onMeasure();
    await delay(measureMs);
    this.measuring = false;
    this.stopped = true;
    this.measuredTo = performance.now();
    const seconds = (this.measuredTo - this.measuredFrom) / 1_000;
    phases.onDone();
    stopWriting();
    await this.drain();
    for (const channel of [...this.channels, this.writer]) channel.close();
    const { latencies, errors, timeline, events: operations } = this;
    const extra = { 'puts/s': this.putsMeasured / seconds };
    return { operations, seconds, latencies, errors, timeline: timeline.perSecond, extra };
  }

  private async openStream(port: number): Promise<void> {
    const channel = connectTo(port);
    this.channels.push(channel);
    const call = channel.stream(WATCH_PATHS.Watch);
    const message: WatchMessage = { created: false, canceled: false, eventEnds: [] };
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('the watchers were not created in time')), OPEN_MS);
      let missing = this.options.watchersPerStream;
      call.onClose((error) => {
        this.problem(`a watch stream ended: ${error?.message ?? 'OK'}`);
        reject(new Error(`a watch stream ended: ${error?.message ?? 'OK'}`));
      });
      call.onMessage((bytes) => {
        scanWatchMessage(bytes, message);
        for (const end of message.eventEnds) this.deliver(bytes, end);
        if (message.canceled) this.problem('a watcher was canceled');
        if (!message.created || --missing > 0) return;
        clearTimeout(timer);
        resolve();
      });
      const request = encodeWatchRequest({ createRequest: { key: KEY } });
      for (let at = 0; at < this.options.watchersPerStream; at++) call.send(request);
    });
  }

  /** The value is the last field of an event, the put's number its first four bytes. */
  private deliver(bytes: Uint8Array, end: number): void {
    const at = end - VALUE.length;
    const number =
      ((bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24)) >>>
      0;
    const put = this.puts.get(number);
    if (put === undefined) return this.problem('an event came again, or of no put');
    const now = performance.now();
    if (this.measuring) this.events += 1;
    // As of other loads: of an open loop all puts that were due in the measured time, of a closed loop all under way in it.
    const since = this.options.rate === undefined ? now : put.from;
    if (since >= this.measuredFrom && put.from < this.measuredTo) this.latencies.record(now - put.from);
    this.timeline.count(now);
    if (--put.missing === 0) this.reachedAll(number);
  }

  private reachedAll(number: number): void {
    this.puts.delete(number);
    if (this.measuring) this.putsMeasured += 1;
    if (!this.stopped && this.options.rate === undefined) this.put(performance.now());
    else if (this.stopped && this.puts.size === 0) this.drained();
  }

  private put(from: number): void {
    const number = this.nextPut++;
    this.puts.set(number, { from, missing: this.watchers });
    this.value.writeUInt32LE(number, 0);
    this.writer.unary(KV_PATHS.Put, encodePutRequest({ key: KEY, value: this.value }), {}, (result) => {
      if (!result.ok) this.problem(result.error.message);
    });
  }

  private startClosed(putsUnderWay: number): () => void {
    for (let at = 0; at < putsUnderWay; at++) this.put(performance.now());
    return () => undefined;
  }

  private startOpen(rate: number): () => void {
    const from = performance.now();
    let sent = 0;
    const timer = setInterval(() => {
      const due = Math.floor(((performance.now() - from) * rate) / 1_000);
      for (; sent < due; sent++) this.put(from + ((sent + 1) * 1_000) / rate);
    }, 1);
    return () => clearInterval(timer);
  }

  private async drain(): Promise<void> {
    if (this.puts.size > 0) {
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        this.drained = resolve;
        timer = setTimeout(resolve, DRAIN_MS);
      });
      clearTimeout(timer);
    }
    let missing = 0;
    for (const put of this.puts.values()) missing += put.missing;
    if (missing > 0) this.errors.set('events never delivered', missing);
  }

  private problem(text: string): void {
    // Closing the channels at the end ends the streams, and that is no problem.
    if (!this.stopped || this.puts.size > 0) this.errors.set(text, (this.errors.get(text) ?? 0) + 1);
  }
}
