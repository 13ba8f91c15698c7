import type { Socket } from 'node:net';
import {
  defaultMaxFrame,
  defaultWindow,
  ErrorCode,
  Flag,
  FrameType,
  frameHeaderBytes,
  maxWindow,
  messagePrefixBytes,
  Setting,
} from './constants';
import { FrameReader } from './frame-reader';
import { type HeaderBlock, HpackDecoder } from './hpack-decoder';
import { HpackEncoder } from './hpack-encoder';
import { HpackError } from './hpack-error';
import {
  AbuseCost,
  abuseAllowance,
  abuseRefillPerSecond,
  assemblyBytes,
  connectionWindow,
  controlBacklogBytes,
  maxContinuations,
  maxHeaderBlockBytes,
  maxHeaderListBytes,
  outputHighBytes,
  streamWindow,
} from './limits';
import { Output, reuseLarge } from './output';
import type { Http2Stream } from './stream';
import { enterRead, type Flushable, flushLater, leaveRead } from './turn';

/** How long a failed connection stays half open so that the peer can read why. */
const lingerMs = 500;

interface OpenBlock {
  readonly streamId: number;
  readonly endStream: boolean;
  readonly parts: Uint8Array[];
  bytes: number;
}

/**
 * One HTTP/2 connection (RFC 9113), of either side: reads frames, keeps the windows, and collects output that leaves in one
 * write at the end of the turn. What calls mean is the subclasses' business.
 */
export abstract class Http2Connection implements Flushable {
  readonly socket: Socket;
  readonly streams = new Map<number, Http2Stream>();
  readonly encoder = new HpackEncoder();
  readonly out = new Output();
  /** `performance.now()` when the bytes that are being handled were read. */
  now = performance.now();
  /** No frame is read or written any more. */
  closed = false;
  sendWindow: number = defaultWindow;
  peerInitialWindow: number = defaultWindow;
  peerMaxFrame: number = defaultMaxFrame;
  /** HEADERS or DATA went out since the peer's last ping. */
  protected sentSincePing = false;
  /** Memory of what has arrived and was not handed on: incomplete messages and those of paused streams. */
  assembling = 0;
  /** All memory that the peer makes us hold by being slow: `assembling`, what it does not read, headers of open streams. */
  held = 0;
  /** Highest stream id the peer has opened. */
  protected lastPeerStream = 0;
  protected settingsReceived = false;
  /** The peer does not read: frames wait in their streams. */
  #blocked = false;
  #flushAsked = false;
  #controlBacklog = 0;
  #receiveWindow = connectionWindow;
  #openBlock: OpenBlock | undefined;
  #allowance = abuseAllowance;
  #allowanceAt = this.now;
  readonly #waiting = new Set<Http2Stream>();
  readonly #decoder = new HpackDecoder(maxHeaderListBytes);
  readonly #reader = new FrameReader();

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => this.receive(chunk));
    socket.on('drain', () => this.#drained());
    socket.on('error', (error) => this.transportError(error));
    socket.once('close', () => this.#transportClosed());
  }

  protected abstract onHeaders(streamId: number, block: HeaderBlock, endStream: boolean): void;
  /** A frame on a stream that is not in the table; `lastPeerStream` tells idle ones. */
  protected abstract isIdle(streamId: number): boolean;
  protected abstract onDataForUnknown(streamId: number): void;
  protected abstract onGoaway(lastStreamId: number, code: number, debug: string): void;
  protected abstract onSettings(id: number, value: number): void;
  protected abstract onPing(): void;
  protected abstract onPong(data: Uint8Array): void;
  protected abstract onClosed(reason: string): void;
  protected abstract reportProblem(reason: string): void;
  /** Why calls that are under way fail when the socket closes. */
  protected closeReason = 'error reading from server: EOF';

  // ---- reading

  receive(chunk: Buffer): void {
    this.now = performance.now();
    enterRead();
    try {
      this.#reader.read(chunk, this);
    } finally {
      leaveRead();
    }
  }

  /** One whole frame; called by the reader. The length was checked. */
  frame(bytes: Buffer, start: number, end: number, type: number, flags: number, streamId: number): void {
    if (this.#openBlock !== undefined && type !== FrameType.Continuation) {
      return this.fail(ErrorCode.ProtocolError, 'frame inside a header block');
    }
    if (!this.settingsReceived && type !== FrameType.Settings) {
      return this.fail(ErrorCode.ProtocolError, 'first frame is not SETTINGS');
    }
    switch (type) {
      case FrameType.Data:
        return this.#data(bytes, start, end, flags, streamId);
      case FrameType.Headers:
        return this.#headers(bytes, start, end, flags, streamId);
      case FrameType.WindowUpdate:
        return this.#windowUpdate(bytes, start, end, streamId);
      case FrameType.RstStream:
        return this.#rstStream(bytes, start, end, streamId);
      case FrameType.Ping:
        return this.#ping(bytes, start, end, flags, streamId);
      case FrameType.Settings:
        return this.#settings(bytes, start, end, flags, streamId);
      case FrameType.Continuation:
        return this.#continuation(bytes, start, end, flags, streamId);
      case FrameType.Priority:
        return this.#priority(bytes, start, end, streamId);
      case FrameType.Goaway:
        return this.#goaway(bytes, start, end, streamId);
      case FrameType.PushPromise:
        return this.fail(ErrorCode.ProtocolError, 'PUSH_PROMISE');
      default:
        this.charge(AbuseCost.unknownFrame);
    }
  }

  #data(bytes: Buffer, start: number, end: number, flags: number, streamId: number): void {
    if (streamId === 0) return this.fail(ErrorCode.ProtocolError, 'DATA on stream 0');
    const size = end - start;
    this.#receiveWindow -= size;
    if (this.#receiveWindow < 0) return this.fail(ErrorCode.FlowControlError, 'connection window exceeded');
    let from = start;
    let to = end;
    if ((flags & Flag.Padded) !== 0) {
      const padding = size > 0 ? (bytes[start] as number) : size;
      if (padding >= size) return this.fail(ErrorCode.ProtocolError, 'padding exceeds the frame');
      from++;
      to -= padding;
    }
    if (this.#receiveWindow < connectionWindow / 2) {
      this.#writeWindowUpdate(0, connectionWindow - this.#receiveWindow);
      this.#receiveWindow = connectionWindow;
    }
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      if (this.isIdle(streamId)) return this.fail(ErrorCode.ProtocolError, 'DATA on an idle stream');
      return this.onDataForUnknown(streamId);
    }
    this.#streamData(stream, bytes, from, to, size, (flags & Flag.EndStream) !== 0);
  }

  #streamData(stream: Http2Stream, bytes: Buffer, from: number, to: number, size: number, endStream: boolean): void {
    if (stream.remoteEnded) return stream.abort(ErrorCode.StreamClosed);
    stream.receiveWindow -= size;
    if (stream.receiveWindow < 0) return stream.abort(ErrorCode.FlowControlError);
    if (stream.contentLeft >= 0) {
      stream.contentLeft -= to - from;
      if (stream.contentLeft < 0 || (endStream && stream.contentLeft > 0)) return stream.abort(ErrorCode.ProtocolError);
    }
    if (to === from && !endStream) this.charge(AbuseCost.emptyFrame);
    stream.receiveData(bytes, from, to, endStream);
    if (!endStream) this.credit(stream);
  }

  /** Lets the peer send more on a stream that has been read. */
  credit(stream: Http2Stream): void {
    if (stream.gone || stream.paused || stream.remoteEnded || stream.receiveWindow >= streamWindow / 2) return;
    this.#writeWindowUpdate(stream.id, streamWindow - stream.receiveWindow);
    stream.receiveWindow = streamWindow;
  }

  #headers(bytes: Buffer, start: number, end: number, flags: number, streamId: number): void {
    if (streamId === 0) return this.fail(ErrorCode.ProtocolError, 'HEADERS on stream 0');
    let from = start;
    let to = end;
    if ((flags & Flag.Padded) !== 0) {
      const padding = end > start ? (bytes[from++] as number) : 0;
      to -= padding;
      if (to < from) return this.fail(ErrorCode.ProtocolError, 'padding exceeds the frame');
    }
    if ((flags & Flag.Priority) !== 0) {
      if (to - from < 5) return this.fail(ErrorCode.FrameSizeError, 'HEADERS without its priority');
      if ((bytes.readUInt32BE(from) & 0x7fffffff) === streamId) {
        return this.fail(ErrorCode.ProtocolError, 'stream depends on itself');
      }
      from += 5;
    }
    const endStream = (flags & Flag.EndStream) !== 0;
    if ((flags & Flag.EndHeaders) !== 0) return this.#headerBlock(streamId, bytes, from, to, endStream);
    const first = Buffer.from(bytes.subarray(from, to));
    this.#openBlock = { streamId, endStream, parts: [first], bytes: first.length };
  }

  #continuation(bytes: Buffer, start: number, end: number, flags: number, streamId: number): void {
    const open = this.#openBlock;
    if (open === undefined || open.streamId !== streamId) {
      return this.fail(ErrorCode.ProtocolError, 'CONTINUATION without its HEADERS');
    }
    open.parts.push(Buffer.from(bytes.subarray(start, end)));
    open.bytes += end - start;
    if (open.bytes > maxHeaderBlockBytes || open.parts.length > maxContinuations) {
      return this.fail(ErrorCode.EnhanceYourCalm, 'header block too large');
    }
    if ((flags & Flag.EndHeaders) === 0) return;
    this.#openBlock = undefined;
    const block = Buffer.concat(open.parts);
    this.#headerBlock(streamId, block, 0, block.length, open.endStream);
  }

  #headerBlock(streamId: number, bytes: Buffer, start: number, end: number, endStream: boolean): void {
    let block: HeaderBlock;
    try {
      block = this.#decoder.decode(bytes, start, end);
    } catch (error) {
      if (!(error instanceof HpackError)) throw error;
      return this.fail(ErrorCode.CompressionError, error.message);
    }
    this.onHeaders(streamId, block, endStream);
  }

  #windowUpdate(bytes: Buffer, start: number, end: number, streamId: number): void {
    if (end - start !== 4) return this.fail(ErrorCode.FrameSizeError, 'WINDOW_UPDATE of a wrong size');
    this.charge(AbuseCost.windowUpdate);
    const increment = bytes.readUInt32BE(start) & 0x7fffffff;
    if (streamId === 0) {
      if (increment === 0) return this.fail(ErrorCode.ProtocolError, 'WINDOW_UPDATE of 0');
      this.sendWindow += increment;
      if (this.sendWindow > maxWindow) return this.fail(ErrorCode.FlowControlError, 'connection window overflow');
      return this.#pumpAll();
    }
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      if (this.isIdle(streamId)) this.fail(ErrorCode.ProtocolError, 'WINDOW_UPDATE on an idle stream');
      return;
    }
    if (increment === 0) return stream.abort(ErrorCode.ProtocolError);
    stream.sendWindow += increment;
    if (stream.sendWindow > maxWindow) return stream.abort(ErrorCode.FlowControlError);
    if (this.#waiting.has(stream)) this.#pump(stream);
  }

  #rstStream(bytes: Buffer, start: number, end: number, streamId: number): void {
    if (end - start !== 4) return this.fail(ErrorCode.FrameSizeError, 'RST_STREAM of a wrong size');
    if (streamId === 0 || this.isIdle(streamId))
      return this.fail(ErrorCode.ProtocolError, 'RST_STREAM on an idle stream');
    const stream = this.streams.get(streamId);
    this.charge(AbuseCost.reset);
    if (stream !== undefined) stream.receiveReset(bytes.readUInt32BE(start));
  }

  #ping(bytes: Buffer, start: number, end: number, flags: number, streamId: number): void {
    if (streamId !== 0) return this.fail(ErrorCode.ProtocolError, 'PING on a stream');
    if (end - start !== 8) return this.fail(ErrorCode.FrameSizeError, 'PING of a wrong size');
    if ((flags & Flag.Ack) !== 0) return this.onPong(bytes.subarray(start, end));
    this.charge(AbuseCost.ping);
    this.writePing(bytes.subarray(start, end), true);
    this.onPing();
  }

  #settings(bytes: Buffer, start: number, end: number, flags: number, streamId: number): void {
    if (streamId !== 0) return this.fail(ErrorCode.ProtocolError, 'SETTINGS on a stream');
    const size = end - start;
    if ((flags & Flag.Ack) !== 0) {
      if (size !== 0) this.fail(ErrorCode.FrameSizeError, 'SETTINGS acknowledgement with content');
      return;
    }
    if (size % 6 !== 0) return this.fail(ErrorCode.FrameSizeError, 'SETTINGS of a wrong size');
    this.charge(AbuseCost.settings + size);
    for (let at = start; at < end && !this.closed; at += 6) {
      this.#applySetting(bytes.readUInt16BE(at), bytes.readUInt32BE(at + 2));
    }
    if (this.closed) return;
    this.settingsReceived = true;
    this.#control(frameHeaderBytes);
    this.out.frameHeader(0, FrameType.Settings, Flag.Ack, 0);
    this.#pumpAll();
  }

  #applySetting(id: number, value: number): void {
    if (id === Setting.HeaderTableSize) this.encoder.setMaxSize(value);
    else if (id === Setting.InitialWindowSize) this.#changeInitialWindow(value);
    else if (id === Setting.MaxFrameSize) {
      if (value < defaultMaxFrame || value > 0xffffff) return this.fail(ErrorCode.ProtocolError, 'bad MAX_FRAME_SIZE');
      this.peerMaxFrame = value;
    } else if (id === Setting.EnablePush && value > 1) return this.fail(ErrorCode.ProtocolError, 'bad ENABLE_PUSH');
    this.onSettings(id, value);
  }

  #changeInitialWindow(value: number): void {
    if (value > maxWindow) return this.fail(ErrorCode.FlowControlError, 'bad INITIAL_WINDOW_SIZE');
    const delta = value - this.peerInitialWindow;
    this.peerInitialWindow = value;
    for (const stream of this.streams.values()) {
      stream.sendWindow += delta;
      if (stream.sendWindow > maxWindow) return this.fail(ErrorCode.FlowControlError, 'stream window overflow');
    }
  }

  #priority(bytes: Buffer, start: number, end: number, streamId: number): void {
    if (streamId === 0) return this.fail(ErrorCode.ProtocolError, 'PRIORITY on stream 0');
    if (end - start !== 5) return this.fail(ErrorCode.FrameSizeError, 'PRIORITY of a wrong size');
    this.charge(AbuseCost.priority);
    if ((bytes.readUInt32BE(start) & 0x7fffffff) === streamId)
      this.fail(ErrorCode.ProtocolError, 'stream depends on itself');
  }

  #goaway(bytes: Buffer, start: number, end: number, streamId: number): void {
    if (streamId !== 0) return this.fail(ErrorCode.ProtocolError, 'GOAWAY on a stream');
    if (end - start < 8) return this.fail(ErrorCode.FrameSizeError, 'GOAWAY of a wrong size');
    const debug = bytes.toString('latin1', start + 8, Math.min(end, start + 8 + 256));
    this.onGoaway(bytes.readUInt32BE(start) & 0x7fffffff, bytes.readUInt32BE(start + 4), debug);
  }

  /** Pays for a frame that makes work for nothing. */
  charge(cost: number): void {
    this.#allowance -= cost;
    if (this.#allowance >= 0) return;
    this.#allowance += ((this.now - this.#allowanceAt) * abuseRefillPerSecond) / 1000;
    this.#allowance = Math.min(this.#allowance, abuseAllowance);
    this.#allowanceAt = this.now;
    if (this.#allowance < 0) this.fail(ErrorCode.EnhanceYourCalm, 'too many frames without use');
  }

  /** Counts memory held (or freed, when negative) on the peer's behalf. */
  hold(bytes: number): void {
    this.held += bytes;
  }

  holdPart(bytes: number): void {
    this.assembling += bytes;
    this.hold(bytes);
  }

  /** Paused by whom we serve; a client pauses its own streams, which its few peers fill by the window at most. */
  holdPaused(_bytes: number): void {}

  /** Octets of messages that are not complete yet. */
  protected get assemblyMax(): number {
    return assemblyBytes;
  }

  checkAssembling(stream: Http2Stream): void {
    if (this.assembling > this.assemblyMax) stream.abort(ErrorCode.EnhanceYourCalm);
  }

  // ---- writing

  /** Makes sure that what is in `out` leaves at the end of the turn. */
  flushSoon(): void {
    if (this.#flushAsked) return;
    this.#flushAsked = true;
    flushLater(this);
  }

  flush(): void {
    this.#flushAsked = false;
    this.#writeOut();
    // What the streams still hold may go now that the output is empty.
    while (this.#waiting.size > 0 && !this.#blocked && !this.closed) {
      const before = this.out.length;
      this.#pumpAll();
      if (this.out.length === before) return;
      this.#writeOut();
    }
  }

  #writeOut(): void {
    const { out, socket } = this;
    if (out.length === 0 || socket.destroyed || !socket.writable) {
      out.written(true);
      return;
    }
    const { bytes } = out;
    if (out.isLarge) {
      const memory = out.detachLarge();
      socket.write(bytes, () => reuseLarge(memory));
    } else {
      socket.write(bytes);
      out.written(socket.writableLength === 0);
    }
    if (socket.writableLength > outputHighBytes) this.#blocked = true;
  }

  #drained(): void {
    this.#blocked = false;
    this.#controlBacklog = 0;
    this.flush();
  }

  /** There is room for a message of `size` octets (prefix included) on `stream` now. */
  canWrite(stream: Http2Stream, size: number): boolean {
    return size <= this.sendWindow && size <= stream.sendWindow && !this.#blocked && this.out.length < outputHighBytes;
  }

  /** Writes a message at once; only after `canWrite`, and with nothing queued before it. */
  writeMessage(stream: Http2Stream, message: Uint8Array, endStream: boolean): void {
    const size = message.length + messagePrefixBytes;
    this.sendWindow -= size;
    stream.sendWindow -= size;
    this.sentSincePing = true;
    this.out.message(stream.id, message, this.peerMaxFrame, endStream);
    this.flushSoon();
  }

  /** `stream` has more to send; it is asked again when windows or the output may have room. */
  wait(stream: Http2Stream): void {
    this.#waiting.add(stream);
  }

  forget(stream: Http2Stream): void {
    this.#waiting.delete(stream);
    this.streams.delete(stream.id);
    stream.release();
  }

  #pumpAll(): void {
    if (this.#waiting.size === 0) return;
    // A copy of the order: streams that are still not done go to the end, so that all get their turn.
    const order = Array.from(this.#waiting);
    for (const stream of order) {
      if (this.#blocked || this.sendWindow <= 0 || this.out.length >= outputHighBytes) break;
      this.#waiting.delete(stream);
      this.#waiting.add(stream);
      this.#pump(stream);
    }
  }

  /** Sends of a stream's queue what the windows allow, at most one share of the output at a time. */
  #pump(stream: Http2Stream): void {
    if (stream.raw) {
      this.#waiting.delete(stream);
      return stream.queueShrunk();
    }
    const { queue } = stream;
    const before = queue.bytes;
    const share = this.out.length + outputHighBytes / 4;
    while (queue.bytes > 0 && this.out.length < share && !this.#blocked) {
      const room = Math.min(this.sendWindow, stream.sendWindow, this.peerMaxFrame);
      if (room <= 0) break;
      this.#writePiece(stream, Math.min(room, queue.firstLeft));
    }
    if (queue.bytes === 0) this.#waiting.delete(stream);
    if (queue.bytes === before) return;
    this.flushSoon();
    stream.queueShrunk();
  }

  #writePiece(stream: Http2Stream, size: number): void {
    const { queue } = stream;
    const { first, offset } = queue;
    this.sendWindow -= size;
    stream.sendWindow -= size;
    this.hold(-size);
    this.sentSincePing = true;
    this.out.frameHeader(size, FrameType.Data, 0, stream.id);
    let left = size;
    let at = offset;
    const { prefixBytes, length } = queue;
    if (at < prefixBytes) {
      const prefix = [0, length >>> 24, length >>> 16, length >>> 8, length];
      const part = Uint8Array.from(prefix).subarray(at, Math.min(prefixBytes, at + left));
      this.out.copy(part);
      left -= part.length;
      at += part.length;
    }
    if (left > 0) this.out.copy(first, at - prefixBytes, at - prefixBytes + left);
    queue.advance(size);
  }

  /** DATA without gRPC framing, as much as windows and output allow; returns the octets taken. */
  writeRaw(stream: Http2Stream, bytes: Uint8Array, endStream: boolean): number {
    let at = 0;
    do {
      const room =
        this.#blocked || this.out.length >= outputHighBytes ? 0 : Math.min(this.sendWindow, stream.sendWindow);
      const size = Math.min(room, this.peerMaxFrame, bytes.length - at);
      if (size <= 0 && bytes.length > 0) break;
      const last = endStream && at + size === bytes.length;
      this.sendWindow -= size;
      stream.sendWindow -= size;
      this.sentSincePing = true;
      this.out.frameHeader(size, FrameType.Data, last ? Flag.EndStream : 0, stream.id);
      this.out.copy(bytes, at, at + size);
      at += size;
      this.flushSoon();
    } while (at < bytes.length);
    return at;
  }

  writeHeaders(streamId: number, endStream: boolean): void {
    this.out.headers(streamId, this.encoder.finish(), endStream);
    this.flushSoon();
  }

  writeReset(streamId: number, code: ErrorCode): void {
    this.#control(frameHeaderBytes + 4);
    this.out.frameHeader(4, FrameType.RstStream, 0, streamId);
    this.out.uint32(code);
  }

  writePing(data: Uint8Array, ack: boolean): void {
    this.#control(frameHeaderBytes + 8);
    this.out.frameHeader(8, FrameType.Ping, ack ? Flag.Ack : 0, 0);
    this.out.copy(data);
  }

  writeSettings(settings: ReadonlyArray<readonly [id: number, value: number]>): void {
    this.out.frameHeader(settings.length * 6, FrameType.Settings, 0, 0);
    for (const [id, value] of settings) {
      this.out.uint16(id);
      this.out.uint32(value);
    }
    this.#writeWindowUpdate(0, connectionWindow - defaultWindow);
    this.flushSoon();
  }

  writeGoaway(lastStreamId: number, code: ErrorCode, debug: string): void {
    const text = Buffer.from(debug);
    this.out.frameHeader(8 + text.length, FrameType.Goaway, 0, 0);
    this.out.uint32(lastStreamId);
    this.out.uint32(code);
    this.out.copy(text);
    this.flushSoon();
  }

  #writeWindowUpdate(streamId: number, increment: number): void {
    this.#control(frameHeaderBytes + 4);
    this.out.frameHeader(4, FrameType.WindowUpdate, 0, streamId);
    this.out.uint32(increment);
  }

  /** Room for an answer to a control frame. A peer that makes us answer and never reads is dropped. */
  #control(bytes: number): void {
    this.flushSoon();
    if (!this.#blocked) return;
    this.#controlBacklog += bytes;
    if (this.#controlBacklog <= controlBacklogBytes) return;
    this.reportProblem('answers are not being read');
    this.destroy('answers are not being read');
  }

  // ---- ending

  /** Connection error: GOAWAY, then close. */
  fail(code: ErrorCode, reason: string): void {
    if (this.closed) return;
    this.reportProblem(reason);
    this.writeGoaway(this.lastPeerStream, code, reason);
    this.shut(reason);
  }

  /** Ends the connection after what is written. */
  shut(reason: string): void {
    if (this.closed) return;
    this.closeReason = reason;
    this.#writeOut();
    this.#end(reason);
    this.socket.end();
    setTimeout(() => this.socket.destroy(), lingerMs).unref();
  }

  destroy(reason: string): void {
    this.socket.destroy();
    this.#end(reason);
  }

  /** That the peer is gone is what `closeReason` says already. */
  protected transportError(error: NodeJS.ErrnoException): void {
    if (error.code !== 'EPIPE' && error.code !== 'ECONNRESET') this.closeReason = error.message;
  }

  #transportClosed(): void {
    this.#end(this.closeReason);
  }

  #end(reason: string): void {
    if (this.closed) return;
    this.closed = true;
    this.#waiting.clear();
    const streams = [...this.streams.values()];
    this.streams.clear();
    for (const stream of streams) {
      stream.release();
      stream.connectionLost(reason);
    }
    this.onClosed(reason);
  }
}
