import { connect, type Socket } from 'node:net';
import { ErrorCode, Flag, FrameType, frameHeaderBytes, preface } from '../native/constants';
import { HpackDecoder } from '../native/hpack-decoder';
import { HpackEncoder } from '../native/hpack-encoder';
import type { Address } from '../types';

export interface RawFrame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

/** A client that sends exactly the frames it is told to, right or wrong, and keeps what comes back. */
export class RawPeer {
  readonly socket: Socket;
  readonly frames: RawFrame[] = [];
  closed = false;
  readonly #encoder = new HpackEncoder();
  readonly #decoder = new HpackDecoder(1 << 20);
  #rest = Buffer.alloc(0);
  #waiters: Array<() => void> = [];

  #skip: number;

  /** Connects to a server, or plays the server on a connection that was accepted. */
  constructor(peer: Address | Socket) {
    const accepted = !('kind' in peer);
    this.#skip = accepted ? preface.length : 0;
    this.socket = accepted
      ? peer
      : connect(peer.kind === 'unix' ? { path: peer.path } : { host: peer.host, port: peer.port });
    this.socket.on('data', (chunk: Buffer) => this.#read(chunk));
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      this.closed = true;
      this.#wake();
    });
  }

  /** Preface and empty SETTINGS. */
  hello(settings: Buffer = Buffer.alloc(0)): this {
    this.socket.write(preface);
    return this.send(FrameType.Settings, 0, 0, settings);
  }

  send(type: number, flags: number, streamId: number, payload: Uint8Array = Buffer.alloc(0)): this {
    this.socket.write(frame(type, flags, streamId, payload));
    return this;
  }

  headers(streamId: number, fields: ReadonlyArray<readonly [string, string]>, flags: number = Flag.EndHeaders): this {
    return this.send(FrameType.Headers, flags, streamId, this.block(fields));
  }

  block(fields: ReadonlyArray<readonly [string, string]>): Buffer {
    this.#encoder.begin();
    for (const [name, value] of fields) this.#encoder.field(name, value, false);
    return Buffer.from(this.#encoder.finish());
  }

  /** A whole unary request. */
  request(
    streamId: number,
    path: string,
    message: Uint8Array,
    fields: ReadonlyArray<readonly [string, string]> = [],
  ): this {
    this.headers(streamId, [...grpcFields(path), ...fields]);
    return this.send(FrameType.Data, Flag.EndStream, streamId, grpcMessage(message));
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#waiters.push(resolve));
  }

  /** The first frame that fits, now or later. */
  async frame(fits: (frame: RawFrame) => boolean): Promise<RawFrame> {
    await this.until(() => this.frames.some(fits) || this.closed);
    const found = this.frames.find(fits);
    if (found === undefined)
      throw new Error(`closed without the frame; got ${this.frames.map((f) => f.type).join(' ')}`);
    return found;
  }

  /** The error code and text of GOAWAY. */
  async goaway(): Promise<{ code: number; text: string }> {
    const { payload } = await this.frame((each) => each.type === FrameType.Goaway);
    return { code: payload.readUInt32BE(4), text: payload.subarray(8).toString() };
  }

  async reset(streamId: number): Promise<number> {
    const found = await this.frame((each) => each.type === FrameType.RstStream && each.streamId === streamId);
    return found.payload.readUInt32BE(0);
  }

  /** Fields of all header blocks so far, by stream. Call it once: blocks must be decoded in order. */
  decodeHeaders(): Array<{ streamId: number; fields: Record<string, string> }> {
    return this.frames
      .filter((each) => each.type === FrameType.Headers)
      .map(({ streamId, payload }) => ({
        streamId,
        fields: Object.fromEntries(this.#decoder.decode(payload, 0, payload.length).fields),
      }));
  }

  close(): void {
    this.socket.destroy();
  }

  #read(chunk: Buffer): void {
    const skipped = Math.min(this.#skip, chunk.length);
    this.#skip -= skipped;
    this.#rest = Buffer.concat([this.#rest, chunk.subarray(skipped)]);
    while (this.#rest.length >= frameHeaderBytes) {
      const end = frameHeaderBytes + this.#rest.readUIntBE(0, 3);
      if (this.#rest.length < end) break;
      this.frames.push({
        type: this.#rest[3] as number,
        flags: this.#rest[4] as number,
        streamId: this.#rest.readUInt32BE(5) & 0x7fffffff,
        payload: this.#rest.subarray(frameHeaderBytes, end),
      });
      this.#rest = this.#rest.subarray(end);
    }
    this.#wake();
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter();
  }
}

export function frame(type: number, flags: number, streamId: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(frameHeaderBytes);
  header.writeUIntBE(payload.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(streamId, 5);
  return Buffer.concat([header, payload]);
}

export function grpcMessage(message: Uint8Array): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

export function grpcFields(path: string): Array<readonly [string, string]> {
  return [
    [':method', 'POST'],
    [':scheme', 'http'],
    [':path', path],
    [':authority', 'localhost'],
    ['content-type', 'application/grpc'],
    ['te', 'trailers'],
  ];
}

export function setting(id: number, value: number): Buffer {
  const bytes = Buffer.alloc(6);
  bytes.writeUInt16BE(id, 0);
  bytes.writeUInt32BE(value, 2);
  return bytes;
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value, 0);
  return bytes;
}

export { ErrorCode, Flag, FrameType };
