import { defaultMaxFrame, ErrorCode, frameHeaderBytes } from './constants';

export interface FrameSink {
  readonly closed: boolean;
  /** A whole frame with its payload in `bytes[start, end)`. */
  frame(bytes: Buffer, start: number, end: number, type: number, flags: number, streamId: number): void;
  fail(code: ErrorCode, reason: string): void;
}

const noBytes = Buffer.alloc(0);

/** Cuts a byte stream into frames. Whole frames are views of the chunk; only a frame that spans chunks is copied. */
export class FrameReader {
  /** The frame that spans chunks; its first nine octets only until they are known. */
  #partial: Buffer = noBytes;
  #filled = 0;

  read(chunk: Buffer, sink: FrameSink): void {
    let at = this.#filled > 0 ? this.#complete(chunk, sink) : 0;
    const end = chunk.length;
    while (end - at >= frameHeaderBytes && !sink.closed) {
      const length = lengthOf(chunk, at);
      if (length > defaultMaxFrame) return sink.fail(ErrorCode.FrameSizeError, 'frame too large');
      const next = at + frameHeaderBytes + length;
      if (next > end) break;
      emit(chunk, at, next, sink);
      at = next;
    }
    if (at < end && !sink.closed) this.#keep(chunk, at, sink);
  }

  #keep(chunk: Buffer, at: number, sink: FrameSink): void {
    this.#partial = Buffer.allocUnsafe(frameHeaderBytes);
    this.#fill(chunk, at, sink);
  }

  /** Completes the partial frame; returns the position after what was taken. */
  #complete(chunk: Buffer, sink: FrameSink): number {
    return this.#fill(chunk, 0, sink);
  }

  #fill(chunk: Buffer, start: number, sink: FrameSink): number {
    let at = this.#take(chunk, start);
    if (this.#filled === frameHeaderBytes && this.#partial.length === frameHeaderBytes) {
      const length = lengthOf(this.#partial, 0);
      if (length > defaultMaxFrame) {
        sink.fail(ErrorCode.FrameSizeError, 'frame too large');
        return chunk.length;
      }
      // Not from the shared pool: messages are given out as views of it.
      const whole = Buffer.allocUnsafeSlow(frameHeaderBytes + length);
      this.#partial.copy(whole);
      this.#partial = whole;
      at = this.#take(chunk, at);
    }
    if (this.#filled === this.#partial.length && this.#filled >= frameHeaderBytes) {
      const frame = this.#partial;
      this.#partial = noBytes;
      this.#filled = 0;
      emit(frame, 0, frame.length, sink);
    }
    return at;
  }

  #take(chunk: Buffer, at: number): number {
    const next = Math.min(chunk.length, at + this.#partial.length - this.#filled);
    chunk.copy(this.#partial, this.#filled, at, next);
    this.#filled += next - at;
    return next;
  }
}

function lengthOf(bytes: Buffer, at: number): number {
  return ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
}

function emit(bytes: Buffer, at: number, end: number, sink: FrameSink): void {
  const streamId =
    (((bytes[at + 5] as number) & 0x7f) << 24) |
    ((bytes[at + 6] as number) << 16) |
    ((bytes[at + 7] as number) << 8) |
    (bytes[at + 8] as number);
  sink.frame(bytes, at + frameHeaderBytes, end, bytes[at + 3] as number, bytes[at + 4] as number, streamId);
}
