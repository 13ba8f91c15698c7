import { mkdtempSync, rmSync } from 'node:fs';
import { createServer as createNetServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CallOptions, type Channel, type ChannelOptions, connect, type UnaryResult } from '../index';
import { ErrorCode, Flag, FrameType, grpcMessage, RawPeer, setting, uint32 } from '../testing/raw-peer';

/** The native client against a server that sends exactly what it is told. */
describe('the native client', () => {
  let directory: string;
  let listener: Server;
  let channel: Channel;
  let peers: RawPeer[];
  let onPeer: () => void;
  const end = Flag.EndHeaders | Flag.EndStream;

  function start(options: ChannelOptions = {}): void {
    channel = connect({ kind: 'unix', path: join(directory, 's.sock') }, { engine: 'native', ...options });
  }

  function unary(options: CallOptions = {}, message = 'x'): Promise<UnaryResult> {
    return new Promise((resolve) => channel.unary('/t.T/Do', Buffer.from(message), options, resolve));
  }

  async function peer(index = 0): Promise<RawPeer> {
    while (peers.length <= index) {
      await new Promise<void>((resolve) => {
        onPeer = resolve;
      });
    }
    return peers[index] as RawPeer;
  }

  const requested = (from: RawPeer, streamId: number): Promise<unknown> =>
    from.frame((each) => each.type === FrameType.Headers && each.streamId === streamId);

  function answer(from: RawPeer, streamId: number, text: string): void {
    from.headers(streamId, [
      [':status', '200'],
      ['content-type', 'application/grpc'],
    ]);
    from.send(FrameType.Data, 0, streamId, grpcMessage(Buffer.from(text)));
    from.headers(
      streamId,
      [
        ['grpc-status', '0'],
        ['x-t', text],
      ],
      end,
    );
  }

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'rpc-'));
    peers = [];
    onPeer = () => {};
    listener = createNetServer((socket) => {
      peers.push(new RawPeer(socket));
      onPeer();
    });
    await new Promise<void>((resolve) => listener.listen(join(directory, 's.sock'), resolve));
  });
  afterEach(async () => {
    channel.close();
    for (const each of peers) each.close();
    await new Promise((resolve) => listener.close(resolve));
    rmSync(directory, { recursive: true, force: true });
  });

  test('sends a request as gRPC over HTTP/2 asks for, with its metadata and timeout', async () => {
    start({ authority: 'etcd:2379' });
    const result = unary({
      metadata: [
        ['token', 'abc'],
        ['raw-bin', 'AAEC'],
      ],
      timeoutMs: 5000,
    });
    const server = await peer();
    server.send(FrameType.Settings, 0, 0);
    await server.frame((each) => each.type === FrameType.Data);
    const fields = server.decodeHeaders()[0]?.fields ?? {};
    expect(fields).toMatchObject({
      ':method': 'POST',
      ':scheme': 'http',
      ':path': '/t.T/Do',
      ':authority': 'etcd:2379',
      'content-type': 'application/grpc',
      te: 'trailers',
      token: 'abc',
      'raw-bin': 'AAEC',
    });
    expect(fields['grpc-timeout']).toMatch(/^(5000|4\d\d\d)m$/);
    answer(server, 1, 'done');
    expect(await result).toMatchObject({ ok: true, trailers: [['x-t', 'done']] });
  });

  test('keeps to the streams the server allows and starts the next as one ends', async () => {
    start();
    const first = unary();
    const server = await peer();
    server.send(FrameType.Settings, 0, 0, setting(3, 1));
    await server.frame((each) => each.type === FrameType.Settings && each.flags === Flag.Ack);
    const second = unary();
    const third = unary();
    server.send(FrameType.Ping, 0, 0, Buffer.alloc(8));
    await server.frame((each) => each.type === FrameType.Ping);
    expect(server.frames.some((each) => each.streamId > 1)).toBe(false);
    for (const streamId of [1, 3, 5]) {
      await requested(server, streamId);
      answer(server, streamId, `s${streamId}`);
    }
    const results = await Promise.all([first, second, third]);
    expect(results.map((each) => each.trailers[0]?.[1])).toEqual(['s1', 's3', 's5']);
  });

  test('after GOAWAY calls above its stream fail, those below finish, new ones go to a new connection', async () => {
    start();
    const below = unary();
    const above = unary();
    const server = await peer();
    server.send(FrameType.Settings, 0, 0);
    await requested(server, 3);
    server.send(FrameType.Goaway, 0, 0, Buffer.concat([uint32(1), uint32(0), Buffer.from('bye')]));
    expect(await above).toMatchObject({ ok: false, error: { code: 14 } });
    const later = unary();
    const next = await peer(1);
    next.send(FrameType.Settings, 0, 0);
    await requested(next, 1);
    answer(next, 1, 'new');
    answer(server, 1, 'old');
    expect([(await below).trailers[0]?.[1], (await later).trailers[0]?.[1]]).toEqual(['old', 'new']);
    await server.until(() => server.closed);
  });

  test.each([
    [ErrorCode.NoError, 13],
    [ErrorCode.InternalError, 13],
    [ErrorCode.RefusedStream, 14],
    [ErrorCode.Cancel, 1],
    [ErrorCode.EnhanceYourCalm, 8],
    [ErrorCode.InadequateSecurity, 7],
  ])('RST_STREAM %i is gRPC code %i', async (reset, code) => {
    start();
    const result = unary();
    const server = await peer();
    server.send(FrameType.Settings, 0, 0);
    await requested(server, 1);
    server.send(FrameType.RstStream, 0, 1, uint32(reset));
    expect(await result).toMatchObject({ ok: false, error: { code } });
  });

  test.each<readonly [string, ReadonlyArray<readonly [string, string]>, number, string]>([
    [
      'a status alone',
      [
        [':status', '200'],
        ['content-type', 'application/grpc'],
        ['grpc-status', '5'],
        ['grpc-message', 'not%20here'],
      ],
      5,
      'not here',
    ],
    [
      'HTTP 503',
      [[':status', '503']],
      14,
      'unexpected HTTP status code received from server: 503 (Service Unavailable)',
    ],
    ['HTTP 404', [[':status', '404']], 12, 'unexpected HTTP status code received from server: 404 (Not Found)'],
    [
      'another content-type',
      [
        [':status', '200'],
        ['content-type', 'text/html'],
      ],
      2,
      'received unexpected content-type "text/html"',
    ],
  ])('%s is an error', async (_, fields, code, message) => {
    start();
    const result = unary();
    const server = await peer();
    server.send(FrameType.Settings, 0, 0);
    await requested(server, 1);
    server.headers(1, fields, end);
    expect(await result).toMatchObject({ ok: false, error: { code, message } });
  });

  test('an end without trailers is Internal', async () => {
    start();
    const result = unary();
    const server = await peer();
    server.send(FrameType.Settings, 0, 0);
    await requested(server, 1);
    server.headers(1, [
      [':status', '200'],
      ['content-type', 'application/grpc'],
    ]);
    server.send(FrameType.Data, Flag.EndStream, 1, grpcMessage(Buffer.from('x')));
    expect(await result).toMatchObject({
      ok: false,
      error: { code: 13, message: 'server closed the stream without sending trailers' },
    });
  });

  test('a broken connection fails what is under way once, and the next call makes a new one', async () => {
    start();
    const lost = unary();
    const server = await peer();
    server.send(FrameType.Settings, 0, 0);
    await requested(server, 1);
    server.close();
    expect(await lost).toMatchObject({ ok: false, error: { code: 14, message: 'error reading from server: EOF' } });
    const again = unary();
    const next = await peer(1);
    next.send(FrameType.Settings, 0, 0);
    await requested(next, 1);
    answer(next, 1, 'again');
    expect((await again).ok).toBe(true);
    expect(server.frames.filter((each) => each.type === FrameType.Headers)).toHaveLength(1);
  });

  test('a server that answers no keep-alive ping is given up', async () => {
    start({ keepaliveIntervalMs: 40, keepaliveTimeoutMs: 40 });
    const result = unary();
    const server = await peer();
    server.send(FrameType.Settings, 0, 0);
    expect(await result).toMatchObject({ ok: false, error: { code: 14 } });
    expect(server.frames.some((each) => each.type === FrameType.Ping)).toBe(true);
  });

  test('a deadline ends a call that the server never answers, and the stream is reset', async () => {
    start();
    const result = unary({ timeoutMs: 30 });
    const server = await peer();
    server.send(FrameType.Settings, 0, 0);
    expect(await result).toMatchObject({ ok: false, error: { code: 4, message: 'context deadline exceeded' } });
    expect(await server.reset(1)).toBe(ErrorCode.Cancel);
  });

  test('a request larger than the window waits for it and is whole', async () => {
    start();
    const text = 'z'.repeat(100_000);
    const result = unary({}, text);
    const server = await peer();
    server.send(FrameType.Settings, 0, 0);
    const body = (): Buffer =>
      Buffer.concat(server.frames.filter((each) => each.type === FrameType.Data).map((each) => each.payload));
    await server.until(() => body().length === 65_535);
    server.send(FrameType.WindowUpdate, 0, 0, uint32(1e6));
    server.send(FrameType.WindowUpdate, 0, 1, uint32(1e6));
    await server.frame((each) => each.type === FrameType.Data && (each.flags & Flag.EndStream) !== 0);
    expect(body().subarray(5).toString()).toBe(text);
    answer(server, 1, 'ok');
    expect((await result).ok).toBe(true);
  });

  test('an answer over the limit is ResourceExhausted', async () => {
    start({ maxReceiveBytes: 10 });
    const result = unary();
    const server = await peer();
    server.send(FrameType.Settings, 0, 0);
    await requested(server, 1);
    server.headers(1, [
      [':status', '200'],
      ['content-type', 'application/grpc'],
    ]);
    server.send(FrameType.Data, 0, 1, grpcMessage(Buffer.alloc(11)));
    expect(await result).toMatchObject({
      ok: false,
      error: { code: 8, message: 'grpc: received message larger than max (11 vs. 10)' },
    });
  });

  test('closing the channel fails what is under way', async () => {
    start();
    const result = unary();
    const server = await peer();
    server.send(FrameType.Settings, 0, 0);
    await requested(server, 1);
    channel.close();
    expect(await result).toMatchObject({ ok: false });
    expect(await unary()).toMatchObject({
      ok: false,
      error: { code: 1, message: 'grpc: the client connection is closing' },
    });
  });

  test('a cancelled call that still waits for its connection never reaches the server', async () => {
    start();
    const cancelled = new Promise<UnaryResult>((resolve) => {
      channel.unary('/t.T/Do', Buffer.alloc(0), {}, resolve)();
    });
    expect(await cancelled).toMatchObject({ ok: false, error: { code: 1 } });
    const result = unary();
    const server = await peer();
    server.send(FrameType.Settings, 0, 0);
    await requested(server, 1);
    answer(server, 1, 'only');
    expect((await result).ok).toBe(true);
    expect(server.frames.filter((each) => each.type === FrameType.Headers)).toHaveLength(1);
  });
});
