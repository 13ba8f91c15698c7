import { gunzipSync, inflateSync } from 'node:zlib';
import type { RpcError } from '../../errors';
import { messageTooLarge } from '../status-texts';
import type { Http2Connection } from './connection';
import { type ErrorCode, messagePrefixBytes } from './constants';
import type { HeaderBlock } from './hpack-decoder';
import { streamWindow } from './limits';
import { PartialMessage } from './partial-message';
import { SendQueue } from './send-queue';

const noQueue = new SendQueue();

/** Why a stream is not read. */
export const PausedBy = { handler: 1, unreadAnswers: 2 } as const;

/**
 * One HTTP/2 stream that carries a gRPC call, of either side: reads messages out of DATA frames and queues messages that
 * windows hold back. What is rarely needed is allocated when it is needed.
 */
export abstract class Http2Stream {
  /** 0 while a client's call has no stream yet. */
  id = 0;
  /** Valid once the call has a stream. */
  transport: Http2Connection = undefined as unknown as Http2Connection;
  sendWindow = 0;
  receiveWindow = streamWindow;
  /** The peer has ended its side. */
  remoteEnded = false;
  /** The stream is no longer in the connection's table. */
  gone = false;
  /** Compression of the peer's messages, if it named one. */
  encoding: string | undefined = undefined;
  queue: SendQueue = noQueue;
  /** Keeps what it has to send itself (not messages), and only wants to be told when there may be room. */
  readonly raw: boolean = false;
  /** Octets of DATA the peer has announced by content-length and not sent yet; −1: not announced. */
  contentLeft = -1;
  #partial: PartialMessage | undefined = undefined;
  /** Who wants it paused: bits of `PausedBy`. */
  #paused = 0;
  #held: Uint8Array[] | undefined = undefined;
  #heldBytes = 0;

  /** Puts the call on a stream. */
  attach(transport: Http2Connection, id: number): void {
    this.transport = transport;
    this.id = id;
    this.sendWindow = transport.peerInitialWindow;
    transport.streams.set(id, this);
  }

  /** A whole message. Uncompressed, within the limit. */
  protected abstract message(bytes: Uint8Array): void;
  /** The peer sends no more; all messages were delivered. */
  protected abstract ended(): void;
  /** A message that cannot be taken; the stream must end. */
  protected abstract refuse(error: RpcError): void;
  protected abstract readonly maxReceiveBytes: number;
  /** A second header block: trailers of a request, trailers or late headers of a response. */
  abstract receiveHeaders(block: HeaderBlock, endStream: boolean): void;
  /** RST_STREAM from the peer. */
  abstract receiveReset(code: number): void;
  /** The connection is gone; the stream is out of its table. */
  abstract connectionLost(reason: string): void;
  /** The queue is empty, or shorter than it was. */
  abstract queueShrunk(): void;
  /** Ends the stream locally because the peer broke the rules. */
  abstract abort(code: ErrorCode): void;

  receiveData(bytes: Uint8Array, start: number, end: number, endStream: boolean): void {
    if (endStream) this.remoteEnded = true;
    if (this.#held !== undefined) {
      if (end > start) this.#hold(bytes.subarray(start, end));
      return;
    }
    this.#read(bytes, start, end);
    if (endStream && !this.gone && this.#held === undefined) this.#finish();
  }

  /** Queues a message; only `pump` sends it. */
  enqueue(message: Uint8Array): void {
    if (this.queue === noQueue) this.queue = new SendQueue();
    this.queue.push(message);
    this.transport.hold(message.length + messagePrefixBytes);
    this.transport.wait(this);
    this.transport.flushSoon();
  }

  /** Queues a part of a message of `total` bytes. */
  protected enqueuePart(part: Uint8Array, total: number, isFirst: boolean): void {
    if (this.queue === noQueue) this.queue = new SendQueue();
    this.queue.pushPart(part, total, isFirst);
    this.transport.hold(part.length + (isFirst ? messagePrefixBytes : 0));
    this.transport.wait(this);
    this.transport.flushSoon();
  }

  pause(by: number = PausedBy.handler): void {
    this.#paused |= by;
    this.#held ??= [];
  }

  resume(by: number = PausedBy.handler): void {
    this.#paused &= ~by;
    const held = this.#held;
    if (held === undefined || this.#paused !== 0 || this.gone) return;
    this.#held = undefined;
    this.transport.holdPaused(-this.#heldBytes);
    this.#heldBytes = 0;
    for (let i = 0; i < held.length; i++) {
      const bytes = held[i] as Uint8Array;
      this.#read(bytes, 0, bytes.length);
      if (this.gone) return;
      if (this.#held === undefined) continue;
      // Paused again by a callback.
      for (const rest of held.slice(i + 1)) this.#hold(rest);
      return;
    }
    this.transport.credit(this);
    if (this.remoteEnded && !this.gone) this.#finish();
  }

  get paused(): boolean {
    return this.#paused !== 0;
  }

  #hold(bytes: Uint8Array): void {
    this.#held ??= [];
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
    this.transport.holdPaused(bytes.length);
    this.transport.checkAssembling(this);
  }

  /** Frees what the stream holds when it ends. */
  release(): void {
    this.gone = true;
    const { transport } = this;
    if (this.#partial !== undefined) transport.holdPart(-this.#partial.heldBytes);
    if (this.#heldBytes > 0) transport.holdPaused(-this.#heldBytes);
    if (this.queue.bytes > 0) transport.hold(-this.queue.bytes);
    this.#partial = undefined;
    this.#held = undefined;
    this.#heldBytes = 0;
  }

  #read(bytes: Uint8Array, start: number, end: number): void {
    let at = start;
    while (at < end && !this.gone) {
      if (this.#paused !== 0) return this.#hold(bytes.subarray(at, end));
      if (this.#partial === undefined && end - at >= messagePrefixBytes) {
        const length = uint32(bytes, at + 1);
        const next = at + messagePrefixBytes + length;
        if (next <= end) {
          const flag = bytes[at] as number;
          const message = bytes.subarray(at + messagePrefixBytes, next);
          at = next;
          this.#deliver(flag, message);
          continue;
        }
      }
      at = this.#assemble(bytes, at, end);
    }
  }

  #assemble(bytes: Uint8Array, start: number, end: number): number {
    this.#partial ??= new PartialMessage();
    const partial = this.#partial;
    let at = partial.readPrefix(bytes, start, end);
    if (partial.length < 0) return at;
    if (partial.length > this.maxReceiveBytes) {
      this.refuse({ code: 8, message: messageTooLarge(partial.length, this.maxReceiveBytes) });
      return end;
    }
    const before = partial.heldBytes;
    at = partial.readBody(bytes, at, end);
    this.transport.holdPart(partial.heldBytes - before);
    if (!partial.complete) {
      this.transport.checkAssembling(this);
      return at;
    }
    this.transport.holdPart(-partial.heldBytes);
    this.#partial = undefined;
    this.#deliver(partial.flag, partial.message);
    return at;
  }

  #deliver(flag: number, message: Uint8Array): void {
    if (message.length > this.maxReceiveBytes) {
      this.refuse({ code: 8, message: messageTooLarge(message.length, this.maxReceiveBytes) });
    } else if (flag === 0) this.message(message);
    else if (flag === 1) this.#deliverCompressed(message);
    else this.refuse({ code: 13, message: `grpc: received unexpected payload format ${flag}` });
  }

  #deliverCompressed(message: Uint8Array): void {
    const options = { maxOutputLength: this.maxReceiveBytes };
    let plain: Uint8Array;
    try {
      if (this.encoding === 'gzip') plain = gunzipSync(message, options);
      else if (this.encoding === 'deflate') plain = inflateSync(message, options);
      else {
        this.refuse({ code: 13, message: 'grpc: compressed flag set with identity or empty encoding' });
        return;
      }
    } catch (error) {
      const tooLarge = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
      this.refuse(
        tooLarge
          ? { code: 8, message: `grpc: received message after decompression larger than max ${this.maxReceiveBytes}` }
          : { code: 13, message: 'grpc: failed to decompress the received message' },
      );
      return;
    }
    this.message(plain);
  }

  #finish(): void {
    if (this.#partial !== undefined) this.refuse({ code: 13, message: 'unexpected EOF' });
    else this.ended();
  }
}

function uint32(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) * 0x1000000 +
    (((bytes[at + 1] as number) << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number))
  );
}
