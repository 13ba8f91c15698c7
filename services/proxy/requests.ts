import { Errors, GrpcCode, type RpcError } from '../../libs/errors';
import type { CancelListener, Metadata, ReplyParts, StreamCall, UnaryCall } from '../../libs/rpc';
import { type Answer, noBytes } from './answer';
import { type Identity, NOBODY } from './identity';
import type { Admission, Share } from './admission';
import type { Recorder } from './attribution/recorder';
import type { Progress, TimedRequest } from './attribution/timed-request';
import type { MethodStats } from './method-stats';

/** What happens when requests end, for the log and for traces. */
export interface RequestObserver {
  /** Unary requests slower than this are reported. Milliseconds. */
  readonly slowMs: number;
  readonly now: () => number;
  slow(request: UnaryRequest, tookMs: number, error: RpcError | undefined): void;
  /** Undefined: no stage stamps. */
  readonly recorder: Pick<Recorder, 'ended'> | undefined;
}

/** What a request keeps for its span: the context that its work carries, and what ends it. Both are set at its start. */
export interface Traced {
  readonly call: { readonly metadata: Metadata };
  readonly stats: MethodStats;
  trace: Uint8Array;
  onEnd: ((error: RpcError | undefined) => void) | undefined;
}

/** A client's unary call on its way through the edge. */
export class UnaryRequest implements Answer, Traced, CancelListener, TimedRequest {
  identity: Identity = NOBODY;
  trace: Uint8Array = noBytes;
  onEnd: ((error: RpcError | undefined) => void) | undefined;
  authMicros = 0;
  calledAfterMicros = 0;
  progress: Progress | undefined = undefined;
  /** The client asked for the `hexad-timing` trailer. */
  wantsTiming = false;
  /** Itself, for the pipelines, unless stage stamps are off. */
  readonly timed: TimedRequest | undefined;
  private share: Share | undefined;
  private isOver = false;
  private cancelCallback: (() => void) | undefined;

  constructor(
    readonly call: UnaryCall,
    readonly stats: MethodStats,
    private readonly observer: RequestObserver,
    private readonly admission: Admission,
  ) {
    stats.started++;
    stats.received++;
    this.timed = observer.recorder === undefined ? undefined : this;
  }

  /** Takes a place among what is under way until the request ends. False: there is none. */
  admit(): boolean {
    const share = this.admission.shareOf(this.call.connection);
    if (!this.admission.enter(share, this.body.length)) return false;
    this.share = share;
    this.call.onCancel(this);
    return true;
  }

  /** Its handler has returned: what is neither over nor in a pipeline waits for other processes, or for other clients. */
  handled(): void {
    if (this.isOver || this.progress !== undefined || this.timed === undefined) return;
    const sinceMicros = Math.round((this.observer.now() - this.call.receivedAt) * 1000) - this.authMicros;
    this.calledAfterMicros = Math.max(1, sinceMicros);
  }

  /** The client's message. */
  get body(): Uint8Array {
    return this.call.request;
  }

  get cancelled(): boolean {
    return this.call.cancelled;
  }

  reply(response: Uint8Array, trailers?: Metadata): void {
    if (this.isOver) return;
    this.stats.sent++;
    const timing = this.ended(GrpcCode.OK, undefined);
    this.call.reply(response, trailers === undefined ? timing : trailers);
  }

  /** Answers with a message that is handed over in parts; undefined: its engine can't, or the call is over. */
  beginReply(bytes: number): ReplyParts | undefined {
    if (this.isOver) return undefined;
    const parts = this.call.beginReply?.(bytes);
    if (parts !== undefined) this.stats.sent++;
    return parts;
  }

  /** All parts of the answer have been handed over, or it broke off. */
  endReply(error?: RpcError): void {
    this.ended(error?.code ?? GrpcCode.OK, error);
  }

  fail(error: RpcError, trailers?: Metadata): void {
    if (this.isOver) return;
    if (isMalformed(error)) this.call.connection.reportRequest(`${this.stats.path}: ${error.message}`);
    const timing = this.ended(error.code, error);
    this.call.fail(error, trailers === undefined ? timing : trailers);
  }

  /** Runs when the client has gone before the answer; at once when it has gone already. */
  onCancel(callback: () => void): void {
    if (this.cancelled) callback();
    else this.cancelCallback = callback;
  }

  /** The engine tells: the client has gone, or its deadline has passed. */
  onCancelled(): void {
    const { deadline } = this.call;
    const isLate = deadline !== undefined && deadline <= this.observer.now();
    const error = isLate ? Errors.ContextDeadlineExceeded : Errors.ContextCanceled;
    this.ended(error.code, error);
    this.cancelCallback?.();
  }

  /** Returns the timing that the client asked for, unless the pipeline that answers has it. */
  private ended(code: GrpcCode, error: RpcError | undefined): Metadata | undefined {
    if (this.isOver) return undefined;
    this.isOver = true;
    if (this.share !== undefined) this.admission.leave(this.share, this.body.length);
    this.share = undefined;
    this.stats.end(code);
    const took = this.observer.now() - this.call.receivedAt;
    if (took > this.observer.slowMs) this.observer.slow(this, took, error);
    this.onEnd?.(error);
    const isRecorded = error === undefined && this.progress !== undefined;
    return isRecorded ? undefined : this.observer.recorder?.ended(this, error);
  }
}

/** A client's streaming call on its way through the edge. */
export class StreamRequest implements Traced {
  closed = false;
  trace: Uint8Array = noBytes;
  onEnd: ((error: RpcError | undefined) => void) | undefined;
  private endedAs: GrpcCode | undefined;
  private error: RpcError | undefined;
  private closers: Array<() => void> = [];

  constructor(
    readonly call: StreamCall,
    readonly stats: MethodStats,
  ) {
    stats.started++;
    call.onClose(() => this.onClosed());
  }

  onMessage(callback: (message: Uint8Array) => void): void {
    this.call.onMessage((message) => {
      this.stats.received++;
      callback(message);
    });
  }

  onClose(callback: () => void): void {
    if (this.closed) callback();
    else this.closers.push(callback);
  }

  /** False when the client does not keep up; the message is queued all the same. */
  send(message: Uint8Array): boolean {
    this.stats.sent++;
    return this.call.send(message);
  }

  end(error?: RpcError): void {
    if (this.endedAs !== undefined || this.closed) return;
    if (error !== undefined && isMalformed(error)) {
      this.call.connection.reportRequest(`${this.stats.path}: ${error.message}`);
    }
    this.endedAs = error?.code ?? GrpcCode.OK;
    this.error = error;
    this.call.end(error);
  }

  private onClosed(): void {
    this.closed = true;
    this.stats.end(this.endedAs ?? GrpcCode.Cancelled);
    this.onEnd?.(this.error);
    for (const closer of this.closers) closer();
    this.closers = [];
  }
}

/** The client's message is not what it should be. */
function isMalformed({ code, message }: RpcError): boolean {
  if (code !== GrpcCode.Internal) return false;
  return message === Errors.MalformedRequest.message || message === Errors.MalformedMessage.message;
}
