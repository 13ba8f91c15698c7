import {
  type BatchCall,
  BatchFormatError,
  type BatchReply,
  type BatchStage,
  decodeCallBatch,
  encodeReplyBatch,
  noBytes,
  noStages,
} from './batch-codec';
import type { ConnectionInfo, StreamCall, StreamHandler } from './types';

const defaultMaxBufferedBytes = 64 * 1024 * 1024;
const frameBytes = 4 * 1024 * 1024;

/** The stream a batch came on. Replies may be given in any order and at any time; after the end they are dropped. */
export interface BatchPeer {
  readonly connection: ConnectionInfo;
  readonly closed: boolean;
  /** `error`: catalogue id, 0 is OK. Everything replied until `setImmediate` leaves as one frame. */
  reply(id: number, error: number, payload?: Uint8Array, stages?: readonly BatchStage[], errorDetail?: string): void;
  onClose(callback: () => void): void;
}

/** Gets all calls that arrived in one message. */
export type BatchHandler = (calls: readonly BatchCall[], peer: BatchPeer) => void;

export interface BatchServerOptions {
  /** A peer that lets more than this wait unread is disconnected. */
  readonly maxBufferedBytes?: number;
}

/** The handler of a method that takes `stream CallBatch` and returns `stream ReplyBatch`. */
export function batchHandler(handler: BatchHandler, options: BatchServerOptions = {}): StreamHandler {
  const limit = options.maxBufferedBytes ?? defaultMaxBufferedBytes;
  return (call) => {
    const peer = new StreamPeer(call, limit);
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

  constructor(call: StreamCall, maxBufferedBytes: number) {
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
    handler(calls, this);
  }

  reply(
    id: number,
    error: number,
    payload: Uint8Array = noBytes,
    stages: readonly BatchStage[] = noStages,
    errorDetail = '',
  ): void {
    if (this.closed) return;
    this.#queue.push({ id, error, errorDetail, payload, stages });
    this.#queuedBytes += payload.length;
    if (this.#queuedBytes > frameBytes) this.#send();
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    setImmediate(() => {
      this.#flushScheduled = false;
      this.#send();
    });
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
    this.#call.send(encodeReplyBatch(queue));
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
