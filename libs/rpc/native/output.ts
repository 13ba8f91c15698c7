import { defaultMaxFrame, Flag, FrameType, frameHeaderBytes, messagePrefixBytes } from './constants';

const smallBytes = 1024;
const keptBytes = 16 * 1024;

/**
 * Large buffers by size that wait for the next turn that needs one, in the whole process: fresh memory costs a page fault
 * every 4 kB.
 */
const spare = new Map<number, Buffer[]>();
let spareBytes = 0;
const spareBytesMax = 8 * 1024 * 1024;

function takeLarge(size: number): Buffer {
  const found = spare.get(size)?.pop();
  if (found === undefined) return Buffer.allocUnsafeSlow(size);
  spareBytes -= size;
  return found;
}

/** Takes back what `detachLarge` gave; nobody may read it any more. */
export function reuseLarge(memory: Buffer): void {
  const size = memory.length;
  if (spareBytes + size > spareBytesMax) return;
  spareBytes += size;
  const sameSize = spare.get(size);
  if (sameSize === undefined) spare.set(size, [memory]);
  else sameSize.push(memory);
}

/** Frames of one connection that wait for the end of the turn, as one run of bytes. */
export class Output {
  length = 0;
  #buffer: Buffer = Buffer.alloc(0);
  /** Bytes of the last turn that was large: the next is likely as large, and growing by doubling copies all of it twice. */
  #lastLarge = 0;

  /** What is to be written. The caller says by `written` whether the memory may be used again. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.length);
  }

  /** After the bytes were handed on. `reusable`: nobody reads them any more. */
  written(reusable: boolean): void {
    this.length = 0;
    if (!reusable || this.#buffer.length > keptBytes) this.#buffer = Buffer.alloc(0);
  }

  /** `bytes` is more than is kept between turns. */
  get isLarge(): boolean {
    return this.#buffer.length > keptBytes;
  }

  /** Gives the memory of `bytes` away, for `reuseLarge` once nobody reads it any more, and starts anew. */
  detachLarge(): Buffer {
    const memory = this.#buffer;
    this.#lastLarge = this.length;
    this.length = 0;
    this.#buffer = Buffer.alloc(0);
    return memory;
  }

  frameHeader(length: number, type: number, flags: number, streamId: number): void {
    this.#reserve(frameHeaderBytes + length);
    const buffer = this.#buffer;
    const at = this.length;
    buffer[at] = length >>> 16;
    buffer[at + 1] = length >>> 8;
    buffer[at + 2] = length;
    buffer[at + 3] = type;
    buffer[at + 4] = flags;
    buffer[at + 5] = streamId >>> 24;
    buffer[at + 6] = streamId >>> 16;
    buffer[at + 7] = streamId >>> 8;
    buffer[at + 8] = streamId;
    this.length = at + frameHeaderBytes;
  }

  uint16(value: number): void {
    this.#reserve(2);
    this.#buffer[this.length++] = value >>> 8;
    this.#buffer[this.length++] = value;
  }

  uint32(value: number): void {
    this.#reserve(4);
    const buffer = this.#buffer;
    buffer[this.length++] = value >>> 24;
    buffer[this.length++] = value >>> 16;
    buffer[this.length++] = value >>> 8;
    buffer[this.length++] = value;
  }

  copy(bytes: Uint8Array, start = 0, end = bytes.length): void {
    const size = end - start;
    this.#reserve(size);
    const buffer = this.#buffer;
    const at = this.length;
    this.length = at + size;
    // A call into the runtime costs more than a short loop.
    if (size <= 24) for (let i = 0; i < size; i++) buffer[at + i] = bytes[start + i] as number;
    else buffer.set(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end), at);
  }

  /** HEADERS, with CONTINUATION frames when the block is longer than a frame. */
  headers(streamId: number, block: Uint8Array, endStream: boolean): void {
    const end = endStream ? Flag.EndStream : 0;
    if (block.length <= defaultMaxFrame) {
      this.frameHeader(block.length, FrameType.Headers, end | Flag.EndHeaders, streamId);
      this.copy(block);
      return;
    }
    this.frameHeader(defaultMaxFrame, FrameType.Headers, end, streamId);
    this.copy(block, 0, defaultMaxFrame);
    for (let at = defaultMaxFrame; at < block.length; at += defaultMaxFrame) {
      const next = Math.min(at + defaultMaxFrame, block.length);
      const flags = next === block.length ? Flag.EndHeaders : 0;
      this.frameHeader(next - at, FrameType.Continuation, flags, streamId);
      this.copy(block, at, next);
    }
  }

  /** A gRPC message as DATA frames of at most `maxFrame`. */
  message(streamId: number, message: Uint8Array, maxFrame: number, endStream: boolean): void {
    const end = endStream ? Flag.EndStream : 0;
    const size = message.length + messagePrefixBytes;
    if (size <= maxFrame) {
      this.frameHeader(size, FrameType.Data, end, streamId);
      this.messagePrefix(message.length);
      this.copy(message);
      return;
    }
    this.frameHeader(maxFrame, FrameType.Data, 0, streamId);
    this.messagePrefix(message.length);
    let at = maxFrame - messagePrefixBytes;
    this.copy(message, 0, at);
    while (at < message.length) {
      const next = Math.min(at + maxFrame, message.length);
      this.frameHeader(next - at, FrameType.Data, next === message.length ? end : 0, streamId);
      this.copy(message, at, next);
      at = next;
    }
  }

  messagePrefix(length: number): void {
    this.#reserve(messagePrefixBytes);
    this.#buffer[this.length++] = 0;
    this.uint32(length);
  }

  #reserve(bytes: number): void {
    const needed = this.length + bytes;
    if (needed <= this.#buffer.length) return;
    let size = Math.max(this.#buffer.length * 2, smallBytes);
    while (size < needed || (size > keptBytes && size < this.#lastLarge)) size *= 2;
    const larger =
      size > keptBytes ? takeLarge(size) : size <= 4096 ? Buffer.allocUnsafe(size) : Buffer.allocUnsafeSlow(size);
    if (this.length > 0) this.#buffer.copy(larger, 0, 0, this.length);
    this.#buffer = larger;
  }
}
