import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  connect,
  createServer,
  type EngineName,
  type RpcServer,
  type ServerOptions,
  type StreamCall,
  type UnaryCall,
  type UnaryResult,
} from './index';
import { ErrorCode, Flag, FrameType, grpcFields, RawPeer } from './testing/raw-peer';

const engines: readonly EngineName[] = ['native', 'grpc-js'];

describe.each(engines)('the life of the %s server', (engine) => {
  // What grpc-js does its own way: its GOAWAY, its texts, and no RST_STREAM after an early answer.
  const nativeTest = engine === 'native' ? test : (): void => undefined;
  let directory: string;
  let path: string;
  let server: RpcServer;
  let peer: RawPeer;

  async function start(options: ServerOptions = {}): Promise<void> {
    server = createServer({ engine, ...options });
    await server.listen({ kind: 'unix', path });
    peer = new RawPeer({ kind: 'unix', path });
    peer.hello();
  }

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'rpc-'));
    path = join(directory, 's.sock');
  });
  afterEach(async () => {
    peer.close();
    await server.close();
    rmSync(directory, { recursive: true, force: true });
  });

  nativeTest('drain announces itself, takes what was on its way, finishes it and closes', async () => {
    await start();
    const calls: UnaryCall[] = [];
    let arrived: () => void = () => {};
    server.addHandlers({
      unary: {
        '/t.T/Slow': (call) => {
          calls.push(call);
          arrived();
        },
      },
    });
    const two = new Promise<void>((resolve) => {
      arrived = () => calls.length === 2 && resolve();
    });
    peer.request(1, '/t.T/Slow', Buffer.alloc(0));
    while (calls.length < 1) await new Promise((resolve) => setImmediate(resolve));
    const drained = server.drain(10_000);
    const first = await peer.frame((each) => each.type === FrameType.Goaway);
    expect(first.payload.readUInt32BE(0)).toBe(0x7fffffff);
    peer.request(3, '/t.T/Slow', Buffer.alloc(0));
    const ping = await peer.frame((each) => each.type === FrameType.Ping);
    peer.send(FrameType.Ping, Flag.Ack, 0, ping.payload);
    await two;
    await peer.until(() => peer.frames.filter((each) => each.type === FrameType.Goaway).length === 2);
    const last = peer.frames.filter((each) => each.type === FrameType.Goaway)[1];
    expect(last?.payload.readUInt32BE(0)).toBe(3);
    for (const call of calls) call.reply(Buffer.from('done'));
    await drained;
    await peer.until(() => peer.closed);
    expect(peer.frames.filter((each) => each.type === FrameType.Data)).toHaveLength(2);
  });

  nativeTest('drain ends streams with Unavailable once no unary call runs', async () => {
    await start();
    server.addHandlers({ stream: { '/t.T/Chat': () => {} } });
    const channel = connect({ kind: 'unix', path }, { engine });
    const stream = channel.stream('/t.T/Chat');
    await new Promise<void>((resolve) => stream.onHeaders(() => resolve()));
    const closed = new Promise((resolve) => stream.onClose(resolve));
    await server.drain(10_000);
    expect(await closed).toMatchObject({ code: 14 });
    channel.close();
  });

  test('drain waits no longer than its grace for a call that does not end', async () => {
    await start();
    const arrived = new Promise<UnaryCall>((resolve) => server.addHandlers({ unary: { '/t.T/Hang': resolve } }));
    peer.request(1, '/t.T/Hang', Buffer.alloc(0));
    const call = await arrived;
    const cancelled = new Promise<void>((resolve) => call.onCancel(resolve));
    await server.drain(50);
    await cancelled;
    expect(call.cancelled).toBe(true);
  });

  test('a silent client is pinged, and dropped when it does not answer', async () => {
    await start({ keepaliveIntervalMs: 40, keepaliveTimeoutMs: 40 });
    await peer.frame((each) => each.type === FrameType.Ping);
    await peer.until(() => peer.closed);
  });

  test('a client that answers pings stays', async () => {
    await start({ keepaliveIntervalMs: 20, keepaliveTimeoutMs: 400 });
    const pings = (): number => peer.frames.filter((each) => each.type === FrameType.Ping).length;
    for (let seen = 1; seen <= 4; seen++) {
      await peer.until(() => pings() >= seen || peer.closed);
      peer.send(FrameType.Ping, Flag.Ack, 0, Buffer.alloc(8));
    }
    expect(peer.closed).toBe(false);
  });

  nativeTest('a deadline of the client ends the call with its trailers', async () => {
    await start();
    const arrived = new Promise<UnaryCall>((resolve) => server.addHandlers({ unary: { '/t.T/Hang': resolve } }));
    peer.request(1, '/t.T/Hang', Buffer.alloc(0), [['grpc-timeout', '20m']]);
    const call = await arrived;
    await new Promise<void>((resolve) => call.onCancel(resolve));
    await peer.frame((each) => each.type === FrameType.Headers);
    const [{ fields } = { fields: {} }] = peer.decodeHeaders();
    expect(fields).toMatchObject({ 'grpc-status': '4', 'grpc-message': 'context deadline exceeded' });
  });

  test('a stream handler may send, end and fail at once', async () => {
    await start();
    server.addHandlers({
      stream: {
        '/t.T/Fail': (call) => call.end({ code: 7, message: 'no' }),
        '/t.T/Three': (call) => {
          for (const part of ['a', 'b', 'c']) call.send(Buffer.from(part));
          call.end();
        },
      },
    });
    const channel = connect({ kind: 'unix', path }, { engine });
    const outcome = (name: string): Promise<unknown> =>
      new Promise((resolve) => {
        const got: string[] = [];
        const stream = channel.stream(`/t.T/${name}`);
        stream.onMessage((message) => got.push(Buffer.from(message).toString()));
        stream.onClose((error) => resolve([got.join(''), error]));
      });
    expect(await outcome('Fail')).toEqual(['', { code: 7, message: 'no' }]);
    expect(await outcome('Three')).toEqual(['abc', undefined]);
    channel.close();
  });

  nativeTest('what arrives after the answer is ignored, and the client is told to stop', async () => {
    await start();
    const arrived = new Promise<StreamCall>((resolve) => server.addHandlers({ stream: { '/t.T/Chat': resolve } }));
    peer.headers(1, grpcFields('/t.T/Chat'));
    (await arrived).end({ code: 5, message: 'gone' });
    expect(await peer.reset(1)).toBe(ErrorCode.NoError);
    peer.send(FrameType.Data, Flag.EndStream, 1, Buffer.alloc(5));
    peer.request(3, '/t.T/None', Buffer.alloc(0));
    await peer.frame((each) => each.streamId === 3);
    expect(peer.frames.some((each) => each.type === FrameType.Goaway)).toBe(false);
  });

  test('a busy address is taken over when its owner goes, and a stale socket file at once', async () => {
    await start();
    const second = createServer({ engine });
    second.addHandlers({ unary: { '/t.T/Who': (call) => call.reply(Buffer.from('second')) } });
    const listening = second.listen({ kind: 'unix', path });
    await server.close();
    await listening;
    const channel = connect({ kind: 'unix', path }, { engine });
    const result = await new Promise<UnaryResult>((resolve) => channel.unary('/t.T/Who', Buffer.alloc(0), {}, resolve));
    expect(result.ok).toBe(true);
    channel.close();
    await second.close();
  });

  test('an address that stays busy is given up after three seconds', async () => {
    await start();
    const second = createServer({ engine });
    await expect(second.listen({ kind: 'unix', path })).rejects.toMatchObject({ code: 'EADDRINUSE' });
  }, 10_000);
});
