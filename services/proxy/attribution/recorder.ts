import {
  type BusyPeriod,
  busyWithin,
  clockShift,
  DurationHistogram,
  Stage,
  STAGE_COUNT,
  type StageName,
  STAGES,
} from '../../../libs/attribution';
import type { RpcError } from '../../../libs/errors';
import type { Metadata } from '../../../libs/rpc';
import { decodeTrace, parseTraceparent, toHostMicros } from '../../../libs/telemetry';
import { readMetadata } from '../auth/call-metadata';
import type { Breakdown, StageTime, WriteDetail } from './breakdown';
import { causeOf, placeOf, timingText } from './breakdown';
import type { HotKeys } from './hot-keys';
import { Looks } from './looks';
import { rangeKeysOf } from './range-keys';
import { readResultStamps, type ResultBatchStamps, type Segment } from './result-stamps';
import type { Slowest } from './slowest';
import type { Progress, TimedRequest } from './timed-request';

const WRITE: readonly number[] = [
  Stage.Edge,
  Stage.Auth,
  Stage.Queue,
  Stage.Propose,
  Stage.Wal,
  Stage.Replicate,
  Stage.Commit,
  Stage.Apply,
  Stage.Lmdb,
  Stage.Respond,
];
const READ: readonly number[] = [
  Stage.Edge,
  Stage.Auth,
  Stage.Queue,
  Stage.ReadIndex,
  Stage.WaitApplied,
  Stage.Read,
  Stage.Respond,
];
const EDGE_AND_QUEUE: readonly number[] = [Stage.Edge, Stage.Auth, Stage.Queue];
const STEPS: readonly number[] = [Stage.Edge, Stage.Auth, Stage.Steps];
/** Requests between two looks at what is asked for. */
const SAMPLE_EVERY = 32;
const NOTABLE_PER_SECOND = 100;
/** So many answers, or bytes of them, are accounted for at once; fewer wait for `settle`. */
const SETTLED_TOGETHER = 64;
const SETTLED_BYTES = 1_048_576;

export interface RecorderOptions {
  /** Slower requests are reported; microseconds, infinity: none. */
  readonly slowMicros: number;
  /** Microseconds of the host's monotonic clock. */
  readonly clock: () => number;
  readonly wallClock: () => number;
  readonly origin: number;
  readonly memberName: () => string;
  readonly nameOf: (id: bigint) => string;
  /** A request was slow or failed, or is traced. Returns the id of its trace; empty: none. */
  readonly onNotable: (breakdown: Breakdown, request: TimedRequest) => string;
  /** Slow and failed requests are exported: every one of them counts. */
  readonly isTracing: boolean;
  readonly slowest: Slowest;
  readonly hot: HotKeys;
}

/** A read as its pipeline knows it; microseconds of the host's clock. */
export interface ReadMoments {
  readonly confirmedAt: number;
  readonly askedAt: number;
  readonly workMicros: number;
  /** When storage sent the reply; 0: it does not tell. */
  readonly repliedAt: number;
  /** What kept storage from answering lately. */
  readonly compaction?: BusyPeriod | undefined;
}

/** What the answer of a request said beside its stages. */
interface Known {
  readonly compaction: number;
  /** Of a write. */
  readonly segment?: Segment;
  readonly index?: number;
}

/** A hexad.ResultBatch whose stamps are read when they are needed. */
interface Results {
  readonly batch: Uint8Array;
  isRead: boolean;
  stamps: ResultBatchStamps | undefined;
  /** How many answers waited before its own. */
  readonly from: number;
  /** When its results had been answered. */
  answeredAt: number;
}

/** An answered request that is not accounted for yet. */
interface Answered {
  readonly request: TimedRequest;
  readonly progress: Progress;
  readonly response: Uint8Array;
  /** Of a write. */
  readonly results: Results | undefined;
  readonly index: number;
  /** Of a read. */
  readonly moments: ReadMoments | undefined;
  readonly now: number;
}

/**
 * Sums up where each request's time went. Only numbers are kept of most requests; a breakdown is made of those that are
 * slow, failed or asked about.
 *
 * What is not asked about at once is accounted for together, when some have come or `settle` is called: done for one
 * request at a time it would stand between its answer and the socket, with nothing of it in the processor's caches.
 */
export class Recorder {
  /** fdatasync by member, as stamps tell. */
  readonly fsyncs = new Map<string, DurationHistogram>();
  private readonly values = new Float64Array(STAGE_COUNT);
  private results: Results | undefined;
  private segmentAt = 0;
  private answered: Answered[] = [];
  private answeredBytes = 0;
  private untilSample = SAMPLE_EVERY;
  private lastId = 0;
  private readonly looks = new Looks(NOTABLE_PER_SECOND);
  private readonly idPrefix: string;

  constructor(private readonly options: RecorderOptions) {
    this.idPrefix = options.origin.toString(36);
  }

  /** A hexad.ResultBatch has come; its results follow, then `resultsEnd`. */
  resultsBegin(batch: Uint8Array): void {
    this.results = { batch, isRead: false, stamps: undefined, from: this.answered.length, answeredAt: 0 };
  }

  /** A write is about to be answered with `response`. Returns the trailers that its client asked for. */
  result(request: TimedRequest, progress: Progress, index: number, response: Uint8Array): Metadata | undefined {
    const { results } = this;
    if (request.wantsTiming) {
      const now = Math.round(this.options.clock());
      return this.write(request, progress, index, response, this.stampsOf(results), now);
    }
    this.later({ request, progress, response, results, index, moments: undefined, now: 0 });
    return undefined;
  }

  resultsEnd(): void {
    const { results } = this;
    if (results === undefined) return;
    results.answeredAt = this.options.clock();
    this.results = undefined;
    this.settleMany(results.answeredAt, results.from);
  }

  /** A read has been answered. Returns the trailers that its client asked for, to be sent with `response`. */
  read(
    request: TimedRequest,
    progress: Progress,
    moments: ReadMoments,
    response: Uint8Array,
    now: number,
  ): Metadata | undefined {
    if (request.wantsTiming) return this.finishRead(request, progress, moments, response, now);
    this.later({ request, progress, response, results: undefined, index: 0, moments, now });
    if (this.results === undefined) this.settleMany(now, this.answered.length - 1);
    return undefined;
  }

  /** Accounts for all that has been answered. */
  settle(): void {
    const { answered } = this;
    if (answered.length === 0) return;
    this.answered = [];
    this.answeredBytes = 0;
    for (let i = 0; i < answered.length; i++) this.account(answered[i] as Answered);
  }

  private later(answered: Answered): void {
    this.answered.push(answered);
    this.answeredBytes += answered.request.body.length + answered.response.length;
  }

  /** Of what is slow the log tells at once. `from`: the first that was answered just now. */
  private settleMany(now: number, from: number): void {
    const { answered, options } = this;
    let isDue = answered.length >= SETTLED_TOGETHER || this.answeredBytes >= SETTLED_BYTES;
    for (let i = from; i < answered.length && !isDue; i++) {
      const { call } = (answered[i] as Answered).request;
      isDue = now - toHostMicros(call.receivedAt) > options.slowMicros;
    }
    if (isDue) this.settle();
  }

  private account({ request, progress, response, results, index, moments, now }: Answered): void {
    if (moments !== undefined) this.finishRead(request, progress, moments, response, now);
    else this.write(request, progress, index, response, this.stampsOf(results), results?.answeredAt ?? now);
  }

  private stampsOf(results: Results | undefined): ResultBatchStamps | undefined {
    if (results === undefined) return undefined;
    if (!results.isRead) {
      results.isRead = true;
      results.stamps = readResultStamps(results.batch);
      for (const { timing } of results.stamps?.segments ?? []) this.noteFsyncs(timing);
    }
    return results.stamps;
  }

  private finishRead(
    request: TimedRequest,
    progress: Progress,
    moments: ReadMoments,
    response: Uint8Array,
    now: number,
  ): Metadata | undefined {
    const { values } = this;
    const { confirmedAt, askedAt, workMicros, repliedAt } = moments;
    const queued = this.beforeHandOver(request, progress, confirmedAt === 0 ? askedAt : progress.handedOverAt);
    const confirmed = confirmedAt === 0 ? queued : Math.max(queued, confirmedAt);
    values[Stage.ReadIndex] = confirmedAt === 0 ? 0 : Math.max(0, askedAt - queued);
    const asked = confirmedAt === 0 ? confirmed : Math.max(confirmed, askedAt);
    // A clock of another host tells nothing: the way back then counts as waiting.
    const replied = repliedAt >= asked && repliedAt <= now + 1000 ? Math.min(repliedAt, now) : now;
    const work = Math.min(workMicros, replied - asked);
    values[Stage.WaitApplied] = Math.max(0, replied - asked - work);
    values[Stage.Read] = work;
    values[Stage.Respond] = now - replied;
    const compaction = busyWithin(moments.compaction, asked, replied);
    return this.finish(request, READ, now, undefined, response, { compaction });
  }

  /** A request has ended that no pipeline answered: refused, failed or cut off, or made of several steps. */
  ended(request: TimedRequest, error: RpcError | undefined): Metadata | undefined {
    const now = this.options.clock();
    const { progress } = request;
    if (progress !== undefined) {
      this.beforeHandOver(request, progress, progress.handedOverAt === 0 ? now : progress.handedOverAt);
      // Where it was after that is not known: no reply tells.
      return this.finish(request, EDGE_AND_QUEUE, now, error, undefined, undefined);
    }
    const { values } = this;
    const total = positive(now - toHostMicros(request.call.receivedAt));
    const rest = positive(total - request.authMicros);
    const edge = request.calledAfterMicros === 0 ? rest : Math.min(rest, request.calledAfterMicros);
    values[Stage.Auth] = Math.min(request.authMicros, total);
    values[Stage.Edge] = edge;
    values[Stage.Steps] = rest - edge;
    return this.finish(request, STEPS, now, error, undefined, undefined);
  }

  p99OfFsync(member: string): number {
    return this.fsyncs.get(member)?.quantile(0.99) ?? 0;
  }

  private write(
    request: TimedRequest,
    progress: Progress,
    index: number,
    response: Uint8Array,
    stamps: ResultBatchStamps | undefined,
    now: number,
  ): Metadata | undefined {
    const { values } = this;
    const handedOver = this.beforeHandOver(request, progress, progress.handedOverAt);
    const segment = stamps === undefined ? undefined : this.segmentOf(stamps, index);
    if (stamps === undefined || segment === undefined) {
      for (let stage = Stage.Propose as number; stage <= Stage.Lmdb; stage++) values[stage] = 0;
      // The answer to a physical compaction comes when its last slice is done, long after its entry's stamps have gone.
      if (request.stats.ops.op === 'compact') values[Stage.Apply] = positive(now - handedOver);
      const applied = stamps?.appliedAt ?? 0;
      values[Stage.Respond] = applied >= handedOver && applied <= now ? now - applied : 0;
      return this.finish(request, WRITE, now, undefined, response, undefined);
    }
    const { timing } = segment;
    const shift = clockShift(timing.arrived, stamps.appliedAt, handedOver, now);
    const appended = timing.appended + shift;
    const applied = stamps.appliedAt + shift;
    const delivered = timing.delivered + shift;
    const committed = timing.committed + shift;
    const waited = Math.min(stamps.storeWait, Math.max(0, applied - delivered));
    values[Stage.Propose] = positive(appended - handedOver);
    values[Stage.Wal] = timing.synced - timing.appended;
    values[Stage.Replicate] = timing.committed - timing.synced;
    values[Stage.Commit] = positive(delivered - committed);
    values[Stage.Apply] = positive(applied - delivered - waited);
    values[Stage.Lmdb] = waited;
    values[Stage.Respond] = positive(now - applied);
    const compaction = busyWithin(stamps.compaction, timing.delivered, stamps.appliedAt);
    return this.finish(request, WRITE, now, undefined, response, { segment, index, compaction });
  }

  /** Fills in the stages up to the moment when the request left this process; returns that moment. */
  private beforeHandOver(request: TimedRequest, progress: Progress, handedOver: number): number {
    const { values } = this;
    const received = toHostMicros(request.call.receivedAt);
    values[Stage.Auth] = request.authMicros;
    values[Stage.Edge] = positive(progress.submittedAt - received - request.authMicros);
    values[Stage.Queue] = positive(handedOver - progress.submittedAt);
    return handedOver;
  }

  /** Results come in the order of the log, so the search goes on from where it found the last. */
  private segmentOf({ segments }: ResultBatchStamps, index: number): Segment | undefined {
    const last = segments[this.segmentAt];
    let i = last !== undefined && index >= last.timing.first ? this.segmentAt : 0;
    for (; i < segments.length; i++) {
      const segment = segments[i] as Segment;
      if (index < segment.timing.first) return undefined;
      if (index > segment.timing.last) continue;
      this.segmentAt = i;
      return segment;
    }
    return undefined;
  }

  private finish(
    request: TimedRequest,
    stages: readonly number[],
    now: number,
    error: RpcError | undefined,
    response: Uint8Array | undefined,
    known: Known | undefined,
  ): Metadata | undefined {
    const { values, options } = this;
    const { ops } = request.stats;
    const received = toHostMicros(request.call.receivedAt);
    const total = positive(now - received);
    let sum = 0;
    for (let i = 0; i < stages.length; i++) {
      const stage = stages[i] as number;
      const micros = values[stage] as number;
      sum += micros;
      ops.observe(stage, micros);
    }
    const unattributed = Math.abs(total - sum); // claimed twice is as wrong as not claimed
    ops.observeTotal(total, unattributed);
    options.hot.noteSize(request);
    if (--this.untilSample === 0) {
      this.untilSample = SAMPLE_EVERY;
      options.hot.sample(request, SAMPLE_EVERY);
    }
    const isNotable = this.isNotable(total, error);
    if (isNotable || request.wantsTiming || total > options.slowest.floorMicros || request.trace.length > 0) {
      let made = this.breakdown(request, stages, now, unattributed, error, response, known);
      if (isNotable || request.trace.length > 0) {
        const traceId = options.onNotable(made, request);
        if (traceId !== made.traceId) made = { ...made, traceId };
      }
      options.slowest.offer(made);
      if (isNotable || request.wantsTiming || made.traceId !== '') options.slowest.keep(made);
      if (made.traceId !== '') ops.exemplar(total, made.traceId, made.at / 1000);
    }
    if (!request.wantsTiming) return undefined;
    return [
      ['hexad-timing', timingText(values, stages, unattributed, total)],
      ['hexad-request-id', this.idOf()],
    ];
  }

  /** Slow or failed; while nobody is sent traces, only so many of a moment. */
  private isNotable(total: number, error: RpcError | undefined): boolean {
    if (total <= this.options.slowMicros && error === undefined) return false;
    if (this.options.isTracing) return true;
    return this.looks.admits(this.options.clock());
  }

  private breakdown(
    request: TimedRequest,
    stages: readonly number[],
    now: number,
    unattributed: number,
    error: RpcError | undefined,
    response: Uint8Array | undefined,
    known: Known | undefined,
  ): Breakdown {
    const { options, values } = this;
    this.lastId++;
    const member = options.memberName();
    const detail = known?.segment === undefined ? undefined : this.detailOf(known.segment, known.index ?? 0);
    const times: StageTime[] = stages.map((stage) => {
      const name = STAGES[stage] as StageName;
      return { stage: name, micros: Math.round(values[stage] as number), process: placeOf(name, member, detail) };
    });
    return {
      id: this.idOf(),
      traceId: traceIdOf(request),
      op: request.stats.ops.op,
      at: options.wallClock() - Math.round((options.clock() - now) / 1000),
      totalMicros: Math.round(positive(now - toHostMicros(request.call.receivedAt))),
      unattributedMicros: Math.round(unattributed),
      stages: times,
      detail,
      error: error?.message ?? '',
      remote: request.call.connection.remoteAddress,
      requestBytes: request.body.length,
      responseBytes: response?.length ?? 0,
      rangeKeys: request.stats.ops.op === 'range' && response !== undefined ? rangeKeysOf(response) : -1,
      member,
      cause: causeOf(times, unattributed, member, detail, (of) => this.p99OfFsync(of), known?.compaction),
    };
  }

  private idOf(): string {
    return `${this.idPrefix}-${this.lastId.toString(36)}`;
  }

  private detailOf({ timing }: Segment, index: number): WriteDetail {
    const { nameOf } = this.options;
    const { fsync, roundTrip, followerHeld, followerFsync, forwardNet } = timing;
    const follower = timing.follower === 0n ? '' : nameOf(timing.follower);
    return {
      fsync,
      leader: nameOf(timing.leader),
      follower,
      roundTrip,
      followerHeld,
      followerFsync,
      forwardNet,
      leaderStall: timing.leaderStall,
      index,
      batch: timing.last - timing.first + 1,
    };
  }

  private noteFsyncs({ leader, fsync, follower, followerFsync }: Segment['timing']): void {
    this.noteFsync(leader, fsync);
    if (follower !== 0n) this.noteFsync(follower, followerFsync);
  }

  private noteFsync(id: bigint, micros: number): void {
    const name = this.options.nameOf(id);
    let histogram = this.fsyncs.get(name);
    if (histogram === undefined) {
      histogram = new DurationHistogram();
      this.fsyncs.set(name, histogram);
    }
    histogram.observe(micros);
  }
}

/** Of the span that this proxy began, else of the caller's context, whether or not we trace. */
function traceIdOf({ trace, call }: TimedRequest): string {
  const own = decodeTrace(trace);
  return own?.traceId ?? parseTraceparent(readMetadata(call.metadata).traceparent)?.traceId ?? '';
}

function positive(value: number): number {
  return value > 0 ? value : 0;
}
