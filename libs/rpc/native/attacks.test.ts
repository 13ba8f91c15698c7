import { mkdtempSync, rmSync } from 'node:fs';
import { connect as connectSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer, type RpcServer, type ServerOptions, type UnaryResult } from '../index';
import {
  ErrorCode,
  Flag,
  frame,
  FrameType,
  grpcFields,
  grpcMessage,
  RawPeer,
  setting,
  uint32,
} from '../testing/raw-peer';
import { connectionWindow, maxContinuations, replyBacklogBytes, streamWindow } from './limits';

// Time for a machine that does much else; grpc-js is slow.
jest.setTimeout(30_000);

/** Attacks on the server's connections: each ends (or is held) with bounded memory, and others are served all the while. */
describe('the native server under attack', () => {
  let directory: string;
  let path: string;
  let server: RpcServer;
  let peer: RawPeer;
  let problems: string[];

  async function start(options: ServerOptions = {}): Promise<void> {
    problems = [];
    server = createServer({ engine: 'native', onProtocolError: (_, reason) => problems.push(reason), ...options });
    server.addHandlers({
      unary: {
        '/t.T/Echo': (call) => call.reply(call.request),
        '/t.T/Hang': () => {},
        '/t.T/Large': (call) => call.reply(new Uint8Array(1 << 20)),
      },
      stream: { '/t.T/Chat': (call) => call.onMessage((message) => void call.send(message)) },
    });
    path = join(directory, 's.sock');
    await server.listen({ kind: 'unix', path });
    peer = new RawPeer({ kind: 'unix', path });
  }

  async function expectOthersAreServed(): Promise<void> {
    const channel = connect({ kind: 'unix', path }, { engine: 'native' });
    const result = await new Promise<UnaryResult>((resolve) =>
      channel.unary('/t.T/Echo', Buffer.from('x'), {}, resolve),
    );
    channel.close();
    expect(result.ok).toBe(true);
  }

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'rpc-'));
  });
  afterEach(async () => {
    peer.close();
    await server.close();
    rmSync(directory, { recursive: true, force: true });
  });

  test('rapid reset: a client that opens and resets streams without end is cut off', async () => {
    await start();
    peer.hello();
    peer.headers(1, grpcFields('/t.T/Hang'));
    const block = peer.block(grpcFields('/t.T/Hang'));
    for (let batch = 0; batch < 15; batch++) {
      const frames: Buffer[] = [];
      for (let i = 0; i < 1000; i++) {
        const streamId = 3 + 2 * (batch * 1000 + i);
        frames.push(frame(FrameType.Headers, Flag.EndHeaders, streamId, block));
        frames.push(frame(FrameType.RstStream, 0, streamId, uint32(ErrorCode.Cancel)));
      }
      peer.socket.write(Buffer.concat(frames));
    }
    expect((await peer.goaway()).code).toBe(ErrorCode.EnhanceYourCalm);
    expect(problems).toEqual(['too many frames without use']);
    await expectOthersAreServed();
  });

  test.each([
    ['SETTINGS', () => frame(FrameType.Settings, 0, 0), 6000],
    ['PING', () => frame(FrameType.Ping, 0, 0, Buffer.alloc(8)), 60_000],
    ['empty DATA', () => frame(FrameType.Data, 0, 1), 60_000],
    ['PRIORITY', () => frame(FrameType.Priority, 0, 1, Buffer.from([0, 0, 0, 9, 1])), 600_000],
    ['unknown frames', () => frame(0x42, 0, 1), 600_000],
  ])('a flood of %s ends the connection', async (_, make, count) => {
    await start();
    peer.hello();
    peer.headers(1, grpcFields('/t.T/Chat'));
    const one = make();
    peer.socket.write(Buffer.concat(Array.from({ length: count }, () => one)));
    expect((await peer.goaway()).code).toBe(ErrorCode.EnhanceYourCalm);
    await expectOthersAreServed();
  });

  test('a client that never reads its PING answers is dropped', async () => {
    await start();
    peer.hello();
    peer.socket.pause();
    const pings = Buffer.concat(Array.from({ length: 40_000 }, () => frame(FrameType.Ping, 0, 0, Buffer.alloc(8))));
    peer.socket.write(pings);
    await new Promise<void>((resolve) => {
      const look = setInterval(() => {
        if (problems.length === 0) return;
        clearInterval(look);
        resolve();
      }, 5);
    });
    expect(problems).toEqual(['answers are not being read']);
    await expectOthersAreServed();
  });

  test('CONTINUATION flood: a header block that does not end is refused', async () => {
    await start();
    peer.hello();
    peer.headers(1, grpcFields('/t.T/Echo'), 0);
    for (let i = 0; i <= maxContinuations; i++) peer.send(FrameType.Continuation, 0, 1, Buffer.alloc(1));
    expect(await peer.goaway()).toEqual({ code: ErrorCode.EnhanceYourCalm, text: 'header block too large' });
    await expectOthersAreServed();
  });

  test('a giant header list is refused without being kept, and the connection goes on', async () => {
    await start();
    peer.hello();
    const many = Array.from({ length: 6000 }, (_, i) => [`x-${i}`, 'y'.repeat(20)] as const);
    const block = peer.block([...grpcFields('/t.T/Echo'), ...many]);
    peer.send(FrameType.Headers, 0, 1, block.subarray(0, 16_000));
    for (let at = 16_000; at < block.length; at += 16_000) {
      const flags = at + 16_000 >= block.length ? Flag.EndHeaders : 0;
      peer.send(FrameType.Continuation, flags, 1, block.subarray(at, at + 16_000));
    }
    expect(await peer.reset(1)).toBe(ErrorCode.EnhanceYourCalm);
    peer.request(3, '/t.T/Echo', Buffer.from('still here'));
    await peer.frame((each) => each.streamId === 3 && each.type === FrameType.Data);
  });

  test('HPACK bomb: references to a large entry do not multiply memory', async () => {
    await start();
    peer.hello();
    const value = Buffer.alloc(3900, 'a');
    const insert = Buffer.concat([Buffer.from([0x40, 1, 0x62, 0x7f, 0xbd, 0x1d]), value]);
    const bomb = Buffer.concat([peer.block(grpcFields('/t.T/Echo')), insert, Buffer.alloc(12_000, 0xbe)]);
    const before = process.memoryUsage().heapUsed;
    peer.send(FrameType.Headers, Flag.EndHeaders, 1, bomb);
    expect(await peer.reset(1)).toBe(ErrorCode.EnhanceYourCalm);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(20e6);
    await expectOthersAreServed();
  });

  test('zero window: answers that can never leave are bounded', async () => {
    await start();
    peer.hello(setting(4, 0));
    let streamId = 1;
    const more = (): void => {
      for (let i = 0; i < 10; i++, streamId += 2) peer.request(streamId, '/t.T/Large', Buffer.alloc(0));
    };
    const feed = setInterval(more, 1);
    expect((await peer.goaway()).code).toBe(ErrorCode.EnhanceYourCalm);
    clearInterval(feed);
    expect(streamId / 2).toBeLessThan((2 * replyBacklogBytes) / (1 << 20));
    await expectOthersAreServed();
  });

  test('window overflow by the client is a flow-control error', async () => {
    await start();
    peer.hello();
    peer.headers(1, grpcFields('/t.T/Hang'));
    peer.send(FrameType.WindowUpdate, 0, 1, uint32(0x7fffffff));
    expect(await peer.reset(1)).toBe(ErrorCode.FlowControlError);
    peer.send(FrameType.WindowUpdate, 0, 0, uint32(0x7fffffff));
    expect((await peer.goaway()).code).toBe(ErrorCode.FlowControlError);
  });

  test('more data on a stream than its window allows resets the stream', async () => {
    await start();
    server.addHandlers({ stream: { '/t.T/Paused': (call) => call.pause() } });
    peer.hello();
    peer.headers(1, grpcFields('/t.T/Paused'));
    const chunk = Buffer.alloc(16_384);
    for (let sent = 0; sent <= streamWindow; sent += chunk.length) peer.send(FrameType.Data, 0, 1, chunk);
    expect(streamWindow).toBeLessThan(connectionWindow);
    expect(await peer.reset(1)).toBe(ErrorCode.FlowControlError);
    await expectOthersAreServed();
  });

  test('incomplete messages on many streams are bounded in memory', async () => {
    await start();
    peer.hello();
    const part = Buffer.concat([Buffer.from([0, 0, 0x40, 0, 0]), Buffer.alloc(16_000)]);
    for (let streamId = 1; streamId < 2 * 300; streamId += 2) {
      peer.headers(streamId, grpcFields('/t.T/Echo'));
      peer.send(FrameType.Data, 0, streamId, part);
      for (let i = 0; i < 30; i++) peer.send(FrameType.Data, 0, streamId, part.subarray(5));
    }
    const { payload } = await peer.frame((each) => each.type === FrameType.RstStream);
    expect(payload.readUInt32BE(0)).toBe(ErrorCode.EnhanceYourCalm);
    await expectOthersAreServed();
  });

  test('streams over the limit are refused', async () => {
    await start({ maxConcurrentStreams: 2 });
    peer.hello();
    for (const streamId of [1, 3, 5]) peer.headers(streamId, grpcFields('/t.T/Hang'));
    expect(await peer.reset(5)).toBe(ErrorCode.RefusedStream);
  });

  test('connections over the limit are refused', async () => {
    await start({ maxConnections: 1 });
    peer.hello();
    await peer.until(() => peer.frames.length > 0);
    const second = new RawPeer({ kind: 'unix', path });
    await second.until(() => second.closed);
    expect(problems).toEqual(['too many connections']);
    peer.request(1, '/t.T/Echo', Buffer.from('first'));
    await peer.frame((each) => each.type === FrameType.Data);
  });

  test('a wrong preface ends the connection', async () => {
    await start();
    peer.socket.write('PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n');
    await peer.until(() => peer.closed);
    expect(problems).toEqual(['bad connection preface']);
  });

  test('what is neither HTTP/2 nor HTTP/1.1 is closed without a word', async () => {
    await start({ http1: { request: (_, response) => void response.end() } });
    let received = 0;
    peer.socket.on('data', (chunk: Buffer) => {
      received += chunk.length;
    });
    peer.socket.write('INVALID CONNECTION PREFACE\r\n\r\n');
    await peer.until(() => peer.closed);
    expect([received, problems]).toEqual([0, ['neither HTTP/2 nor HTTP/1.1']]);
  });

  test('a frame longer than allowed is a frame-size error', async () => {
    await start();
    peer.hello();
    peer.send(FrameType.Data, 0, 1, Buffer.alloc(16_385));
    expect((await peer.goaway()).code).toBe(ErrorCode.FrameSizeError);
  });

  test('pings above the keep-alive policy get GOAWAY too_many_pings', async () => {
    await start({ keepaliveMinTimeMs: 5000 });
    peer.hello();
    for (let i = 0; i < 4; i++) peer.send(FrameType.Ping, 0, 0, Buffer.alloc(8));
    expect(await peer.goaway()).toEqual({ code: ErrorCode.EnhanceYourCalm, text: 'too_many_pings' });
  });

  test('a request cut into single octets is answered like any other', async () => {
    await start();
    const whole = Buffer.concat([
      Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
      frame(FrameType.Settings, 0, 0),
      frame(FrameType.Headers, Flag.EndHeaders, 1, peer.block(grpcFields('/t.T/Echo'))),
      frame(FrameType.Data, Flag.EndStream, 1, grpcMessage(Buffer.from('octets'))),
    ]);
    const socket = connectSocket({ path });
    peer.socket.setNoDelay(true);
    for (const octet of whole) {
      peer.socket.write(Buffer.from([octet]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    const { payload } = await peer.frame((each) => each.type === FrameType.Data);
    expect(payload.subarray(5).toString()).toBe('octets');
    socket.destroy();
  });
});
