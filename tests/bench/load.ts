import type { Channel, UnaryResult } from '../../libs/rpc';
import { connectTo } from './fill';
import { Latencies } from './latencies';
import type { Requester, RequesterOf } from './requests';
import { Timeline } from './timeline';

export interface LoadOptions {
  readonly ports: readonly number[];
  readonly clients: number;
  readonly connections: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
  /** Requests per second of an open loop; undefined: a closed loop. */
  readonly rate: number | undefined;
}

/** The caller reads CPU counters when measuring begins and ends. */
export interface Phases {
  /** A second of warm-up is left: the time to start what must be under way when measuring begins. */
  onNearlyWarm?(): void;
  onMeasure(): void;
  onDone(): void;
}

export interface LoadResult {
  /** Answered in the measured time. */
  readonly operations: number;
  readonly seconds: number;
  readonly latencies: Latencies;
  /** Answers that were errors, by text, with warm-up. */
  readonly errors: ReadonlyMap<string, number>;
  /** Answers in each second since the start, with warm-up. */
  readonly timeline: readonly number[];
  /** Figures of this case alone, by name. */
  readonly extra: Readonly<Record<string, number>>;
}

/** What etcd says when it refuses a request that it could not keep up with. */
export const TOO_MANY_REQUESTS = 'etcdserver: too many requests';
/** What the generator says when so many requests are under way that it sends no more. */
export const NOT_SENT = 'not sent: too many requests under way';
/** A refused client of a closed loop tries again after this time; at once it would only heat the processor. */
const REFUSED_PAUSE_MS = 10;
/** An open loop has at most this many requests under way. */
const UNDER_WAY_MAX = 50_000;
/** Requests still unanswered this long after the end count as lost. */
const DRAIN_MS = 10_000;
const NEARLY_MS = 1_000;
const NO_OPTIONS = {};

/** One client: its channel, its request and the moment from which the request under way is timed. */
interface Client {
  channel: Channel;
  readonly requester: Requester;
  readonly onAnswer: (result: UnaryResult) => void;
  from: number;
}

/**
 * Puts load on servers and measures it.
 *
 * Closed loop: each client sends its next request when the last was answered; latency counts from sending. Open loop:
 * requests are due at a fixed rate whatever was answered, and latency counts from the moment a request was due, so that a
 * server that stalls is charged for all it would have kept waiting (no coordinated omission).
 */
export class Load {
  private readonly latencies = new Latencies();
  private readonly refusals = new Latencies();
  /** How late the generator itself sent what was due. */
  private readonly lateness = new Latencies();
  private readonly errors = new Map<string, number>();
  private readonly timeline = new Timeline();
  private readonly channels: readonly Channel[];
  /** Of an open loop: without a request under way. */
  private readonly idle: Client[] = [];
  private clientsMade = 0;
  private sequence = 0;
  private underWay = 0;
  private answered = 0;
  private measuring = false;
  private stopped = false;
  private measuredFrom = Number.POSITIVE_INFINITY;
  private measuredTo = Number.POSITIVE_INFINITY;
  private drained: () => void = () => undefined;

  constructor(
    private readonly options: LoadOptions,
    private readonly requesterOf: RequesterOf,
    private readonly revisions: Float64Array,
  ) {
    const { connections, ports } = options;
    this.channels = Array.from({ length: connections }, (_, at) => connectTo(ports[at % ports.length] ?? 0));
  }

  async run(phases: Phases): Promise<LoadResult> {
    const { rate, clients } = this.options;
    const stopPacing = rate === undefined ? this.startClosed(clients) : this.startOpen(rate);
    await warmUp(this.options.warmUpMs, phases);
    this.measuring = true;
    this.measuredFrom = performance.now();
    phases.onMeasure();
    await delay(this.options.measureMs);
    this.measuring = false;
    this.stopped = true;
    this.measuredTo = performance.now();
    phases.onDone();
    stopPacing();
    await this.drain();
    for (const channel of this.channels) channel.close();
    return this.result();
  }

  private result(): LoadResult {
    const { latencies, errors, timeline, refusals, lateness } = this;
    const seconds = (this.measuredTo - this.measuredFrom) / 1_000;
    const extra: Record<string, number> = {};
    if (refusals.count > 0) {
      extra['refused/s'] = refusals.count / seconds;
      extra['refused after ms, p99'] = refusals.quantile(0.99);
    }
    if (lateness.count > 0) extra['generator late by ms, p99'] = lateness.quantile(0.99);
    return { operations: this.answered, seconds, latencies, errors, timeline: timeline.perSecond, extra };
  }

  private newClient(afterAnswer: (client: Client, refused: boolean) => void, clients: number): Client {
    const at = this.clientsMade++;
    const client: Client = {
      channel: this.channelAt(at),
      requester: this.requesterOf(at, clients, this.revisions),
      from: 0,
      onAnswer: (result) => {
        this.underWay -= 1;
        const refused = this.count(client, result);
        if (!this.stopped) afterAnswer(client, refused);
        else if (this.underWay === 0) this.drained();
      },
    };
    return client;
  }

  private channelAt(at: number): Channel {
    return this.channels[at % this.channels.length] as Channel; // there is at least one
  }

  private send(client: Client, from: number): void {
    client.from = from;
    this.underWay += 1;
    const request = client.requester.next(this.sequence++);
    client.channel.unary(client.requester.path, request, NO_OPTIONS, client.onAnswer);
  }

  /** Whether the request was refused. */
  private count(client: Client, result: UnaryResult): boolean {
    const now = performance.now();
    const problem = result.ok ? client.requester.judge(result.response) : result.error.message;
    if (problem !== undefined) {
      this.countError(problem, now - client.from);
      return problem === TOO_MANY_REQUESTS;
    }
    this.timeline.count(now);
    if (this.measuring) this.answered += 1;
    // However late they are answered: of an open loop all that were due in the measured time, of a closed loop all that
    // were under way in it.
    const since = this.options.rate === undefined ? now : client.from;
    if (since >= this.measuredFrom && client.from < this.measuredTo) this.latencies.record(now - client.from);
    return false;
  }

  private countError(problem: string, ms: number): void {
    this.errors.set(problem, (this.errors.get(problem) ?? 0) + 1);
    if (problem === TOO_MANY_REQUESTS && this.measuring) this.refusals.record(ms);
  }

  private startClosed(clients: number): () => void {
    const again = (client: Client): void => this.send(client, performance.now());
    const afterAnswer = (client: Client, refused: boolean): void => {
      if (refused) setTimeout(() => this.stopped || again(client), REFUSED_PAUSE_MS);
      else again(client);
    };
    for (let at = 0; at < clients; at++) again(this.newClient(afterAnswer, clients));
    return () => undefined;
  }

  private startOpen(rate: number): () => void {
    const from = performance.now();
    let sent = 0;
    const afterAnswer = (client: Client): void => void this.idle.push(client);
    const timer = setInterval(() => {
      const now = performance.now();
      const due = Math.floor(((now - from) * rate) / 1_000);
      for (; sent < due; sent++) {
        const dueAt = from + ((sent + 1) * 1_000) / rate;
        if (this.measuring) this.lateness.record(now - dueAt);
        const client =
          this.idle.pop() ??
          (this.clientsMade < UNDER_WAY_MAX ? this.newClient(afterAnswer, UNDER_WAY_MAX) : undefined);
        if (client === undefined) this.countError(NOT_SENT, 0);
        else {
          client.channel = this.channelAt(sent); // in turn, whichever client was idle
          this.send(client, dueAt);
        }
      }
    }, 1);
    return () => clearInterval(timer);
  }

  private async drain(): Promise<void> {
    if (this.underWay === 0) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.drained = resolve;
      timer = setTimeout(resolve, DRAIN_MS);
    });
    clearTimeout(timer);
    if (this.underWay > 0) this.errors.set('never answered', this.underWay);
  }
}

/** Waits out the warm-up. */
export async function warmUp(ms: number, phases: Phases): Promise<void> {
  await delay(Math.max(0, ms - NEARLY_MS));
  phases.onNearlyWarm?.();
  await delay(Math.min(ms, NEARLY_MS));
}

export function delay(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
