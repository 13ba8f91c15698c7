import { encodePutRequest, encodeWatchRequest, KV_PATHS, WATCH_PATHS } from '../../proto/gen/etcdserverpb';
import {
  ErrorCode,
  Flag,
  FrameType,
  grpcFields,
  grpcMessage,
  type RawPeer,
  setting,
  uint32,
} from '../../libs/rpc/testing/raw-peer';
import { Cluster } from './support/cluster';
import { type Outcome, outcomeOf, rawPeer } from './support/raw-outcome';
import { RealEtcd } from './support/real-etcd';
import { hasTool } from './support/tools';
import { waitFor } from './support/wait-for';

jest.setTimeout(30_000);

const put = (bytes: number): Uint8Array => encodePutRequest({ key: Buffer.from('k'), value: Buffer.alloc(bytes) });
const body = (peer: RawPeer, bytes: Uint8Array): void => {
  const frames: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += 16_384) frames.push(Buffer.from(bytes.subarray(at, at + 16_384)));
  frames.forEach((part, i) => peer.send(FrameType.Data, i === frames.length - 1 ? Flag.EndStream : 0, 1, part));
};
const without = (name: string): Array<readonly [string, string]> =>
  grpcFields(KV_PATHS.Put).filter(([field]) => field !== name);

interface Case {
  readonly name: string;
  readonly send: (peer: RawPeer) => void;
  readonly expected: Partial<Outcome>;
  /** What Debian's etcd does, when that is something else: it has an old gRPC library. */
  readonly old?: Partial<Outcome> | 'overlooked';
  /** Not a mistake of the peer's; nothing is logged. */
  readonly silent?: boolean;
}

const status = (code: number, text?: string): Partial<Outcome> => ({
  kind: 'status',
  code,
  ...(text === undefined ? {} : { text }),
});
const goaway = (code: number): Partial<Outcome> => ({ kind: 'goaway', code });
/** grpc-go closes the connection without a word where RFC 9113 asks for GOAWAY first. */
const closed: Partial<Outcome> = { kind: 'closed' };

/** One request each on a connection of its own. */
const cases: readonly Case[] = [
  {
    name: 'a request over 1,572,864 bytes',
    send: (peer) => {
      peer.headers(1, grpcFields(KV_PATHS.Put));
      body(peer, grpcMessage(put(1_572_864)));
    },
    expected: status(3, 'etcdserver: request is too large'),
    // The frames do not wait for etcd's window, which it may hold against them.
    old: 'overlooked',
    silent: true,
  },
  {
    name: 'a message over that and 512 KiB',
    send: (peer) => {
      peer.headers(1, grpcFields(KV_PATHS.Put));
      // No more than the window that both begin with: which of two rules is broken first would be a matter of time.
      const start = Buffer.from(grpcMessage(put(2_097_152)).subarray(0, 49_152));
      for (let at = 0; at < start.length; at += 16_384)
        peer.send(FrameType.Data, 0, 1, start.subarray(at, at + 16_384));
    },
    expected: status(8, `grpc: received message larger than max (${put(2_097_152).length} vs. 2097152)`),
  },
  {
    name: 'a message that only says it is too large',
    send: (peer) => {
      peer.headers(1, grpcFields(KV_PATHS.Put));
      peer.send(FrameType.Data, 0, 1, Buffer.from([0, 0xff, 0xff, 0xff, 0xff, 1]));
    },
    expected: status(8, 'grpc: received message larger than max (4294967295 vs. 2097152)'),
  },
  {
    name: 'a truncated message of protobuf',
    send: (peer) => void peer.request(1, KV_PATHS.Put, Buffer.from([0x0a, 0x7f, 1])),
    expected: status(13),
  },
  {
    name: 'a truncated message of protobuf on a stream',
    send: (peer) => {
      peer.headers(1, grpcFields(WATCH_PATHS.Watch));
      peer.send(FrameType.Data, 0, 1, grpcMessage(Buffer.from([0x0a, 0x7f, 1])));
    },
    expected: status(13),
  },
  {
    name: 'half a message before the end of the stream',
    send: (peer) => {
      peer.headers(1, grpcFields(KV_PATHS.Put));
      peer.send(FrameType.Data, Flag.EndStream, 1, grpcMessage(put(100)).subarray(0, 50));
    },
    expected: status(13, 'unexpected EOF'),
    old: status(2),
  },
  {
    name: 'an unknown method',
    send: (peer) => void peer.request(1, '/etcdserverpb.KV/Frobnicate', put(1)),
    expected: status(12, 'unknown method Frobnicate for service etcdserverpb.KV'),
  },
  {
    name: 'an unknown service',
    send: (peer) => void peer.request(1, '/none.None/Put', put(1)),
    expected: status(12, 'unknown service none.None'),
  },
  {
    name: 'a path that is no method',
    send: (peer) => void peer.request(1, 'nonsense', put(1)),
    expected: status(12, 'malformed method name: "nonsense"'),
    old: status(8),
  },
  {
    name: 'a request without te: trailers, which grpc-go does not ask for',
    send: (peer) => {
      peer.headers(1, without('te'));
      peer.send(FrameType.Data, Flag.EndStream, 1, grpcMessage(put(1)));
    },
    expected: status(0),
    silent: true,
  },
  {
    name: 'a compression that nobody knows',
    send: (peer) => void peer.request(1, KV_PATHS.Put, put(1), [['grpc-encoding', 'snappy']]),
    expected: status(12),
  },
  {
    name: 'a malformed timeout',
    send: (peer) => void peer.request(1, KV_PATHS.Put, put(1), [['grpc-timeout', '5x']]),
    expected: status(13),
    old: { kind: 'reset', code: ErrorCode.ProtocolError },
  },
  {
    name: 'a field name in upper case',
    send: (peer) => void peer.headers(1, [...grpcFields(KV_PATHS.Put), ['X-Upper', 'case']]),
    expected: { kind: 'reset', code: ErrorCode.ProtocolError },
  },
  {
    name: 'a frame longer than allowed',
    send: (peer) => void peer.send(FrameType.Data, 0, 1, Buffer.alloc(16_385)),
    expected: goaway(ErrorCode.FrameSizeError),
    old: closed,
  },
  {
    name: 'DATA on stream 0',
    send: (peer) => void peer.send(FrameType.Data, 0, 0, Buffer.alloc(8)),
    expected: goaway(ErrorCode.ProtocolError),
    old: closed,
  },
  {
    name: 'a header block that cannot be decoded',
    send: (peer) => void peer.send(FrameType.Headers, Flag.EndHeaders, 1, Buffer.from([0x80])),
    expected: goaway(ErrorCode.CompressionError),
    old: closed,
  },
  {
    name: 'SETTINGS with an impossible window',
    send: (peer) => void peer.send(FrameType.Settings, 0, 0, setting(4, 0x80000000)),
    expected: goaway(ErrorCode.FlowControlError),
    old: closed,
  },
  {
    name: 'a window that overflows',
    send: (peer) => {
      peer.headers(1, grpcFields(WATCH_PATHS.Watch));
      peer.send(FrameType.WindowUpdate, 0, 0, uint32(0x7fffffff));
    },
    expected: goaway(ErrorCode.FlowControlError),
    old: 'overlooked',
  },
  {
    name: 'RST_STREAM of a stream that never was',
    send: (peer) => void peer.send(FrameType.RstStream, 0, 99, uint32(8)),
    expected: goaway(ErrorCode.ProtocolError),
    old: 'overlooked',
  },
];

describe('bad input, beside a real etcd where there is one (tool: etcd)', () => {
  let cluster: Cluster;
  let etcd: RealEtcd | undefined;
  let bystander: RawPeer;
  let nextStream = 1;

  beforeAll(async () => {
    cluster = await Cluster.start();
    etcd = hasTool('etcd') ? await RealEtcd.start() : undefined;
    bystander = rawPeer(cluster.member(0).endpoint).hello();
    bystander.headers(nextStream, grpcFields(WATCH_PATHS.Watch));
    const create = encodeWatchRequest({ createRequest: { key: Buffer.from('other') } });
    bystander.send(FrameType.Data, 0, nextStream, grpcMessage(create));
    nextStream += 2;
  }, 60_000);
  afterAll(async () => {
    bystander?.close();
    await etcd?.stop();
    await cluster?.destroy();
  }, 60_000);

  async function take(endpoint: string, send: Case['send']): Promise<{ outcome: Outcome; port: number }> {
    const peer = rawPeer(endpoint);
    peer.hello();
    await peer.until(() => peer.frames.length > 0);
    const port = peer.socket.localPort ?? 0;
    send(peer);
    const outcome = await outcomeOf(peer, 1);
    peer.close();
    return { outcome, port };
  }

  async function expectBystanderIsServed(): Promise<void> {
    const streamId = nextStream;
    nextStream += 2;
    bystander.request(streamId, KV_PATHS.Put, put(1));
    await bystander.frame((frame) => frame.streamId === streamId && frame.type === FrameType.Data);
    expect(
      bystander.frames.some((frame) => [FrameType.Goaway, FrameType.RstStream].includes(frame.type as never)),
    ).toBe(false);
  }

  test.each(cases)('$name', async ({ send, expected, old, silent }) => {
    const member = cluster.member(0);
    const { outcome, port } = await take(member.endpoint, send);
    expect(outcome).toMatchObject(expected);
    await expectBystanderIsServed();
    const lines = (): number => member.log.split('\n').filter((line) => line.includes(`127.0.0.1:${port}"`)).length;
    if (silent !== true) await waitFor('the line in the log', () => lines() > 0);
    expect(lines()).toBe(silent === true ? 0 : 1);
    if (etcd === undefined || old === 'overlooked') return;
    const { text: _, ...same } = old ?? expected;
    expect((await take(etcd.endpoint, send)).outcome).toMatchObject(same);
  });

  test('a peer that makes the same mistake again and again is logged once', async () => {
    const member = cluster.member(0);
    const peer = rawPeer(member.endpoint).hello();
    for (let streamId = 1; streamId < 200; streamId += 2) peer.request(streamId, '/none.None/Put', put(1));
    await peer.frame((frame) => frame.streamId === 199 && frame.type === FrameType.Headers);
    const port = String(peer.socket.localPort);
    peer.close();
    await expectBystanderIsServed();
    const lines = (): string[] => member.log.split('\n').filter((line) => line.includes(`127.0.0.1:${port}"`));
    await waitFor('the line in the log', () => lines().length > 0);
    expect(lines()).toHaveLength(1);
    expect(JSON.parse(lines()[0] ?? '{}')).toMatchObject({ level: 'warn', error: 'unknown service none.None' });
  });
});
