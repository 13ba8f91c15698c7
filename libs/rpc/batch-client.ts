import type { RpcError } from '../errors';
import { type BatchCall, type BatchReply, decodeReplyBatch, encodeCallBatch, noBytes } from './batch-codec';
import { createLink, type Link } from './link';
import type { Address, Channel, ChannelOptions } from './types';

const defaultMaxPendingCalls = 65_536;
const defaultMaxPendingBytes = 64 * 1024 * 1024;
/** A frame is closed at this size so that it stays below the receiver's message limit. */
const frameBytes = 4 * 1024 * 1024;

export interface BatchClientOptions {
  readonly channel?: Channel;
  readonly address?: Address;
  readonly channelOptions?: ChannelOptions;
  /** Path of a method that takes `stream CallBatch` and returns `stream ReplyBatch`. */
  readonly path: string;
  /** Catalogue id for calls that were sent and whose link broke: outcome unknown. */
  readonly lostError: number;
  /** Catalogue id for calls that were never sent, because the link is down. Default: `lostError`. */
  readonly unavailableError?: number;
  /** Catalogue id for calls over the limits below. */
  readonly busyError: number;
  readonly maxPendingCalls?: number;
  readonly maxPendingBytes?: number;
  onOpen?(): void;
  onClose?(reason: RpcError): void;
}

export interface BatchCallOptions {
  readonly requiredIndex?: number;
  readonly user?: string;
  readonly authRevision?: number;
  readonly trace?: Uint8Array;
}

interface Pending {
  readonly bytes: number;
  readonly callback: (reply: BatchReply) => void;
}

const noOptions: BatchCallOptions = {};

/** Many calls over one stream: what is asked until `setImmediate` leaves as one frame; replies come in any order. */
export class BatchClient {
  readonly #options: BatchClientOptions;
  readonly #maxCalls: number;
  readonly #maxBytes: number;
  readonly #link: Link;
  readonly #pending = new Map<number, Pending>();
  #queue: BatchCall[] = [];
  #pendingBytes = 0;
  #lastId = 0;
  #flushScheduled = false;

  constructor(options: BatchClientOptions) {
    this.#options = options;
    this.#maxCalls = options.maxPendingCalls ?? defaultMaxPendingCalls;
    this.#maxBytes = options.maxPendingBytes ?? defaultMaxPendingBytes;
    this.#link = createLink({
      ...(options.channel === undefined ? {} : { channel: options.channel }),
      ...(options.address === undefined ? {} : { address: options.address }),
      ...(options.channelOptions === undefined ? {} : { channelOptions: options.channelOptions }),
      path: options.path,
      onOpen: () => options.onOpen?.(),
      onMessage: (message) => this.#receive(message),
      onClose: (reason) => this.#lost(reason),
    });
  }

  get isOpen(): boolean {
    return this.#link.isOpen;
  }

  get pendingCalls(): number {
    return this.#pending.size;
  }

  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** The callback runs exactly once; at once (before this returns) when the call is refused. It is never sent twice. */
  call(
    method: number,
    payload: Uint8Array,
    options: BatchCallOptions = noOptions,
    callback: (reply: BatchReply) => void,
  ): void {
    if (!this.#link.isOpen) {
      callback(failed(0, this.#options.unavailableError ?? this.#options.lostError));
      return;
    }
    if (this.#pending.size >= this.#maxCalls || this.#pendingBytes + payload.length > this.#maxBytes) {
      callback(failed(0, this.#options.busyError));
      return;
    }
    const id = ++this.#lastId;
    this.#pending.set(id, { bytes: payload.length, callback });
    this.#pendingBytes += payload.length;
    this.#queue.push({
      id,
      method,
      payload,
      requiredIndex: options.requiredIndex ?? 0,
      user: options.user ?? '',
      authRevision: options.authRevision ?? 0,
      trace: options.trace ?? noBytes,
    });
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    setImmediate(() => this.#flush());
  }

  /** Fails what is under way with `lostError`. */
  close(): void {
    this.#link.close();
    this.#failAll();
  }

  #flush(): void {
    this.#flushScheduled = false;
    const queue = this.#queue;
    this.#queue = [];
    if (!this.#link.isOpen) return;
    let start = 0;
    let bytes = 0;
    for (let i = 0; i < queue.length; i++) {
      const size = (queue[i] as BatchCall).payload.length;
      if (bytes > 0 && bytes + size > frameBytes) {
        this.#link.send(encodeCallBatch(queue.slice(start, i)));
        start = i;
        bytes = 0;
      }
      bytes += size;
    }
    if (start < queue.length) this.#link.send(encodeCallBatch(start === 0 ? queue : queue.slice(start)));
  }

  #receive(message: Uint8Array): void {
    for (const reply of decodeReplyBatch(message)) {
      const pending = this.#pending.get(reply.id);
      if (pending === undefined) continue;
      this.#pending.delete(reply.id);
      this.#pendingBytes -= pending.bytes;
      pending.callback(reply);
    }
  }

  #lost(reason: RpcError): void {
    this.#failAll();
    this.#options.onClose?.(reason);
  }

  #failAll(): void {
    const pending = [...this.#pending];
    this.#pending.clear();
    this.#pendingBytes = 0;
    this.#queue = [];
    for (const [id, { callback }] of pending) callback(failed(id, this.#options.lostError));
  }
}

function failed(id: number, error: number): BatchReply {
  return { id, error, errorDetail: '', payload: noBytes, workMicros: 0 };
}
