import type { BusyPeriod } from '../../libs/attribution';
import { Errors, errorById, type RpcError, UNCATALOGUED_ID } from '../../libs/errors';
import {
  type BatchCall,
  type BatchReply,
  busyOf,
  decodeReplyBatch,
  encodeCallBatch,
  type Metadata,
  sentAtOf,
} from '../../libs/rpc';
import { toHostMicros } from '../../libs/telemetry';
import { decodeReadIndexReplyBatch, encodeReadIndexBatch, StorageMethod } from '../../proto/gen/hexad';
import { type Answer, noBytes } from './answer';
import type { Recorder } from './attribution/recorder';
import type { Progress } from './attribution/timed-request';
import type { Identity } from './identity';
import type { LargeRead } from './large-range';
import { Limits } from './limits';

class PendingRead implements BatchCall, Progress {
  /** Set once the read is for storage. */
  id = 0;
  requiredIndex = 0;
  /** How often it has been sent to storage. */
  sends = 0;
  /** The read index it shares; undefined: it needs none, or has not asked. */
  context: ReadContext | undefined = undefined;
  /** When it was sent to storage the last time, shared by all of one message. */
  asked: { readonly at: number } | undefined = undefined;
  readonly trace: Uint8Array;

  constructor(
    readonly method: number,
    readonly payload: Uint8Array,
    readonly user: string,
    readonly authRevision: number,
    readonly answer: Answer,
    readonly deadline: number,
    private readonly timeoutMs: number,
  ) {
    this.trace = answer.trace ?? noBytes;
    if (answer.timed !== undefined) answer.timed.progress = this;
  }

  get submittedAt(): number {
    return toHostMicros(this.deadline - this.timeoutMs);
  }

  get handedOverAt(): number {
    return this.context === undefined ? (this.asked?.at ?? 0) : toHostMicros(this.context.sentAt);
  }
}

/** What storage says of a message of replies. */
interface Sent {
  /** Microseconds of its host's clock; 0: it does not tell. */
  readonly at: number;
  readonly compaction: BusyPeriod | undefined;
}

interface ReadContext {
  readonly reads: PendingRead[];
  sentAt: number;
  /** Microseconds of the host's clock; 0: it is not yet. */
  confirmedAt: number;
}

export interface ReadPipelineOptions {
  readonly timeoutMs: number;
  readonly now: () => number;
  readonly afterArrivals: (callback: () => void) => void;
  /** First context number: random, so that a restarted process is never handed an old answer. */
  readonly firstContext: number;
  readonly pendingMax?: number;
  /** Undefined: no stage stamps. */
  readonly recorder?: Pick<Recorder, 'read'> | undefined;
  /** Takes over a range whose answer is too large for a reply. */
  readonly onLarge?: (read: LargeRead) => void;
}

type Send = (message: Uint8Array) => void;

/**
 * Reads. Linearizable ones that wait share one ReadIndex context; storage then answers from a view that has reached the
 * index. Unlike a proposal, a read may be asked again: one whose link broke is sent anew when the link is back, but only
 * once, so that one that storage can't survive does not come back for ever.
 */
export class ReadPipeline {
  failedContexts = 0;
  /** The last response of a range, for its header. */
  lastResponse: Uint8Array | undefined;

  private waiting: PendingRead[] = [];
  private readonly contexts = new Map<number, ReadContext>();
  private readonly atStorage = new Map<number, PendingRead>();
  private forStorage: PendingRead[] = [];
  private count = 0;
  private bytes = 0;
  private nextContext: number;
  private lastId = 0;
  private contextScheduled = false;
  private storageScheduled = false;
  /** Raft knows no leader: asking at once would only be refused again. Ends with the next leader or the next sweep. */
  private held = false;
  private sendReadIndex: Send | undefined;
  private sendCalls: Send | undefined;
  private readonly pendingMax: number;

  constructor(private readonly options: ReadPipelineOptions) {
    this.nextContext = options.firstContext;
    this.pendingMax = options.pendingMax ?? Limits.pendingReadsMax;
  }

  get size(): number {
    return this.count;
  }

  /** Answers from a view that holds every write acknowledged before now. `method` is a StorageMethod. */
  linearizable(method: number, payload: Uint8Array, identity: Identity, answer: Answer): void {
    const read = this.admit(method, payload, identity, answer);
    if (read === undefined) return;
    this.waiting.push(read);
    this.scheduleContext();
  }

  /** Answers from this member as it is, or from a view at or after `requiredIndex`. */
  serializable(method: number, payload: Uint8Array, identity: Identity, answer: Answer, requiredIndex = 0): void {
    const read = this.admit(method, payload, identity, answer);
    if (read === undefined) return;
    read.requiredIndex = requiredIndex;
    this.ask(read);
  }

  readIndexOpened(send: Send): void {
    this.sendReadIndex = send;
    this.scheduleContext();
  }

  readIndexBroken(): void {
    this.sendReadIndex = undefined;
    for (const context of this.contexts.values()) this.waiting.push(...context.reads);
    this.contexts.clear();
  }

  storageOpened(send: Send): void {
    this.sendCalls = send;
    for (const read of this.atStorage.values()) this.forStorage.push(read);
    this.scheduleStorage();
  }

  storageBroken(): void {
    this.sendCalls = undefined;
    this.forStorage = [];
    for (const read of this.atStorage.values()) {
      if (read.sends < Limits.readSendsMax) continue;
      this.atStorage.delete(read.id);
      this.fail(read, Errors.TimeoutConnectionLost);
    }
  }

  /** There is a leader again: asks for what had to wait. */
  leaderKnown(): void {
    this.held = false;
    this.scheduleContext();
  }

  onReadIndexReplies(bytes: Uint8Array): void {
    for (const reply of decodeReadIndexReplyBatch(bytes).replies) {
      const context = this.contexts.get(reply.context);
      if (context === undefined) continue;
      this.contexts.delete(reply.context);
      if (reply.error === 0) this.contextConfirmed(context, reply.index);
      else this.contextRefused(context, errorById(reply.error));
    }
    this.scheduleContext();
  }

  onReplyBatch(bytes: Uint8Array): void {
    const replies = decodeReplyBatch(bytes);
    const sent = { at: sentAtOf(bytes), compaction: busyOf(bytes) };
    const now = toHostMicros(this.options.now());
    for (let i = 0; i < replies.length; i++) this.onReply(replies[i] as BatchReply, sent, now);
  }

  /** Drops what was cancelled, fails what is overdue, asks again for read indexes that did not come. */
  sweep(now: number): void {
    this.waiting = this.waiting.filter((read) => this.stillWanted(read, now, Errors.Timeout));
    for (const [number, context] of this.contexts) this.sweepContext(number, context, now);
    for (const read of this.atStorage.values()) {
      const timeout = read.requiredIndex > 0 ? Errors.TimeoutAppliedIndex : Errors.Timeout;
      if (this.stillWanted(read, now, timeout)) continue;
      this.atStorage.delete(read.id);
    }
    this.held = false;
    this.scheduleContext();
  }

  stop(error: RpcError): void {
    const all = [...this.waiting, ...this.atStorage.values()];
    for (const context of this.contexts.values()) all.push(...context.reads);
    this.waiting = [];
    this.contexts.clear();
    this.atStorage.clear();
    for (const read of all) this.fail(read, error);
  }

  private admit(method: number, payload: Uint8Array, identity: Identity, answer: Answer): PendingRead | undefined {
    if (this.count >= this.pendingMax || this.bytes + payload.length > Limits.pendingReadBytesMax) {
      answer.fail(Errors.TooManyRequests);
      return undefined;
    }
    this.count++;
    this.bytes += payload.length;
    const deadline = this.options.now() + this.options.timeoutMs;
    return new PendingRead(
      method,
      payload,
      identity.user,
      identity.authRevision,
      answer,
      deadline,
      this.options.timeoutMs,
    );
  }

  private scheduleContext(): void {
    if (this.held || this.contextScheduled || this.waiting.length === 0 || this.sendReadIndex === undefined) return;
    if (this.contexts.size >= Limits.readContextsMax) return;
    this.contextScheduled = true;
    this.options.afterArrivals(this.openContext);
  }

  private readonly openContext = (): void => {
    this.contextScheduled = false;
    const send = this.sendReadIndex;
    if (send === undefined || this.waiting.length === 0) return;
    const number = this.nextContext++;
    const context = { reads: this.waiting, sentAt: this.options.now(), confirmedAt: 0 };
    for (const read of context.reads) read.context = context;
    this.contexts.set(number, context);
    this.waiting = [];
    send(encodeReadIndexBatch({ context: number }));
  };

  private contextConfirmed(context: ReadContext, index: number): void {
    context.confirmedAt = toHostMicros(this.options.now());
    for (const read of context.reads) {
      read.requiredIndex = index;
      this.ask(read);
    }
  }

  /** No leader, or it changed: the reads wait for the next attempt (etcd does the same), anything else is their answer. */
  private contextRefused(context: ReadContext, error: RpcError): void {
    this.failedContexts++;
    if (error.code === Errors.NoLeader.code) {
      this.waiting.push(...context.reads);
      this.held = true;
    } else for (const read of context.reads) this.fail(read, error);
  }

  private sweepContext(number: number, context: ReadContext, now: number): void {
    const reads = context.reads.filter((read) => this.stillWanted(read, now, Errors.Timeout));
    const isLate = now - context.sentAt >= Limits.readIndexRetryMs;
    if (reads.length > 0 && !isLate) {
      if (reads.length < context.reads.length) this.contexts.set(number, { ...context, reads });
      return;
    }
    this.contexts.delete(number);
    this.waiting.push(...reads);
  }

  private ask(read: PendingRead): void {
    if (read.answer.cancelled) {
      this.release(read);
      return;
    }
    read.id = ++this.lastId;
    this.atStorage.set(read.id, read);
    if (this.sendCalls === undefined) return;
    this.forStorage.push(read);
    this.scheduleStorage();
  }

  private scheduleStorage(): void {
    if (this.storageScheduled || this.forStorage.length === 0) return;
    this.storageScheduled = true;
    this.options.afterArrivals(this.flushStorage);
  }

  private readonly flushStorage = (): void => {
    this.storageScheduled = false;
    const calls = this.forStorage;
    this.forStorage = [];
    if (this.sendCalls === undefined || calls.length === 0) return;
    const asked = { at: toHostMicros(this.options.now()) };
    for (let i = 0; i < calls.length; i++) {
      const read = calls[i] as PendingRead;
      read.sends++;
      read.asked = asked;
    }
    this.sendCalls(encodeCallBatch(calls));
  };

  private onReply(reply: BatchReply, sent: Sent, now: number): void {
    const read = this.atStorage.get(reply.id);
    if (read === undefined) return;
    this.atStorage.delete(reply.id);
    this.release(read);
    if (reply.error === 0 && reply.errorDetail === '') {
      if (read.method === StorageMethod.STORAGE_RANGE) this.lastResponse = reply.payload;
      read.answer.reply(reply.payload, this.timing(read, reply, sent, now));
    } else if (reply.error === Errors.LargeAnswer.id && this.options.onLarge !== undefined) {
      const { answer, user, authRevision } = read;
      const answered = (heldBackMs: number): Metadata | undefined => this.timingOfLarge(read, heldBackMs);
      this.options.onLarge({ answer, user, authRevision, largeRange: reply.payload.slice(), answered });
    } else read.answer.fail(replyError(reply));
  }

  /** The trailers that the client asked for. */
  private timing(read: PendingRead, reply: BatchReply, sent: Sent, now: number): Metadata | undefined {
    const { timed } = read.answer;
    const { recorder } = this.options;
    if (timed === undefined || recorder === undefined) return undefined;
    const confirmedAt = read.context?.confirmedAt ?? 0;
    const { workMicros } = reply;
    const { at: repliedAt, compaction } = sent;
    const moments = { confirmedAt, askedAt: read.asked?.at ?? now, workMicros, repliedAt, compaction };
    return recorder.read(timed, read, moments, reply.payload, now);
  }

  /** An answer in parts: storage works on it until the last has come, but for the time in which the client took nothing. */
  private timingOfLarge(read: PendingRead, heldBackMs: number): Metadata | undefined {
    const { timed } = read.answer;
    const { recorder } = this.options;
    if (timed === undefined || recorder === undefined) return undefined;
    const now = toHostMicros(this.options.now());
    const confirmedAt = read.context?.confirmedAt ?? 0;
    const askedAt = read.asked?.at ?? now;
    const repliedAt = Math.max(askedAt, now - heldBackMs * 1000);
    const moments = { confirmedAt, askedAt, workMicros: repliedAt - askedAt, repliedAt };
    return recorder.read(timed, read, moments, noBytes, now);
  }

  private stillWanted(read: PendingRead, now: number, timeout: RpcError): boolean {
    if (read.answer.cancelled) {
      this.release(read);
      return false;
    }
    if (read.deadline > now) return true;
    this.fail(read, timeout);
    return false;
  }

  private fail(read: PendingRead, error: RpcError): void {
    this.release(read);
    read.answer.fail(error);
  }

  private release(read: PendingRead): void {
    this.count--;
    this.bytes -= read.payload.length;
  }
}

/** The error of a batched reply as a client sees it. */
export function replyError(reply: BatchReply): RpcError {
  return errorById(reply.error === 0 ? UNCATALOGUED_ID : reply.error, reply.errorDetail);
}
