import type { BusyPeriod } from '../attribution';
import {
  type BatchCall,
  BatchFormatError,
  type BatchReply,
  decodeCallBatch,
  encodeReplyBatch,
  noBytes,
} from './batch-codec';
import type { ConnectionInfo, StreamCall, StreamHandler } from './types';

const defaultMaxBufferedBytes = 64 * 1024 * 1024;
const frameBytes = 4 * 1024 * 1024;

/** The stream a batch came on. Replies may be given in any order and at any time; after the end they are dropped. */
export interface BatchPeer {
  readonly connection: ConnectionInfo;
  readonly closed: boolean;
  /** `error`: catalogue id, 0 is OK. Everything replied until `setImmediate` leaves as one frame. */
  reply(id: number, error: number, payload?: Uint8Array, errorDetail?: string): void;
  /** Calls that had to wait are taken up now: what their answers take counts from here. */
  begin(): void;
  onClose(callback: () => void): void;
}

/** Gets all calls that arrived in one message. */
export type BatchHandler = (calls: readonly BatchCall[], peer: BatchPeer) => void;

export interface BatchServerOptions {
  /** A peer that lets more than this wait unread is disconnected. */
  readonly maxBufferedBytes?: number;
  /** Microseconds of the host's monotonic clock: replies then tell what they took, and batches when they left. */
  readonly clock?: (() => number) | undefined;
  /** What kept the process from answering lately; batches then tell that too. */
  readonly busy?: ((now: number) => BusyPeriod | undefined) | undefined;
}

/** The handler of a method that takes `stream CallBatch` and returns `stream ReplyBatch`. */
export function batchHandler(handler: BatchHandler, options: BatchServerOptions = {}): StreamHandler {
  const limit = options.maxBufferedBytes ?? defaultMaxBufferedBytes;
  return (call) => {
    const peer = new StreamPeer(call, limit, options.clock, options.busy);
    call.onMessage((message) => peer.receive(message, handler));
  };
}

class StreamPeer implements BatchPeer {
  readonly connection: ConnectionInfo;
  closed = false;
  readonly #call: StreamCall;
  readonly #maxBufferedBytes: number;
  #queue: BatchReply[] = [];
  #queuedBytes = 0;
  #flushScheduled = false;
  #callbacks: Array<() => void> = [];
  /** When the calls that are being answered were taken up, or the last of them was answered. */
  #workedSince = 0;

  constructor(
    call: StreamCall,
    maxBufferedBytes: number,
    private readonly clock: (() => number) | undefined,
    private readonly busy: BatchServerOptions['busy'],
  ) {
    this.connection = call.connection;
    this.#call = call;
    this.#maxBufferedBytes = maxBufferedBytes;
    call.onClose(() => this.#ended());
    call.onHalfClose(() => call.end());
  }

  receive(message: Uint8Array, handler: BatchHandler): void {
    let calls: BatchCall[];
    try {
      calls = decodeCallBatch(message);
    } catch (error) {
      if (!(error instanceof BatchFormatError)) throw error;
      this.#call.end({ code: 13, message: `malformed batch: ${error.message}` });
      return;
    }
    this.begin();
    handler(calls, this);
  }

  reply(id: number, error: number, payload: Uint8Array = noBytes, errorDetail = ''): void {
    if (this.closed) return;
    this.#queue.push({ id, error, errorDetail, payload, workMicros: this.#workMicros() });
    this.#queuedBytes += payload.length;
    if (this.#queuedBytes > frameBytes) this.#send();
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    setImmediate(() => {
      this.#flushScheduled = false;
      this.#send();
    });
  }

  begin(): void {
    if (this.clock !== undefined) this.#workedSince = this.clock();
  }

  /** Answers of one turn follow each other without a gap: one look at the clock ends one and begins the next. */
  #workMicros(): number {
    if (this.clock === undefined) return 0;
    const now = this.clock();
    const micros = Math.max(0, Math.round(now - this.#workedSince));
    this.#workedSince = now;
    return micros;
  }

  onClose(callback: () => void): void {
    if (this.closed) queueMicrotask(callback);
    else this.#callbacks.push(callback);
  }

  #send(): void {
    const queue = this.#queue;
    if (queue.length === 0 || this.closed) return;
    this.#queue = [];
    this.#queuedBytes = 0;
    const now = this.clock === undefined ? 0 : Math.round(this.clock());
    this.#call.send(encodeReplyBatch(queue, now, now === 0 ? undefined : this.busy?.(now)));
    if (this.#call.bufferedBytes > this.#maxBufferedBytes) {
      this.#call.end({ code: 8, message: 'replies are not being read' });
    }
  }

  #ended(): void {
    this.closed = true;
    this.#queue = [];
    const callbacks = this.#callbacks;
    this.#callbacks = [];
    for (const callback of callbacks) callback();
  }
}
