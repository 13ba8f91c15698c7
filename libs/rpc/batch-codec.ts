/**
 * Hand-written codec of hexad.CallBatch and hexad.ReplyBatch (proto/hexad/batch.proto): every request inside the member
 * passes through it twice, so it does one sizing pass, one allocation and one writing pass, and decodes payloads as views.
 */

import type { BusyPeriod } from '../attribution';

export interface BatchCall {
  /** Chosen by the client, unique among its unanswered calls. */
  readonly id: number;
  /** The service's own list of methods. */
  readonly method: number;
  readonly payload: Uint8Array;
  readonly requiredIndex: number;
  readonly user: string;
  readonly authRevision: number;
  readonly trace: Uint8Array;
}

export interface BatchReply {
  readonly id: number;
  /** Id in the error catalogue; 0: OK. */
  readonly error: number;
  readonly errorDetail: string;
  readonly payload: Uint8Array;
  /** What the answer itself took; 0 without stage stamps. */
  readonly workMicros: number;
}

/** Malformed bytes from a peer. */
export class BatchFormatError extends Error {}

export const noBytes: Uint8Array = new Uint8Array(0);

const callTag = 0x0a;
const sentAtTag = 0x10;
const busyFromTag = 0x18;
const busyToTag = 0x20;
const busyMicrosTag = 0x28;

export function encodeCallBatch(calls: readonly BatchCall[]): Uint8Array {
  const sizes: number[] = [];
  let total = 0;
  for (let i = 0; i < calls.length; i++) {
    const size = sizeOfCall(calls[i] as BatchCall);
    sizes.push(size);
    total += 1 + varintSize(size) + size;
  }
  const out = new Output(total);
  for (let i = 0; i < calls.length; i++) {
    const call = calls[i] as BatchCall;
    out.byte(callTag);
    out.varint(sizes[i] as number);
    out.number(0x08, call.id);
    out.number(0x10, call.method);
    out.bytes(0x1a, call.payload);
    out.number(0x20, call.requiredIndex);
    out.string(0x2a, call.user);
    out.number(0x30, call.authRevision);
    out.bytes(0x3a, call.trace);
  }
  return out.buffer;
}

/** `sentAt`: microseconds of the host's monotonic clock; 0: not told, and nothing of `busy` either. */
export function encodeReplyBatch(replies: readonly BatchReply[], sentAt = 0, busy?: BusyPeriod): Uint8Array {
  const sizes: number[] = [];
  let total = numberSize(sentAt);
  if (busy !== undefined) total += numberSize(busy.from) + numberSize(busy.to) + numberSize(busy.busy);
  for (let i = 0; i < replies.length; i++) {
    const size = sizeOfReply(replies[i] as BatchReply);
    sizes.push(size);
    total += 1 + varintSize(size) + size;
  }
  const out = new Output(total);
  out.number(sentAtTag, sentAt);
  if (busy !== undefined) {
    out.number(busyFromTag, busy.from);
    out.number(busyToTag, busy.to);
    out.number(busyMicrosTag, busy.busy);
  }
  for (let i = 0; i < replies.length; i++) {
    const reply = replies[i] as BatchReply;
    out.byte(callTag);
    out.varint(sizes[i] as number);
    out.number(0x08, reply.id);
    out.number(0x10, reply.error);
    out.string(0x1a, reply.errorDetail);
    out.bytes(0x22, reply.payload);
    out.number(0x30, reply.workMicros);
  }
  return out.buffer;
}

/** Payloads and traces are views of `bytes`. Throws BatchFormatError. */
export function decodeCallBatch(bytes: Uint8Array): BatchCall[] {
  const input = new Input(bytes);
  const calls: BatchCall[] = [];
  while (input.at < bytes.length) {
    if (input.varint() !== callTag) throw new BatchFormatError('unexpected field in CallBatch');
    calls.push(decodeCall(input, input.end()));
  }
  return calls;
}

/** Payloads are views of `bytes`. Throws BatchFormatError. */
export function decodeReplyBatch(bytes: Uint8Array): BatchReply[] {
  const input = new Input(bytes);
  const replies: BatchReply[] = [];
  while (input.at < bytes.length) {
    const tag = input.varint();
    if (tag === callTag) replies.push(decodeReply(input, input.end()));
    else if (tag === sentAtTag || tag === busyFromTag || tag === busyToTag || tag === busyMicrosTag) input.varint();
    else throw new BatchFormatError('unexpected field in ReplyBatch');
  }
  return replies;
}

/** When a ReplyBatch was sent; 0: it does not tell. Looks only where `encodeReplyBatch` puts it. */
export function sentAtOf(bytes: Uint8Array): number {
  if (bytes[0] !== sentAtTag) return 0;
  const input = new Input(bytes);
  input.at = 1;
  return input.varint();
}

/** What kept the sender of a ReplyBatch from answering lately. Looks only where `encodeReplyBatch` puts it. */
export function busyOf(bytes: Uint8Array): BusyPeriod | undefined {
  if (bytes[0] !== sentAtTag) return undefined;
  const input = new Input(bytes);
  input.at = 1;
  input.varint();
  if (bytes[input.at] !== busyFromTag) return undefined;
  const [from, to, busy] = [0, 1, 2].map(() => {
    input.at++;
    return input.varint();
  }) as [number, number, number];
  return { from, to, busy };
}

function decodeCall(input: Input, end: number): BatchCall {
  let id = 0;
  let method = 0;
  let payload = noBytes;
  let requiredIndex = 0;
  let user = '';
  let authRevision = 0;
  let trace = noBytes;
  while (input.at < end) {
    const tag = input.varint();
    if (tag === 0x08) id = input.varint();
    else if (tag === 0x10) method = input.varint();
    else if (tag === 0x1a) payload = input.bytes();
    else if (tag === 0x20) requiredIndex = input.varint();
    else if (tag === 0x2a) user = input.string();
    else if (tag === 0x30) authRevision = input.varint();
    else if (tag === 0x3a) trace = input.bytes();
    else input.skip(tag);
  }
  input.checkEnd(end);
  return { id, method, payload, requiredIndex, user, authRevision, trace };
}

function decodeReply(input: Input, end: number): BatchReply {
  let id = 0;
  let error = 0;
  let errorDetail = '';
  let payload = noBytes;
  let workMicros = 0;
  while (input.at < end) {
    const tag = input.varint();
    if (tag === 0x08) id = input.varint();
    else if (tag === 0x10) error = input.varint();
    else if (tag === 0x1a) errorDetail = input.string();
    else if (tag === 0x22) payload = input.bytes();
    else if (tag === 0x30) workMicros = input.varint();
    else input.skip(tag);
  }
  input.checkEnd(end);
  return { id, error, errorDetail, payload, workMicros };
}

function sizeOfCall(call: BatchCall): number {
  return (
    numberSize(call.id) +
    numberSize(call.method) +
    bytesSize(call.payload.length) +
    numberSize(call.requiredIndex) +
    bytesSize(Buffer.byteLength(call.user)) +
    numberSize(call.authRevision) +
    bytesSize(call.trace.length)
  );
}

function sizeOfReply(reply: BatchReply): number {
  return (
    numberSize(reply.id) +
    numberSize(reply.error) +
    bytesSize(Buffer.byteLength(reply.errorDetail)) +
    bytesSize(reply.payload.length) +
    numberSize(reply.workMicros)
  );
}

function numberSize(value: number): number {
  return value === 0 ? 0 : 1 + varintSize(value);
}

function bytesSize(length: number): number {
  return length === 0 ? 0 : 1 + varintSize(length) + length;
}

function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) size++;
  return size;
}

class Output {
  readonly buffer: Buffer;
  #at = 0;

  constructor(size: number) {
    this.buffer = Buffer.allocUnsafeSlow(size);
  }

  byte(value: number): void {
    this.buffer[this.#at++] = value;
  }

  /** Safe integers only, ≥ 0. */
  varint(value: number): void {
    let rest = value;
    while (rest > 0x7fffffff) {
      this.buffer[this.#at++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    while (rest >= 128) {
      this.buffer[this.#at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.buffer[this.#at++] = rest;
  }

  number(tag: number, value: number): void {
    if (value === 0) return;
    this.buffer[this.#at++] = tag;
    this.varint(value);
  }

  bytes(tag: number, value: Uint8Array): void {
    if (value.length === 0) return;
    this.buffer[this.#at++] = tag;
    this.varint(value.length);
    this.buffer.set(value, this.#at);
    this.#at += value.length;
  }

  string(tag: number, value: string): void {
    if (value.length === 0) return;
    this.buffer[this.#at++] = tag;
    this.varint(Buffer.byteLength(value));
    this.#at += this.buffer.write(value, this.#at);
  }
}

class Input {
  readonly #bytes: Uint8Array;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      if (this.at >= this.#bytes.length) throw new BatchFormatError('truncated varint');
      const byte = this.#bytes[this.at++] as number;
      value += (byte & 0x7f) * scale;
      if (byte < 128) break;
      scale *= 128;
      if (scale > 2 ** 56) throw new BatchFormatError('varint too long');
    }
    if (value > Number.MAX_SAFE_INTEGER) throw new BatchFormatError('number beyond 2^53-1');
    return value;
  }

  /** Reads a length and returns the position where the field ends. */
  end(): number {
    const length = this.varint();
    const end = this.at + length;
    if (end > this.#bytes.length) throw new BatchFormatError('truncated field');
    return end;
  }

  bytes(): Uint8Array {
    const end = this.end();
    const view = this.#bytes.subarray(this.at, end);
    this.at = end;
    return view;
  }

  string(): string {
    const view = this.bytes();
    return view.length === 0 ? '' : Buffer.from(view.buffer, view.byteOffset, view.length).toString();
  }

  /** Fields of a newer version are passed over. */
  skip(tag: number): void {
    const wireType = tag & 7;
    if (wireType === 0) this.varint();
    else if (wireType === 1) this.at += 8;
    else if (wireType === 2) this.at = this.end();
    else if (wireType === 5) this.at += 4;
    else throw new BatchFormatError(`wire type ${wireType}`);
  }

  checkEnd(end: number): void {
    if (this.at !== end) throw new BatchFormatError('field crosses the end of its message');
  }
}
