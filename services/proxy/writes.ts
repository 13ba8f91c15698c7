import { Errors, errorById, type RpcError, UNCATALOGUED_ID } from '../../libs/errors';
import { BATCH_BYTES_SOFT_MAX, PROPOSALS_IN_FLIGHT_BYTES_MAX } from '../../libs/limits';
import { decodeProposeReplyBatch } from '../../proto/gen/hexad';
import { toHostMicros } from '../../libs/telemetry';
import { type Answer, noBytes } from './answer';
import type { Recorder } from './attribution/recorder';
import type { Progress } from './attribution/timed-request';
import type { Identity } from './identity';
import { Limits } from './limits';
import {
  CONF_CHANGE,
  type EncodableProposal,
  ProposalEncoder,
  readResultBatch,
  type ResultSink,
} from './proposal-codec';

/** One batch's way to raft. */
interface HandOver {
  /** Term known then. */
  readonly term: number;
  /** Microseconds of the host's clock. */
  readonly at: number;
}

class PendingWrite implements EncodableProposal, Progress {
  /** Undefined while it waits for a link. */
  handOver: HandOver | undefined = undefined;
  readonly trace: Uint8Array;

  constructor(
    readonly sequence: number,
    readonly answer: Answer,
    readonly kind: number,
    readonly user: Uint8Array,
    readonly authRevision: number,
    readonly body: Uint8Array,
    readonly deadline: number,
    private readonly timeoutMs: number,
    readonly format: number,
  ) {
    this.trace = answer.trace ?? noBytes;
    if (answer.timed !== undefined) answer.timed.progress = this;
  }

  get submittedAt(): number {
    return toHostMicros(this.deadline - this.timeoutMs);
  }

  get handedOverAt(): number {
    return this.handOver?.at ?? 0;
  }
}

export interface WritePipelineOptions {
  /** Random nonce of this process, below 2^52. */
  readonly origin: number;
  readonly maxRequestBytes: number;
  readonly timeoutMs: number;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  /** Runs the callback once what has arrived by now has been read: `setImmediate`. */
  readonly afterArrivals: (callback: () => void) => void;
  /** The raft term as this process knows it. */
  readonly term: () => number;
  /** Undefined: no stage stamps. */
  readonly recorder?: Pick<Recorder, 'resultsBegin' | 'result' | 'resultsEnd'> | undefined;
  /** The format of entries that all members understand; default: the first. */
  readonly entryFormat?: () => number;
  readonly pendingMax?: number;
  readonly pendingBytesMax?: number;
}

export interface WriteCounters {
  proposed: number;
  batches: number;
  failed: number;
}

/**
 * The proposal pipeline: what arrives until `setImmediate` leaves as one ProposeBatch; results come back from storage by
 * sequence. Every proposal is sent at most once. It is sent only while both links are up, since a result can't reach us
 * before storage knows us; until then it waits, and its timeout then says "request timed out" about a request that was
 * certainly not proposed.
 */
export class WritePipeline implements ResultSink {
  readonly counters: WriteCounters = { proposed: 0, batches: 0, failed: 0 };
  /** Highest applied index that storage has told on the results stream. */
  appliedIndex = 0;
  /** Log index of the entry whose result is being delivered: of use inside `Answer.reply` only. */
  resultIndex = 0;
  /** The last response of a write, for its header. */
  lastResponse: Uint8Array | undefined;

  private readonly encoder: ProposalEncoder;
  private readonly entryFormat: () => number;
  /** By sequence, hence in order of arrival and of deadline. */
  private readonly pending = new Map<number, PendingWrite>();
  private queue: PendingWrite[] = [];
  private pendingBytes = 0;
  private lastSequence = 0;
  private flushScheduled = false;
  private sendBatch: ((batch: Uint8Array) => void) | undefined;
  private resultsUp = false;
  private readonly pendingMax: number;
  private readonly pendingBytesMax: number;

  constructor(private readonly options: WritePipelineOptions) {
    this.encoder = new ProposalEncoder(options.origin);
    this.entryFormat = options.entryFormat ?? (() => 0);
    this.pendingMax = options.pendingMax ?? Limits.pendingWritesMax;
    this.pendingBytesMax = options.pendingBytesMax ?? PROPOSALS_IN_FLIGHT_BYTES_MAX;
  }

  get origin(): number {
    return this.options.origin;
  }

  get size(): number {
    return this.pending.size;
  }

  /** Proposes `body` as an entry of `kind` (a hexad.EntryKind). The body must not change until it is answered. */
  submit(kind: number, body: Uint8Array, identity: Identity, answer: Answer): void {
    const sequence = ++this.lastSequence;
    const { now, timeoutMs } = this.options;
    const { userBytes, authRevision } = identity;
    const deadline = now() + timeoutMs;
    const format = this.entryFormat();
    this.admit(new PendingWrite(sequence, answer, kind, userBytes, authRevision, body, deadline, timeoutMs, format));
  }

  /** Proposes a hexad.ConfChange; `make` gets the request id that the change must carry. */
  submitConfChange(make: (origin: number, sequence: number) => Uint8Array, identity: Identity, answer: Answer): void {
    const sequence = ++this.lastSequence;
    const { now, timeoutMs, origin } = this.options;
    const body = make(origin, sequence);
    const { userBytes, authRevision } = identity;
    const deadline = now() + timeoutMs;
    this.admit(new PendingWrite(sequence, answer, CONF_CHANGE, userBytes, authRevision, body, deadline, timeoutMs, 0));
  }

  /** Raft listens. */
  proposeOpened(send: (batch: Uint8Array) => void): void {
    this.sendBatch = send;
    this.scheduleFlush();
  }

  /** What was handed over may or may not have been appended: outcome unknown. What still waits goes on waiting. */
  proposeBroken(): void {
    this.sendBatch = undefined;
    this.failHandedOver(Number.POSITIVE_INFINITY, Errors.TimeoutConnectionLost);
  }

  /** Storage knows our origin: results of what is proposed from now on reach us. */
  resultsOpened(): void {
    this.resultsUp = true;
    this.scheduleFlush();
  }

  resultsBroken(): void {
    this.resultsUp = false;
    this.failHandedOver(Number.POSITIVE_INFINITY, Errors.TimeoutConnectionLost);
  }

  onResultBatch(bytes: Uint8Array): void {
    const { recorder } = this.options;
    recorder?.resultsBegin(bytes);
    readResultBatch(bytes, this);
    recorder?.resultsEnd();
  }

  onProposeReplyBatch(bytes: Uint8Array): void {
    for (const reply of decodeProposeReplyBatch(bytes).replies) {
      if (reply.origin !== this.options.origin || reply.error === 0) continue;
      this.settleError(reply.sequence, errorById(reply.error));
    }
  }

  result(sequence: number, error: number, detail: string, response: Uint8Array, index: number): void {
    const pending = this.pending.get(sequence);
    if (pending === undefined) return;
    this.remove(pending);
    if (index > this.appliedIndex) this.appliedIndex = index;
    this.resultIndex = index;
    if (error === 0 && detail === '') {
      this.lastResponse = response;
      const { timed } = pending.answer;
      const trailers = timed === undefined ? undefined : this.options.recorder?.result(timed, pending, index, response);
      pending.answer.reply(response, trailers);
    } else pending.answer.fail(errorById(error === 0 ? UNCATALOGUED_ID : error, detail));
  }

  batchEnd(appliedIndex: number, termStarted: number): void {
    if (appliedIndex > this.appliedIndex) this.appliedIndex = appliedIndex;
    if (termStarted > 0) this.failHandedOver(termStarted, Errors.TimeoutLeaderFail);
  }

  /** Drops what was cancelled and fails what is overdue. Called by the coarse timer. */
  sweep(now: number): void {
    for (const pending of this.pending.values()) {
      if (pending.answer.cancelled) this.remove(pending);
      else if (pending.deadline <= now) this.settle(pending, Errors.Timeout);
    }
    if (this.queue.length > this.pending.size) this.queue = this.queue.filter((pending) => !this.isGone(pending));
  }

  /** Fails everything: the process stops. */
  stop(error: RpcError): void {
    for (const pending of this.pending.values()) this.settle(pending, error);
  }

  private admit(pending: PendingWrite): void {
    const bytes = pending.body.length;
    if (this.pending.size >= this.pendingMax || this.pendingBytes + bytes > this.pendingBytesMax) {
      pending.answer.fail(Errors.TooManyRequests);
      return;
    }
    if (this.encoder.entrySize(pending) > this.options.maxRequestBytes) {
      pending.answer.fail(Errors.RequestTooLarge);
      return;
    }
    this.pending.set(pending.sequence, pending);
    this.pendingBytes += bytes;
    this.queue.push(pending);
    this.scheduleFlush();
  }

  private scheduleFlush(): void {
    if (this.flushScheduled || this.queue.length === 0) return;
    if (this.sendBatch === undefined || !this.resultsUp) return;
    this.flushScheduled = true;
    this.options.afterArrivals(this.flush);
  }

  private readonly flush = (): void => {
    this.flushScheduled = false;
    const send = this.sendBatch;
    if (send === undefined || !this.resultsUp) return;
    const queue = this.queue;
    this.queue = [];
    const handOver = { term: this.options.term(), at: toHostMicros(this.options.now()) };
    let batch: PendingWrite[] = [];
    let bytes = 0;
    for (let i = 0; i < queue.length; i++) {
      const pending = queue[i] as PendingWrite;
      if (this.isGone(pending)) continue;
      pending.handOver = handOver;
      batch.push(pending);
      bytes += pending.body.length;
      if (bytes < BATCH_BYTES_SOFT_MAX) continue;
      this.sendProposals(send, batch);
      batch = [];
      bytes = 0;
    }
    if (batch.length > 0) this.sendProposals(send, batch);
  };

  private sendProposals(send: (batch: Uint8Array) => void, batch: readonly PendingWrite[]): void {
    this.counters.proposed += batch.length;
    this.counters.batches++;
    send(this.encoder.encodeBatch(batch));
  }

  /** Settled or cancelled while it waited: it must not be proposed any more. */
  private isGone(pending: PendingWrite): boolean {
    if (!this.pending.has(pending.sequence)) return true;
    if (!pending.answer.cancelled) return false;
    this.remove(pending);
    return true;
  }

  /** Fails what was handed to raft in a term before `term`. */
  private failHandedOver(term: number, error: RpcError): void {
    for (const pending of this.pending.values()) {
      if (pending.handOver !== undefined && pending.handOver.term < term) this.settle(pending, error);
    }
  }

  private settleError(sequence: number, error: RpcError): void {
    const pending = this.pending.get(sequence);
    if (pending !== undefined) this.settle(pending, error);
  }

  private settle(pending: PendingWrite, error: RpcError): void {
    this.counters.failed++;
    this.remove(pending);
    pending.answer.fail(error);
  }

  private remove(pending: PendingWrite): void {
    this.pending.delete(pending.sequence);
    this.pendingBytes -= pending.body.length;
  }
}
