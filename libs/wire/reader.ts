import {
  type Int64,
  signedFromWords,
  signedMixed,
  signedNumber,
  unsignedFromWords,
  unsignedMixed,
  unsignedNumber,
} from './int64';
import { WireError } from './wire-error';

export const WireType = { Varint: 0, Fixed64: 1, Delimited: 2, StartGroup: 3, EndGroup: 4, Fixed32: 5 } as const;

/** Deepest nesting of messages that is read. */
export const DEPTH_MAX = 100;

const SHORT_TEXT_BYTES = 24;
const NO_BYTES = new Uint8Array(0);
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Reads protobuf's wire format from `pos` to `end`. Every method throws WireError rather than read past `end`; byte
 * fields are views of the input, which the caller must therefore leave unchanged for as long as they live.
 */
export class Reader {
  pos: number;
  /** End of the message being read; inside a nested message it is that message's end. */
  end: number;
  private depth = 0;
  // Words of the last varint, as signed 32-bit integers.
  private low = 0;
  private high = 0;

  constructor(
    readonly bytesIn: Uint8Array,
    start = 0,
    end = bytesIn.length,
  ) {
    this.pos = start;
    this.end = end;
  }

  /** A field's tag: number × 8 + wire type. */
  tag(): number {
    const tag = this.uint32();
    if (tag < 8) throw new WireError(`field number 0 at byte ${this.pos}`);
    return tag;
  }

  /** Low 32 bits of a varint. */
  uint32(): number {
    const pos = this.pos;
    if (pos < this.end) {
      const first = this.bytesIn[pos] as number;
      if (first < 0x80) {
        this.pos = pos + 1;
        return first;
      }
    }
    this.readVarint();
    return this.low >>> 0;
  }

  int32(): number {
    return this.uint32() | 0;
  }

  bool(): boolean {
    this.readVarint();
    return (this.low | this.high) !== 0;
  }

  uint64Number(): number {
    this.readVarint();
    return this.high === 0 ? this.low >>> 0 : unsignedNumber(this.low, this.high);
  }

  int64Number(): number {
    this.readVarint();
    return this.high === 0 ? this.low >>> 0 : signedNumber(this.low, this.high);
  }

  uint64Mixed(): Int64 {
    this.readVarint();
    return this.high === 0 ? this.low >>> 0 : unsignedMixed(this.low, this.high);
  }

  int64Mixed(): Int64 {
    this.readVarint();
    return this.high === 0 ? this.low >>> 0 : signedMixed(this.low, this.high);
  }

  uint64BigInt(): bigint {
    this.readVarint();
    return unsignedFromWords(this.low, this.high);
  }

  int64BigInt(): bigint {
    this.readVarint();
    return signedFromWords(this.low, this.high);
  }

  fixed64BigInt(): bigint {
    const low = this.fixed32();
    return unsignedFromWords(low, this.fixed32());
  }

  fixed32(): number {
    const { bytesIn, pos } = this;
    if (this.end - pos < 4) throw this.truncated();
    this.pos = pos + 4;
    const low = (bytesIn[pos] as number) | ((bytesIn[pos + 1] as number) << 8) | ((bytesIn[pos + 2] as number) << 16);
    return (low | ((bytesIn[pos + 3] as number) << 24)) >>> 0;
  }

  /** A view, not a copy. */
  bytes(): Uint8Array {
    const length = this.length();
    const start = this.pos;
    this.pos = start + length;
    if (length === 0) return NO_BYTES;
    return new Uint8Array(this.bytesIn.buffer, this.bytesIn.byteOffset + start, length);
  }

  string(): string {
    const length = this.length();
    const start = this.pos;
    this.pos = start + length;
    if (length <= SHORT_TEXT_BYTES) {
      const text = this.ascii(start, this.pos);
      if (text !== undefined) return text;
    }
    try {
      return utf8.decode(this.bytesIn.subarray(start, this.pos));
    } catch {
      throw new WireError('string field contains invalid UTF-8');
    }
  }

  /** Narrows the reader to the nested message that starts here; give the result to `leave` after reading it. */
  enter(): number {
    const length = this.length();
    if (++this.depth > DEPTH_MAX) throw new WireError(`messages nested deeper than ${DEPTH_MAX}`);
    const outer = this.end;
    this.end = this.pos + length;
    return outer;
  }

  leave(outer: number): void {
    this.depth--;
    this.end = outer;
  }

  /** Like `enter` for a run of packed numbers. */
  enterPacked(): number {
    const length = this.length();
    const outer = this.end;
    this.end = this.pos + length;
    return outer;
  }

  leavePacked(outer: number): void {
    this.end = outer;
  }

  /** Passes over the value of a field that the reader does not know. */
  skip(tag: number): void {
    switch (tag & 7) {
      case WireType.Varint:
        this.readVarint();
        return;
      case WireType.Fixed64:
        this.advance(8);
        return;
      case WireType.Delimited:
        this.advance(this.length());
        return;
      case WireType.StartGroup:
        this.skipGroup(tag);
        return;
      case WireType.Fixed32:
        this.advance(4);
        return;
      default:
        throw new WireError(`wire type ${tag & 7} at byte ${this.pos}`);
    }
  }

  /** Length of a delimited field, checked to lie inside the message. */
  length(): number {
    const length = this.uint32();
    if (length > this.end - this.pos) throw this.truncated();
    return length;
  }

  private skipGroup(start: number): void {
    if (++this.depth > DEPTH_MAX) throw new WireError(`messages nested deeper than ${DEPTH_MAX}`);
    let tag = this.tag();
    for (; (tag & 7) !== WireType.EndGroup; tag = this.tag()) this.skip(tag);
    if (tag >>> 3 !== start >>> 3) throw new WireError('mismatched end of group');
    this.depth--;
  }

  private advance(count: number): void {
    if (count > this.end - this.pos) throw this.truncated();
    this.pos += count;
  }

  private ascii(start: number, end: number): string | undefined {
    const bytes = this.bytesIn;
    let text = '';
    for (let i = start; i < end; i++) {
      const byte = bytes[i] as number;
      if (byte >= 0x80) return undefined;
      text += String.fromCharCode(byte);
    }
    return text;
  }

  private readVarint(): void {
    const { bytesIn, end } = this;
    let pos = this.pos;
    let low = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      if (pos >= end) throw this.truncated();
      const byte = bytesIn[pos++] as number;
      low |= (byte & 0x7f) << shift;
      if (byte < 0x80) return this.setVarint(pos, low, 0);
    }
    if (pos >= end) throw this.truncated();
    const fifth = bytesIn[pos++] as number;
    low |= (fifth & 0x0f) << 28;
    let high = (fifth & 0x7f) >> 4;
    if (fifth < 0x80) return this.setVarint(pos, low, high);
    for (let shift = 3; shift <= 31; shift += 7) {
      if (pos >= end) throw this.truncated();
      const byte = bytesIn[pos++] as number;
      high |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        if (shift === 31 && byte > 1) break;
        return this.setVarint(pos, low, high);
      }
    }
    throw new WireError(`varint over 64 bits at byte ${this.pos}`);
  }

  private setVarint(pos: number, low: number, high: number): void {
    this.pos = pos;
    this.low = low;
    this.high = high;
  }

  private truncated(): WireError {
    return new WireError(`unexpected end of message at byte ${this.pos}`);
  }
}
