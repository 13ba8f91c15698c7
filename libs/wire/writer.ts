import { type Int64, splitHigh, splitInt64, splitLow } from './int64';

// Small messages are cut from one slab, so that most need no allocation of a buffer of their own; a message that is
// kept pins at most this much.
const SLAB_BYTES = 32 * 1024;
const LOOP_COPY_BYTES = 24;
const SHORT_TEXT_CHARS = 48;
const utf8 = new TextEncoder();

let idleWriter: Writer | undefined;

/**
 * A writer for one message; `finish` gives it back. If writing throws, the writer is simply dropped. Safe to nest: a codec may
 * encode another message while its own is half written.
 */
export function acquireWriter(): Writer {
  const writer = idleWriter ?? new Writer();
  idleWriter = undefined;
  return writer;
}

/**
 * Writes protobuf's wire format **from the end to the start**: a message's last field first, each value before its tag.
 * A nested message's length is then known when it is due, so one pass writes the exact bytes, with no sizes computed
 * before and nothing moved after.
 *
 *     const w = acquireWriter();
 *     w.bytes(value);  w.uint32(0x12);   // field 2
 *     w.bytes(key);    w.uint32(0x0a);   // field 1
 *     return w.finish();
 */
export class Writer {
  private buffer = new Uint8Array(SLAB_BYTES);
  private pos = SLAB_BYTES;
  private end = SLAB_BYTES;

  /** Bytes written so far. */
  get length(): number {
    return this.end - this.pos;
  }

  /** The message. It is never written to again, and it may share its ArrayBuffer with other messages. */
  finish(): Uint8Array {
    const { buffer, pos, end } = this;
    this.end = pos;
    giveBack(this);
    return new Uint8Array(buffer.buffer, pos, end - pos);
  }

  /** Varint of 32 bits. */
  uint32(value: number): void {
    if (this.pos < 5) this.grow(5);
    if (value < 0x80) {
      this.buffer[--this.pos] = value;
      return;
    }
    const { buffer } = this;
    let pos = this.pos - (value < 0x4000 ? 2 : value < 0x200000 ? 3 : value < 0x10000000 ? 4 : 5);
    this.pos = pos;
    let rest = value;
    while (rest >= 0x80) {
      buffer[pos++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    buffer[pos] = rest;
  }

  /** Negative values take ten bytes, as protobuf has it. */
  int32(value: number): void {
    if (value >= 0) this.uint32(value);
    else this.varint64(value | 0, -1);
  }

  bool(value: boolean): void {
    this.uint32(value ? 1 : 0);
  }

  /** Any 64-bit integer in two's complement; throws WireError if it does not fit or is a number beyond 2^53 − 1. */
  int64(value: Int64): void {
    if (typeof value === 'number' && value >= 0 && value <= 0xffffffff && value % 1 === 0) {
      this.uint32(value);
      return;
    }
    splitInt64(value);
    this.varint64(splitLow, splitHigh);
  }

  fixed64(value: Int64): void {
    splitInt64(value);
    this.fixed32(splitHigh);
    this.fixed32(splitLow);
  }

  fixed32(value: number): void {
    if (this.pos < 4) this.grow(4);
    const { buffer } = this;
    this.pos -= 4;
    const pos = this.pos;
    buffer[pos] = value;
    buffer[pos + 1] = value >>> 8;
    buffer[pos + 2] = value >>> 16;
    buffer[pos + 3] = value >>> 24;
  }

  /** A byte field: the bytes and their length. */
  bytes(value: Uint8Array): void {
    this.raw(value);
    this.uint32(value.length);
  }

  /** Bytes as they are, such as a message or fields that are already encoded. */
  raw(value: Uint8Array): void {
    const count = value.length;
    if (this.pos < count) this.grow(count);
    const { buffer } = this;
    this.pos -= count;
    const pos = this.pos;
    if (count > LOOP_COPY_BYTES) {
      buffer.set(value, pos);
      return;
    }
    for (let i = 0; i < count; i++) buffer[pos + i] = value[i] as number;
  }

  /** A string field: UTF-8 and its length. Lone surrogates become U+FFFD. */
  string(value: string): void {
    const count = value.length;
    if (count > SHORT_TEXT_CHARS || !this.ascii(value, count)) {
      this.bytes(utf8.encode(value));
      return;
    }
    this.uint32(count);
  }

  /** Closes a nested message that was begun when `length` was `lengthBefore`. */
  endMessage(lengthBefore: number, tag: number): void {
    this.uint32(this.length - lengthBefore);
    this.uint32(tag);
  }

  private ascii(value: string, count: number): boolean {
    if (this.pos < count) this.grow(count);
    const { buffer } = this;
    const pos = this.pos - count;
    for (let i = 0; i < count; i++) {
      const code = value.charCodeAt(i);
      if (code >= 0x80) return false;
      buffer[pos + i] = code;
    }
    this.pos = pos;
    return true;
  }

  private varint64(low: number, high: number): void {
    if (this.pos < 10) this.grow(10);
    const { buffer } = this;
    let pos = this.pos - varint64Size(low, high);
    this.pos = pos;
    let restLow = low >>> 0;
    let restHigh = high >>> 0;
    while (restHigh !== 0 || restLow >= 0x80) {
      buffer[pos++] = (restLow & 0x7f) | 0x80;
      restLow = ((restLow >>> 7) | (restHigh << 25)) >>> 0;
      restHigh >>>= 7;
    }
    buffer[pos] = restLow;
  }

  private grow(count: number): void {
    const written = this.length;
    const needed = written + count;
    const size = needed <= SLAB_BYTES / 2 ? SLAB_BYTES : needed + (needed >> 1);
    const larger = new Uint8Array(size);
    larger.set(this.buffer.subarray(this.pos, this.end), size - written);
    this.buffer = larger;
    this.end = size;
    this.pos = size - written;
  }
}

function giveBack(writer: Writer): void {
  idleWriter = writer;
}

function varint64Size(low: number, high: number): number {
  if (high === 0) return varint32Size(low >>> 0);
  const bits = 64 - Math.clz32(high);
  return Math.ceil(bits / 7);
}

function varint32Size(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x200000 ? 3 : value < 0x10000000 ? 4 : 5;
}

/** Bytes of a varint. */
export function sizeInt64(value: Int64): number {
  if (typeof value === 'number' && value >= 0 && value <= 0xffffffff && value % 1 === 0) return varint32Size(value);
  splitInt64(value);
  return varint64Size(splitLow, splitHigh);
}

/** Bytes of a length-delimited field without its tag. */
export function sizeDelimited(length: number): number {
  return varint32Size(length) + length;
}

/** UTF-8 bytes of a string, length prefix included. */
export function sizeString(value: string): number {
  let length = 0;
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if (code < 0x80) length += 1;
    else if (code < 0x800) length += 2;
    else if (code >= 0xd800 && code <= 0xdbff && isLowSurrogate(value.charCodeAt(i + 1))) {
      length += 4;
      i++;
    } else length += 3;
  }
  return sizeDelimited(length);
}

function isLowSurrogate(code: number): boolean {
  return code >= 0xdc00 && code <= 0xdfff;
}
