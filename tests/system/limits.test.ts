import { connect as connectSocket } from 'node:net';
import { encodePutRequest, encodeWatchRequest, KV_PATHS, WATCH_PATHS } from '../../proto/gen/etcdserverpb';
import {
  ErrorCode,
  Flag,
  FrameType,
  grpcFields,
  grpcMessage,
  type RawPeer,
  uint32,
} from '../../libs/rpc/testing/raw-peer';
import { Cluster } from './support/cluster';
import { outcomeOf, rawPeer } from './support/raw-outcome';
import { RealEtcd } from './support/real-etcd';
import { hasTool } from './support/tools';
import { waitFor } from './support/wait-for';

jest.setTimeout(30_000);

const put = (bytes: number): Uint8Array => encodePutRequest({ key: Buffer.from('k'), value: Buffer.alloc(bytes, 's') });
const watch = (peer: RawPeer, streamId: number): void => {
  peer.headers(streamId, grpcFields(WATCH_PATHS.Watch));
  const create = encodeWatchRequest({ createRequest: { key: Buffer.from('w') } });
  peer.send(FrameType.Data, 0, streamId, grpcMessage(create));
};
const ping = (peer: RawPeer): void => void peer.send(FrameType.Ping, 0, 0, Buffer.alloc(8));
const pongs = (peer: RawPeer): number =>
  peer.frames.filter((frame) => frame.type === FrameType.Ping && frame.flags === Flag.Ack).length;

describe('limits that flags set', () => {
  let cluster: Cluster;
  let etcd: RealEtcd | undefined;
  let peers: RawPeer[] = [];
  const KEEPALIVE = ['--grpc-keepalive-min-time=100ms', '--grpc-keepalive-interval=1s', '--grpc-keepalive-timeout=1s'];

  beforeAll(async () => {
    const flags = ['--max-request-bytes=10000', ...KEEPALIVE];
    cluster = await Cluster.start({
      flags: [...flags, '--max-concurrent-streams=2', '--warning-unary-request-duration=1us'],
    });
    etcd = hasTool('etcd') ? await RealEtcd.start(flags) : undefined;
  }, 60_000);
  afterAll(async () => {
    await etcd?.stop();
    await cluster?.destroy();
  }, 60_000);
  afterEach(() => {
    for (const peer of peers) peer.close();
    peers = [];
  });

  async function open(endpoint = cluster.member(0).endpoint): Promise<RawPeer> {
    const peer = rawPeer(endpoint).hello();
    peers.push(peer);
    await peer.until(() => peer.frames.length > 0);
    return peer;
  }
  /** The member, and a real etcd where there is one. */
  const both = (): string[] => [cluster.member(0).endpoint, ...(etcd === undefined ? [] : [etcd.endpoint])];

  test('--max-concurrent-streams is told to the client, and a stream beyond it is refused', async () => {
    const peer = await open();
    const settings = peer.frames.find((frame) => frame.type === FrameType.Settings)?.payload ?? Buffer.alloc(0);
    const told = new Map<number, number>();
    for (let at = 0; at < settings.length; at += 6) told.set(settings.readUInt16BE(at), settings.readUInt32BE(at + 2));
    expect(told.get(3)).toBe(2);
    for (const streamId of [1, 3, 5]) watch(peer, streamId);
    expect(await peer.reset(5)).toBe(ErrorCode.RefusedStream);
    peer.send(FrameType.RstStream, 0, 1, uint32(ErrorCode.Cancel));
    peer.request(7, KV_PATHS.Put, put(1));
    await peer.frame((frame) => frame.streamId === 7 && frame.type === FrameType.Data);
  });

  test('--max-request-bytes bounds requests, and 512 KiB more their messages', async () => {
    for (const endpoint of both()) {
      const small = await open(endpoint);
      small.headers(1, grpcFields(KV_PATHS.Put));
      small.send(FrameType.Data, Flag.EndStream, 1, grpcMessage(put(10_000)));
      expect(await outcomeOf(small, 1)).toMatchObject({ code: 3, text: 'etcdserver: request is too large' });
      const large = await open(endpoint);
      large.headers(1, grpcFields(KV_PATHS.Put));
      large.send(FrameType.Data, 0, 1, Buffer.from([0, 0, 0x10, 0, 0, 1]));
      expect(await outcomeOf(large, 1)).toMatchObject({
        code: 8,
        text: 'grpc: received message larger than max (1048576 vs. 534288)',
      });
    }
  });

  test('a unary request over --warning-unary-request-duration is logged, without what it says', async () => {
    const member = cluster.member(0);
    const peer = await open();
    peer.request(1, KV_PATHS.Put, put(100));
    await peer.frame((frame) => frame.streamId === 1 && frame.type === FrameType.Data);
    const remote = `127.0.0.1:${peer.socket.localPort}`;
    const line = await waitFor('the line in the log', () =>
      member.log.split('\n').find((each) => each.includes('request stats') && each.includes(remote)),
    );
    expect(JSON.parse(line)).toMatchObject({
      level: 'warn',
      msg: 'request stats',
      'response type': KV_PATHS.Put,
      remote,
      'time spent': expect.stringMatching(/^[\d.]+ms$/),
      'request size': put(100).length,
    });
    expect(line).not.toContain('ssss');
  });

  test('pings without a stream, or too often, end the connection with too_many_pings', async () => {
    for (const endpoint of both()) {
      for (const streams of [0, 1]) {
        const peer = await open(endpoint);
        if (streams > 0) {
          watch(peer, 1);
          await peer.frame((frame) => frame.streamId === 1 && frame.type === FrameType.Data);
        }
        // What was sent since forgives the first; then two strikes are allowed.
        for (let i = 0; i < 5; i++) ping(peer);
        expect(await peer.goaway()).toEqual({ code: ErrorCode.EnhanceYourCalm, text: 'too_many_pings' });
        await peer.until(() => peer.closed);
      }
    }
  });

  test('pings as often as --grpc-keepalive-min-time allows, while a stream is open, are answered', async () => {
    for (const endpoint of both()) {
      const peer = await open(endpoint);
      watch(peer, 1);
      await peer.frame((frame) => frame.streamId === 1 && frame.type === FrameType.Data);
      for (let sent = 1; sent <= 6; sent++) {
        ping(peer);
        const nextAt = performance.now() + 110;
        await peer.until(() => peer.closed || pongs(peer) === sent);
        await waitFor('the time of the next ping', () => performance.now() >= nextAt);
      }
      expect([peer.closed, pongs(peer)]).toEqual([false, 6]);
    }
  });

  test('a client that does not answer the pings of the server is dropped', async () => {
    for (const endpoint of both()) {
      const peer = await open(endpoint);
      await peer.frame((frame) => frame.type === FrameType.Ping && (frame.flags & Flag.Ack) === 0);
      await peer.until(() => peer.closed);
    }
  });
});

describe('a member without a leader', () => {
  let cluster: Cluster;
  afterEach(() => cluster?.destroy(), 60_000);

  test('refuses a unary request that wants a leader at once; others wait as long as they may', async () => {
    cluster = await Cluster.create({ members: 2 });
    const member = cluster.member(0);
    member.spawn();
    await waitFor('the client port', () => answers(member.clientPort));
    const peer = rawPeer(member.endpoint).hello();
    peer.request(1, KV_PATHS.Put, put(1), [['grpc-timeout', '300m']]);
    peer.request(3, KV_PATHS.Put, put(1), [
      ['hasleader', 'true'],
      ['grpc-timeout', '20S'],
    ]);
    const ends = (streamId: number): Promise<unknown> =>
      peer.frame((frame) => frame.streamId === streamId && (frame.flags & Flag.EndStream) !== 0);
    await ends(3);
    expect(peer.frames.some((frame) => frame.streamId === 1)).toBe(false);
    await ends(1);
    const told = peer
      .decodeHeaders()
      .map(({ streamId, fields }) => [streamId, fields['grpc-status'], fields['grpc-message']]);
    peer.close();
    expect(told).toEqual([
      [3, '14', 'etcdserver: no leader'],
      [1, '4', 'context deadline exceeded'],
    ]);
  });
});

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectSocket({ host: '127.0.0.1', port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
