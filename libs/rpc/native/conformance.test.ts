import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, type RpcServer } from '../index';
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

/** RFC 9113 as the server keeps it; the cases are those a conformance tool would send. */
describe('the native server and RFC 9113', () => {
  let directory: string;
  let server: RpcServer;
  let peer: RawPeer;
  const path = (): string => join(directory, 's.sock');
  const head = grpcFields('/t.T/Echo');

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'rpc-'));
    server = createServer({ engine: 'native' });
    server.addHandlers({
      unary: { '/t.T/Echo': (call) => call.reply(call.request), '/t.T/Hang': () => {} },
      stream: { '/t.T/Chat': (call) => call.onMessage((message) => void call.send(message)) },
    });
    await server.listen({ kind: 'unix', path: path() });
  });
  afterAll(async () => {
    await server.close();
    rmSync(directory, { recursive: true, force: true });
  });
  beforeEach(() => {
    peer = new RawPeer({ kind: 'unix', path: path() });
    peer.hello();
  });
  afterEach(() => peer.close());

  const openStream = (): void => void peer.headers(1, grpcFields('/t.T/Hang'));
  const answered = (): void => void peer.request(1, '/t.T/Echo', Buffer.alloc(0));
  const fieldLiteral = (index: number, value: string): Buffer =>
    Buffer.concat([Buffer.from([index, value.length]), Buffer.from(value)]);

  test.each<readonly [string, number, () => void]>([
    ['DATA on stream 0', ErrorCode.ProtocolError, () => peer.send(FrameType.Data, 0, 0)],
    ['DATA on an idle stream', ErrorCode.ProtocolError, () => peer.send(FrameType.Data, 0, 9)],
    [
      'DATA with padding longer than itself',
      ErrorCode.ProtocolError,
      () => {
        openStream();
        peer.send(FrameType.Data, Flag.Padded, 1, Buffer.from([5, 0]));
      },
    ],
    ['HEADERS on stream 0', ErrorCode.ProtocolError, () => peer.headers(0, head)],
    ['HEADERS on an even stream', ErrorCode.ProtocolError, () => peer.headers(2, head)],
    [
      'HEADERS with a smaller stream id',
      ErrorCode.ProtocolError,
      () => {
        peer.headers(5, head);
        peer.headers(3, head);
      },
    ],
    [
      'HEADERS that depend on themselves',
      ErrorCode.ProtocolError,
      () => {
        const priority = Buffer.from([0, 0, 0, 1, 16]);
        peer.send(FrameType.Headers, Flag.EndHeaders | Flag.Priority, 1, Buffer.concat([priority, peer.block(head)]));
      },
    ],
    [
      'HEADERS on a stream that both sides have ended',
      ErrorCode.StreamClosed,
      () => {
        answered();
        peer.headers(1, head);
      },
    ],
    [
      'a frame inside a header block',
      ErrorCode.ProtocolError,
      () => {
        peer.headers(1, head, 0);
        peer.send(FrameType.Ping, 0, 0, Buffer.alloc(8));
      },
    ],
    ['CONTINUATION without HEADERS', ErrorCode.ProtocolError, () => peer.send(FrameType.Continuation, 4, 1)],
    [
      'CONTINUATION of another stream',
      ErrorCode.ProtocolError,
      () => {
        peer.headers(1, head, 0);
        peer.send(FrameType.Continuation, 4, 3);
      },
    ],
    [
      'a header block that cannot be decoded',
      ErrorCode.CompressionError,
      () => peer.send(FrameType.Headers, Flag.EndHeaders, 1, Buffer.from([0x80])),
    ],
    ['PRIORITY on stream 0', ErrorCode.ProtocolError, () => peer.send(FrameType.Priority, 0, 0, Buffer.alloc(5))],
    ['PRIORITY of 4 octets', ErrorCode.FrameSizeError, () => peer.send(FrameType.Priority, 0, 1, Buffer.alloc(4))],
    ['RST_STREAM on stream 0', ErrorCode.ProtocolError, () => peer.send(FrameType.RstStream, 0, 0, uint32(8))],
    ['RST_STREAM on an idle stream', ErrorCode.ProtocolError, () => peer.send(FrameType.RstStream, 0, 1, uint32(8))],
    [
      'RST_STREAM of 3 octets',
      ErrorCode.FrameSizeError,
      () => {
        openStream();
        peer.send(FrameType.RstStream, 0, 1, Buffer.alloc(3));
      },
    ],
    ['SETTINGS on a stream', ErrorCode.ProtocolError, () => peer.send(FrameType.Settings, 0, 1)],
    ['SETTINGS of 5 octets', ErrorCode.FrameSizeError, () => peer.send(FrameType.Settings, 0, 0, Buffer.alloc(5))],
    [
      'an acknowledgement of SETTINGS with content',
      ErrorCode.FrameSizeError,
      () => peer.send(FrameType.Settings, Flag.Ack, 0, Buffer.alloc(6)),
    ],
    ['ENABLE_PUSH 2', ErrorCode.ProtocolError, () => peer.send(FrameType.Settings, 0, 0, setting(2, 2))],
    [
      'INITIAL_WINDOW_SIZE 2^31',
      ErrorCode.FlowControlError,
      () => peer.send(FrameType.Settings, 0, 0, setting(4, 0x80000000)),
    ],
    ['MAX_FRAME_SIZE 16383', ErrorCode.ProtocolError, () => peer.send(FrameType.Settings, 0, 0, setting(5, 16383))],
    ['MAX_FRAME_SIZE 2^24', ErrorCode.ProtocolError, () => peer.send(FrameType.Settings, 0, 0, setting(5, 1 << 24))],
    ['PUSH_PROMISE', ErrorCode.ProtocolError, () => peer.send(FrameType.PushPromise, 4, 1, uint32(2))],
    ['PING on a stream', ErrorCode.ProtocolError, () => peer.send(FrameType.Ping, 0, 1, Buffer.alloc(8))],
    ['PING of 6 octets', ErrorCode.FrameSizeError, () => peer.send(FrameType.Ping, 0, 0, Buffer.alloc(6))],
    ['GOAWAY on a stream', ErrorCode.ProtocolError, () => peer.send(FrameType.Goaway, 0, 1, Buffer.alloc(8))],
    [
      'WINDOW_UPDATE of 0 on the connection',
      ErrorCode.ProtocolError,
      () => peer.send(FrameType.WindowUpdate, 0, 0, uint32(0)),
    ],
    [
      'WINDOW_UPDATE of 3 octets',
      ErrorCode.FrameSizeError,
      () => peer.send(FrameType.WindowUpdate, 0, 0, Buffer.alloc(3)),
    ],
    [
      'WINDOW_UPDATE on an idle stream',
      ErrorCode.ProtocolError,
      () => peer.send(FrameType.WindowUpdate, 0, 7, uint32(1)),
    ],
  ])('%s is a connection error', async (_, code, act) => {
    act();
    expect((await peer.goaway()).code).toBe(code);
    await peer.until(() => peer.closed);
  });

  test.each<readonly [string, number, () => void]>([
    ['an upper-case field name', ErrorCode.ProtocolError, () => peer.headers(1, [...head, ['X-A', 'b']])],
    ['an unknown pseudo-field', ErrorCode.ProtocolError, () => peer.headers(1, [[':test', 'a'], ...head])],
    ['a pseudo-field of responses', ErrorCode.ProtocolError, () => peer.headers(1, [[':status', '200'], ...head])],
    [
      'a pseudo-field after a regular one',
      ErrorCode.ProtocolError,
      () => peer.headers(1, [...head.slice(1), [':method', 'POST']]),
    ],
    ['a field of the connection', ErrorCode.ProtocolError, () => peer.headers(1, [...head, ['connection', 'close']])],
    ['te other than trailers', ErrorCode.ProtocolError, () => peer.headers(1, [...head.slice(0, 5), ['te', 'gzip']])],
    [
      'an empty path',
      ErrorCode.ProtocolError,
      () => peer.send(FrameType.Headers, 5, 1, Buffer.concat([Buffer.from([0x83, 0x86]), fieldLiteral(4, '')])),
    ],
    ['no method', ErrorCode.ProtocolError, () => peer.headers(1, head.slice(1))],
    ['no scheme', ErrorCode.ProtocolError, () => peer.headers(1, [head[0] as never, ...head.slice(2)])],
    ['a path given twice', ErrorCode.ProtocolError, () => peer.headers(1, [[':path', '/x'], ...head])],
    [
      'a content-length that the data exceeds',
      ErrorCode.ProtocolError,
      () => {
        peer.headers(1, [...grpcFields('/t.T/Hang'), ['content-length', '4']]);
        peer.send(FrameType.Data, 0, 1, grpcMessage(Buffer.from('abc')));
      },
    ],
    [
      'a content-length that the data does not reach',
      ErrorCode.ProtocolError,
      () => {
        peer.headers(1, [...head, ['content-length', '100']]);
        peer.send(FrameType.Data, Flag.EndStream, 1, grpcMessage(Buffer.from('abc')));
      },
    ],
    [
      'trailers that do not end the stream',
      ErrorCode.ProtocolError,
      () => {
        openStream();
        peer.headers(1, [['x', 'y']]);
      },
    ],
    [
      'a pseudo-field in trailers',
      ErrorCode.ProtocolError,
      () => {
        openStream();
        peer.headers(1, [[':path', '/x']], Flag.EndHeaders | Flag.EndStream);
      },
    ],
    [
      'DATA after the client has ended the stream',
      ErrorCode.StreamClosed,
      () => {
        peer.request(1, '/t.T/Hang', Buffer.alloc(0));
        peer.send(FrameType.Data, 0, 1);
      },
    ],
    [
      'DATA after RST_STREAM',
      ErrorCode.StreamClosed,
      () => {
        openStream();
        peer.send(FrameType.RstStream, 0, 1, uint32(8));
        peer.send(FrameType.Data, 0, 1);
      },
    ],
    [
      'WINDOW_UPDATE of 0 on a stream',
      ErrorCode.ProtocolError,
      () => {
        openStream();
        peer.send(FrameType.WindowUpdate, 0, 1, uint32(0));
      },
    ],
  ])('%s is a stream error, and the connection lives on', async (_, code, act) => {
    act();
    expect(await peer.reset(1)).toBe(code);
    peer.request(9, '/t.T/Echo', Buffer.from('alive'));
    await peer.frame((each) => each.streamId === 9 && each.type === FrameType.Data);
  });

  test('a first frame other than SETTINGS ends the connection', async () => {
    const other = new RawPeer({ kind: 'unix', path: path() });
    other.socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    other.send(FrameType.Ping, 0, 0, Buffer.alloc(8));
    expect((await other.goaway()).code).toBe(ErrorCode.ProtocolError);
    other.close();
  });

  test('SETTINGS and PING are acknowledged, unknown frames and settings ignored', async () => {
    peer.send(0x77, 0xff, 3, Buffer.from('whatever'));
    peer.send(FrameType.Settings, 0, 0, setting(0x99, 7));
    peer.send(FrameType.Ping, 0, 0, Buffer.from('12345678'));
    const pong = await peer.frame((each) => each.type === FrameType.Ping);
    expect([pong.flags, pong.payload.toString()]).toEqual([Flag.Ack, '12345678']);
    expect(peer.frames.filter((each) => each.type === FrameType.Settings && each.flags === Flag.Ack)).toHaveLength(2);
  });

  test('padding and priority in HEADERS and DATA are taken away', async () => {
    const block = Buffer.concat([Buffer.from([3, 0, 0, 0, 0, 9]), peer.block(head), Buffer.alloc(3)]);
    peer.send(FrameType.Headers, Flag.EndHeaders | Flag.Padded | Flag.Priority, 1, block);
    const data = Buffer.concat([Buffer.from([2]), grpcMessage(Buffer.from('padded')), Buffer.alloc(2)]);
    peer.send(FrameType.Data, Flag.EndStream | Flag.Padded, 1, data);
    const answer = await peer.frame((each) => each.type === FrameType.Data);
    expect(answer.payload.subarray(5).toString()).toBe('padded');
  });

  test('a header block in several CONTINUATION frames is one block', async () => {
    const block = peer.block(head);
    peer.send(FrameType.Headers, 0, 1, block.subarray(0, 5));
    peer.send(FrameType.Continuation, 0, 1, block.subarray(5, 20));
    peer.send(FrameType.Continuation, Flag.EndHeaders, 1, block.subarray(20));
    peer.send(FrameType.Data, Flag.EndStream, 1, grpcMessage(Buffer.from('x')));
    await peer.frame((each) => each.type === FrameType.Data);
  });

  test('an answer is cut to a window of 3 and goes on with each update', async () => {
    peer.send(FrameType.Settings, 0, 0, setting(4, 3));
    peer.request(1, '/t.T/Echo', Buffer.from('abcdef'));
    const dataLengths = (): number[] =>
      peer.frames.filter((f) => f.type === FrameType.Data).map((f) => f.payload.length);
    await peer.until(() => dataLengths().length === 1);
    peer.send(FrameType.WindowUpdate, 0, 1, uint32(6));
    await peer.until(() => dataLengths().length === 2);
    peer.send(FrameType.Settings, 0, 0, setting(4, 100));
    await peer.frame((each) => each.type === FrameType.Headers && (each.flags & Flag.EndStream) !== 0);
    expect(dataLengths()).toEqual([3, 6, 2]);
    const all = Buffer.concat(peer.frames.filter((f) => f.type === FrameType.Data).map((f) => f.payload));
    expect(all.subarray(5).toString()).toBe('abcdef');
  });

  test('a window made negative by SETTINGS holds data back until it is positive again', async () => {
    peer.send(FrameType.Settings, 0, 0, setting(4, 8));
    peer.request(1, '/t.T/Echo', Buffer.alloc(20));
    await peer.frame((each) => each.type === FrameType.Data);
    peer.send(FrameType.Settings, 0, 0, setting(4, 2));
    peer.send(FrameType.WindowUpdate, 0, 1, uint32(6));
    peer.send(FrameType.Ping, 0, 0, Buffer.alloc(8));
    await peer.frame((each) => each.type === FrameType.Ping);
    expect(peer.frames.filter((each) => each.type === FrameType.Data)).toHaveLength(1);
    peer.send(FrameType.WindowUpdate, 0, 1, uint32(100));
    await peer.frame((each) => each.type === FrameType.Headers && (each.flags & Flag.EndStream) !== 0);
  });
});

describe('the native server and gRPC over HTTP/2', () => {
  let directory: string;
  let server: RpcServer;
  let peer: RawPeer;

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'rpc-'));
    server = createServer({ engine: 'native', maxReceiveBytes: 1000, handshakeTimeoutMs: 200 });
    server.addHandlers({ unary: { '/t.T/Echo': (call) => call.reply(call.request) } });
    await server.listen({ kind: 'unix', path: join(directory, 's.sock') });
    peer = new RawPeer({ kind: 'unix', path: join(directory, 's.sock') });
  });
  afterEach(async () => {
    peer.close();
    await server.close();
    rmSync(directory, { recursive: true, force: true });
  });

  async function statusOf(streamId: number): Promise<Record<string, string>> {
    await peer.frame((each) => each.streamId === streamId && each.type === FrameType.Headers && (each.flags & 1) !== 0);
    return Object.assign(
      {},
      ...peer
        .decodeHeaders()
        .filter((each) => each.streamId === streamId)
        .map((each) => each.fields),
    );
  }

  test.each([
    ['te is missing: served all the same', grpcFields('/t.T/Echo').slice(0, 5), '0', undefined],
    [
      'a malformed timeout',
      [...grpcFields('/t.T/Echo'), ['grpc-timeout', '5x'] as const],
      '13',
      'malformed grpc-timeout: "5x"',
    ],
    [
      'a compression nobody knows',
      [...grpcFields('/t.T/Echo'), ['grpc-encoding', 'snappy'] as const],
      '12',
      'grpc: Decompressor is not installed for grpc-encoding "snappy"',
    ],
    ['a malformed path', grpcFields('nonsense'), '12', 'malformed method name: "nonsense"'],
    [
      'a deadline that has passed',
      [...grpcFields('/t.T/Nope'), ['grpc-timeout', '0n'] as const],
      '12',
      'unknown method Nope for service t.T',
    ],
  ])('%s', async (_, fields, status, message) => {
    peer.hello().headers(1, fields);
    peer.send(FrameType.Data, Flag.EndStream, 1, grpcMessage(Buffer.from('x')));
    expect(await statusOf(1)).toMatchObject({
      'grpc-status': status,
      ...(message === undefined ? {} : { 'grpc-message': message }),
    });
  });

  test.each([
    [
      'two messages',
      Buffer.concat([grpcMessage(Buffer.from('a')), grpcMessage(Buffer.from('b'))]),
      'cardinality violation: received multiple request messages for non-client-streaming RPC',
    ],
    ['no message', Buffer.alloc(0), 'cardinality violation: received no request message from non-client-streaming RPC'],
    ['half a message', Buffer.from([0, 0, 0, 0, 9, 1]), 'unexpected EOF'],
    ['an unknown flag', Buffer.from([7, 0, 0, 0, 0]), 'grpc: received unexpected payload format 7'],
    [
      'compression that was not announced',
      Buffer.from([1, 0, 0, 0, 0]),
      'grpc: compressed flag set with identity or empty encoding',
    ],
  ])('a unary request of %s is Internal', async (_, body, message) => {
    peer.hello().headers(1, grpcFields('/t.T/Echo'));
    peer.send(FrameType.Data, Flag.EndStream, 1, body);
    expect(await statusOf(1)).toMatchObject({ 'grpc-status': '13', 'grpc-message': message });
  });

  test('a gzip bomb is refused at the limit of messages', async () => {
    const { gzipSync } = await import('node:zlib');
    const bomb = gzipSync(Buffer.alloc(900_000));
    const body = grpcMessage(bomb);
    body[0] = 1;
    peer.hello().headers(1, [...grpcFields('/t.T/Echo'), ['grpc-encoding', 'gzip']]);
    peer.send(FrameType.Data, Flag.EndStream, 1, body);
    expect((await statusOf(1))['grpc-status']).toBe('8');
  });

  test('a gzip message is read', async () => {
    const { gzipSync } = await import('node:zlib');
    const body = grpcMessage(gzipSync(Buffer.from('small')));
    body[0] = 1;
    peer.hello().headers(1, [...grpcFields('/t.T/Echo'), ['grpc-encoding', 'gzip']]);
    peer.send(FrameType.Data, Flag.EndStream, 1, body);
    const answer = await peer.frame((each) => each.type === FrameType.Data);
    expect(answer.payload.subarray(5).toString()).toBe('small');
  });

  test.each([
    ['says nothing', ''],
    ['stops in the preface', 'PRI * HTTP/2.0\r\n'],
    ['stops after the preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ])('a client that %s is dropped after the handshake time', async (_, start) => {
    peer.socket.write(start);
    await peer.until(() => peer.closed);
  });

  test('frames of a request cut anywhere are put together again', async () => {
    const bytes = Buffer.concat([
      frame(FrameType.Headers, Flag.EndHeaders, 1, peer.block(grpcFields('/t.T/Echo'))),
      frame(FrameType.Data, 0, 1, grpcMessage(Buffer.from('cut')).subarray(0, 3)),
      frame(FrameType.Data, Flag.EndStream, 1, grpcMessage(Buffer.from('cut')).subarray(3)),
    ]);
    peer.hello();
    for (let at = 0; at < bytes.length; at += 11) {
      peer.socket.write(bytes.subarray(at, at + 11));
      await new Promise((resolve) => setImmediate(resolve));
    }
    const answer = await peer.frame((each) => each.type === FrameType.Data);
    expect(answer.payload.subarray(5).toString()).toBe('cut');
  });
});
