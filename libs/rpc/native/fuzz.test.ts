import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import fc from 'fast-check';
import { ConnectionRecord } from '../connection-record';
import { frame, grpcFields } from '../testing/raw-peer';
import { preface } from './constants';
import { deadlines, type Expiring } from './deadlines';
import { FrameReader, type FrameSink } from './frame-reader';
import { HpackEncoder } from './hpack-encoder';
import { decodeGrpcMessage, encodeGrpcMessage } from './percent';
import { ServerConnection, type ServerHost } from './server-connection';
import { formatTimeout, parseTimeout } from './timeout';

class Frames implements FrameSink {
  closed = false;
  readonly seen: string[] = [];
  frame(bytes: Buffer, start: number, end: number, type: number, flags: number, streamId: number): void {
    this.seen.push(`${type} ${flags} ${streamId} ${bytes.subarray(start, end).toString('hex')}`);
  }
  fail(): void {
    this.closed = true;
  }
}

const anyFrame = fc
  .tuple(fc.nat(11), fc.nat(255), fc.oneof(fc.nat(9), fc.nat(0x7fffffff)), fc.uint8Array({ maxLength: 60 }))
  .map(([type, flags, streamId, payload]) => frame(type, flags, streamId, payload));

describe('the frame reader', () => {
  test('finds the same frames however the bytes are cut', () => {
    fc.assert(
      fc.property(
        fc.array(anyFrame, { maxLength: 20 }),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
        (frames, cuts) => {
          const bytes = Buffer.concat(frames);
          const whole = new Frames();
          new FrameReader().read(bytes, whole);
          const pieces = new Frames();
          const reader = new FrameReader();
          for (let at = 0, i = 0; at < bytes.length; i++) {
            const next = at + (cuts[i % cuts.length] as number);
            reader.read(bytes.subarray(at, next), pieces);
            at = next;
          }
          expect(whole.seen).toHaveLength(frames.length);
          expect(pieces.seen).toEqual(whole.seen);
        },
      ),
    );
  });
});

/** A socket that takes everything. */
class Sink extends EventEmitter {
  destroyed = false;
  writable = true;
  writableLength = 0;
  write(): boolean {
    return true;
  }
  end(): void {
    this.writable = false;
  }
  destroy(): void {
    this.destroyed = true;
  }
}

function serverConnection(): { connection: ServerConnection; calls: number[] } {
  const calls = [0];
  const host: ServerHost = {
    maxReceiveBytes: 1000,
    highWaterBytes: 1000,
    heldBytesMax: 1e6,
    maxConcurrentStreams: 100,
    keepaliveMinTimeMs: undefined,
    keepaliveIntervalMs: 1e9,
    keepaliveTimeoutMs: 1e9,
    handshakeTimeoutMs: 1e9,
    bridge: undefined,
    unary: new Map([
      [
        '/t.T/Echo',
        (call) => {
          calls[0] = (calls[0] as number) + 1;
          call.reply(call.request);
        },
      ],
    ]),
    stream: new Map([['/t.T/Chat', (call) => call.onMessage((message) => void call.send(message))]]),
    report: () => {},
    held: () => {},
    connectionClosed: () => {},
    unaryFinished: () => {},
  };
  const socket = new Sink() as unknown as Socket;
  return { connection: new ServerConnection(socket, new ConnectionRecord(socket), host), calls };
}

describe('a server connection fed with garbage', () => {
  test('never throws, and its streams and memory stay bounded', () => {
    const encoder = new HpackEncoder();
    const heads = ['/t.T/Echo', '/t.T/Chat', '/t.T/None'].map((path) => {
      encoder.begin();
      for (const [name, value] of grpcFields(path)) encoder.field(name, value, false);
      return Buffer.from(encoder.finish());
    });
    const meaningful = fc
      .tuple(
        fc.constantFrom(0, 1),
        fc.constantFrom(0, 1, 4, 5, 8, 12, 13),
        fc.nat(6),
        fc.nat(2),
        fc.uint8Array({ maxLength: 20 }),
      )
      .map(([type, flags, n, which, extra]) =>
        frame(
          type,
          flags,
          2 * n + 1,
          type === 1 ? (heads[which] as Buffer) : Buffer.concat([Buffer.from([0, 0, 0, 0, extra.length]), extra]),
        ),
      );
    const garbage = fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes));
    fc.assert(
      fc.property(fc.array(fc.oneof(anyFrame, meaningful, meaningful, garbage), { maxLength: 40 }), (frames) => {
        const { connection } = serverConnection();
        connection.receive(Buffer.concat([preface, frame(4, 0, 0)]));
        for (const bytes of frames) connection.receive(bytes);
        expect(connection.streams.size).toBeLessThanOrEqual(100);
        expect(connection.assembling).toBeLessThanOrEqual(100 * 1000);
        connection.flush();
        connection.destroy('done');
        expect([connection.assembling, connection.held]).toEqual([0, 0]);
        expect(connection.runningUnary).toBe(0);
      }),
      { numRuns: 1500 },
    );
  });

  test('the generator above does reach handlers', () => {
    const { connection, calls } = serverConnection();
    const encoder = new HpackEncoder();
    encoder.begin();
    for (const [name, value] of grpcFields('/t.T/Echo')) encoder.field(name, value, false);
    connection.receive(
      Buffer.concat([preface, frame(4, 0, 0), frame(1, 4, 1, encoder.finish()), frame(0, 1, 1, Buffer.alloc(5))]),
    );
    expect(calls).toEqual([1]);
    connection.destroy('done');
  });
});

describe('grpc-message', () => {
  test('any text survives the wire', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const wire = encodeGrpcMessage(text);
        expect(wire).toMatch(/^[ -~]*$/);
        expect(decodeGrpcMessage(wire)).toBe(Buffer.from(text).toString());
      }),
    );
  });

  test('what is no escape stays as it is', () => {
    expect(decodeGrpcMessage('100% of %zz')).toBe('100% of %zz');
  });
});

describe('grpc-timeout', () => {
  test('is never shortened on the wire and has at most eight digits', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e13, noNaN: true }), (ms) => {
        const text = formatTimeout(ms);
        expect(text).toMatch(/^\d{1,8}[HMSmun]$/);
        expect(parseTimeout(text)).toBeGreaterThanOrEqual(Math.floor(ms));
      }),
    );
  });

  test.each(['', '5', 'm', '123456789m', '-1m', '5 m', '5x'])('%p is malformed', (text) => {
    expect(parseTimeout(text)).toBeUndefined();
  });
});

describe('deadlines', () => {
  test('each comes once, never early, and not at all when it was removed', async () => {
    const count = 200;
    const now = performance.now();
    let fired = 0;
    let early = 0;
    const items = Array.from(
      { length: count },
      (_, i): Expiring => ({
        expiresAt: now + (i % 50) - 5,
        onWheel: false,
        nextExpiring: undefined,
        previousExpiring: undefined,
        expire(): void {
          fired++;
          if (performance.now() < this.expiresAt) early++;
          // Removing another one that is due in the same tick must not upset the wheel.
          const other = items[(i + 50) % count];
          if (i % 4 === 0 && other !== undefined) deadlines.remove(other);
        },
      }),
    );
    for (const item of items) deadlines.add(item);
    for (let i = 1; i < count; i += 2) deadlines.remove(items[i] as Expiring);
    while (items.some((item) => item.onWheel)) await new Promise((resolve) => setImmediate(resolve));
    expect(early).toBe(0);
    expect(fired).toBeGreaterThan(0);
    expect(fired).toBeLessThanOrEqual(count / 2);
  });
});
