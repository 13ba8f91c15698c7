import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect as connectSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer, type RpcServer, type ServerOptions, type StreamCall, type UnaryResult } from '../index';
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
import {
  abuseAllowance,
  AbuseCost,
  assemblyBytes,
  connectionWindow,
  headerBytesMax,
  maxContinuations,
  maxHeaderListBytes,
  replyBacklogBytes,
  streamWindow,
} from './limits';

// Time for a machine that does much else; grpc-js is slow.
jest.setTimeout(30_000);

/** Attacks on the server's connections: each ends (or is held) with bounded memory, and others are served all the while. */
describe('the native server under attack', () => {
  let directory: string;
  let path: string;
  let server: RpcServer;
  let peer: RawPeer;
  let problems: string[];
  let chats: StreamCall[];
  /** How often a handler was run. */
  let handled: number;

  async function start(options: ServerOptions = {}): Promise<void> {
    problems = [];
    chats = [];
    handled = 0;
    server = createServer({ engine: 'native', onProtocolError: (_, reason) => problems.push(reason), ...options });
    server.addHandlers({
      unary: {
        '/t.T/Echo': (call) => call.reply(call.request),
        '/t.T/Hang': () => {},
        '/t.T/Count': () => void handled++,
        '/t.T/Large': (call) => call.reply(new Uint8Array(1 << 20)),
      },
      stream: {
        '/t.T/Chat': (call) => {
          chats.push(call);
          call.onMessage((message) => void call.send(message));
        },
        '/t.T/Paused': (call) => call.pause(),
      },
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

  test('rapid reset of whole requests: the work done for them is bounded', async () => {
    await start();
    peer.hello();
    peer.headers(1, grpcFields('/t.T/Count'));
    const block = peer.block(grpcFields('/t.T/Count'));
    const count = 30_000;
    for (let from = 0; from < count; from += 1000) {
      const frames: Buffer[] = [];
      for (let i = from; i < from + 1000; i++) {
        frames.push(frame(FrameType.Headers, Flag.EndHeaders, 3 + 2 * i, block));
        frames.push(frame(FrameType.Data, Flag.EndStream, 3 + 2 * i, grpcMessage(Buffer.alloc(0))));
        frames.push(frame(FrameType.RstStream, 0, 3 + 2 * i, uint32(ErrorCode.Cancel)));
      }
      peer.socket.write(Buffer.concat(frames));
    }
    expect((await peer.goaway()).code).toBe(ErrorCode.EnhanceYourCalm);
    // The allowance, and what refills while the flood is read.
    expect(handled).toBeLessThan((2 * abuseAllowance) / AbuseCost.reset);
    await expectOthersAreServed();
  });

  test('headers of calls that stay open are bounded over all calls of a connection', async () => {
    await start();
    peer.hello();
    // One entry of the dynamic table, referred to again and again: little to send, much to hold.
    const plain = grpcFields('/t.T/Hang').map(([name, value]) =>
      Buffer.concat([
        Buffer.from([0, name.length]),
        Buffer.from(name),
        Buffer.from([value.length]),
        Buffer.from(value),
      ]),
    );
    const insert = Buffer.concat([Buffer.from([0x40, 1, 0x62, 0x7f, 0xbd, 0x1d]), Buffer.alloc(3900, 'a')]);
    const block = Buffer.concat([...plain, insert, Buffer.alloc(60, 0xbe)]);
    const held = 61 * (1 + 3900 + 32);
    expect(held).toBeLessThan(maxHeaderListBytes);
    for (let i = 0; i < headerBytesMax / held + 1; i++) {
      peer.send(FrameType.Headers, Flag.EndHeaders, 1 + 2 * i, block);
    }
    const { payload } = await peer.frame((each) => each.type === FrameType.RstStream);
    expect(payload.readUInt32BE(0)).toBe(ErrorCode.EnhanceYourCalm);
    await expectOthersAreServed();
  });

  test('what arrives for streams that are paused is bounded over all streams of a connection', async () => {
    await start();
    peer.hello();
    const chunk = Buffer.alloc(16_384);
    const full = Buffer.concat(
      Array.from({ length: Math.floor(streamWindow / 16_384) - 1 }, (_, i) => frame(0, 0, i, chunk)),
    );
    for (let streamId = 1; streamId < 2 * (assemblyBytes / streamWindow + 3); streamId += 2) {
      peer.headers(streamId, grpcFields('/t.T/Paused'));
      const mine = Buffer.from(full);
      for (let at = 5; at < mine.length; at += 16_384 + 9) mine.writeUInt32BE(streamId, at);
      peer.socket.write(mine);
    }
    const { payload } = await peer.frame((each) => each.type === FrameType.RstStream);
    expect(payload.readUInt32BE(0)).toBe(ErrorCode.EnhanceYourCalm);
    await expectOthersAreServed();
  });

  test('a client that asks on a stream and never reads the answers is not heard any more', async () => {
    const highWaterBytes = 100_000;
    await start({ heldBytesMax: 1e9, highWaterBytes });
    peer.hello(setting(4, 0));
    peer.headers(1, grpcFields('/t.T/Chat'));
    const question = grpcMessage(Buffer.alloc(1000));
    for (let sent = 0; sent < 3e6; sent += question.length) peer.send(FrameType.Data, 0, 1, question);
    peer.send(FrameType.Ping, 0, 0, Buffer.alloc(8));
    await peer.frame((each) => each.type === FrameType.Ping);
    expect(chats[0]?.bufferedBytes).toBeGreaterThan(highWaterBytes);
    expect(chats[0]?.bufferedBytes).toBeLessThan(highWaterBytes + 2 * question.length);
    // It goes on as soon as it reads again.
    peer.send(FrameType.WindowUpdate, 0, 1, uint32(0x7fffffff));
    peer.send(FrameType.WindowUpdate, 0, 0, uint32(0x70000000));
    const received = (): number =>
      peer.frames.reduce((sum, each) => sum + (each.type === 0 ? each.payload.length : 0), 0);
    await peer.until(() => received() >= 3e6);
  });

  test('when slow clients together hold too much, the one that holds most is ended', async () => {
    await start({ heldBytesMax: 8e6 });
    peer.hello(setting(4, 0));
    const modest = new RawPeer({ kind: 'unix', path }).hello(setting(4, 0));
    for (let i = 0; i < 2; i++) modest.request(1 + 2 * i, '/t.T/Large', Buffer.alloc(0));
    await modest.frame((each) => each.streamId === 3 && each.type === FrameType.Headers);
    for (let i = 0; i < 8; i++) peer.request(1 + 2 * i, '/t.T/Large', Buffer.alloc(0));
    expect(await peer.goaway()).toEqual({
      code: ErrorCode.EnhanceYourCalm,
      text: 'the memory for slow clients is used up',
    });
    modest.send(FrameType.WindowUpdate, 0, 1, uint32(2 << 20));
    modest.send(FrameType.WindowUpdate, 0, 0, uint32(2 << 20));
    await modest.frame(
      (each) => each.streamId === 1 && (each.flags & Flag.EndStream) !== 0 && each.type === FrameType.Headers,
    );
    modest.close();
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

  test('many connections at once are refused beyond the limit, and taken again when there is room', async () => {
    await start({ maxConnections: 10 });
    peer.hello();
    await peer.until(() => peer.frames.length > 0);
    const flood = Array.from({ length: 200 }, () => new RawPeer({ kind: 'unix', path }).hello());
    await Promise.all(flood.map((each) => each.until(() => each.closed || each.frames.length > 0)));
    const inside = flood.filter((each) => !each.closed);
    expect(inside.length).toBeLessThanOrEqual(9);
    expect(problems.filter((each) => each === 'too many connections').length).toBeGreaterThanOrEqual(191);
    for (const each of flood) each.close();
    peer.request(1, '/t.T/Echo', Buffer.from('still here'));
    await peer.frame((each) => each.type === FrameType.Data);
    const later = async (): Promise<boolean> => {
      const again = new RawPeer({ kind: 'unix', path }).hello();
      await again.until(() => again.closed || again.frames.length > 0);
      const taken = !again.closed;
      again.close();
      return taken;
    };
    while (!(await later()));
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

describe('TLS handshakes that are never finished', () => {
  test('are dropped after the handshake time, and others are served all the while', async () => {
    const pem = (name: string): Buffer => readFileSync(join(__dirname, '../testdata/tls', name));
    const problems: string[] = [];
    const server = createServer({
      engine: 'native',
      tls: { cert: pem('server.crt'), key: pem('server.key'), clientCertAuth: false },
      handshakeTimeoutMs: 300,
      maxConnections: 60,
      onProtocolError: (_, reason) => problems.push(reason),
    });
    server.addHandlers({ unary: { '/t.T/Echo': (call) => call.reply(call.request) } });
    const address = await server.listen({ kind: 'tcp', host: '127.0.0.1', port: 0 });
    if (address.kind !== 'tcp') throw new Error('tcp');
    const halfOpen = Array.from({ length: 50 }, () => connectSocket({ host: '127.0.0.1', port: address.port }));
    const ended = halfOpen.map((socket) => new Promise<void>((resolve) => socket.once('close', () => resolve())));
    for (const socket of halfOpen) socket.on('error', () => {}).write(Buffer.from('16030100ff0100', 'hex'));
    const channel = connect(address, { engine: 'native', tls: { ca: pem('ca.crt') } });
    const echo = (): Promise<UnaryResult> =>
      new Promise((resolve) => channel.unary('/t.T/Echo', Buffer.from('x'), {}, resolve));
    expect((await echo()).ok).toBe(true);
    await Promise.all(ended);
    expect(new Set(problems).size).toBe(1);
    expect(problems).toHaveLength(50);
    expect((await echo()).ok).toBe(true);
    channel.close();
    await server.close();
  });
});
