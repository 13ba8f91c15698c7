import { Client, credentials, Metadata, type StatusObject } from '@grpc/grpc-js';
import { STAGES } from '../../libs/attribution';
import * as etcd from '../../proto/gen/etcdserverpb';
import { encodeHealthCheckRequest, HEALTH_PATHS } from '../../proto/gen/grpc_health_v1';
import { Cluster } from './support/cluster';
import { waitFor } from './support/wait-for';

const bytes = (text: string): Uint8Array => Buffer.from(text);
const none = new Uint8Array(0);
const LARGE = { 'grpc.max_receive_message_length': 64 * 1024 * 1024 };
/** Times are whole microseconds, of which a few fall between the stages of a request that is over at once. */
const ROUNDING_MS = 0.02;

/** The `hexad-timing` trailer of a call, in milliseconds by stage. */
function timingOf(endpoint: string, path: string, request: Uint8Array): Promise<Map<string, number>> {
  const client = new Client(endpoint, credentials.createInsecure(), LARGE);
  const metadata = new Metadata();
  metadata.set('hexad-timing', '1');
  return new Promise((resolve, reject) => {
    const same = (message: Buffer): Buffer => message;
    const call = client.makeUnaryRequest(path, same, same, Buffer.from(request), metadata, (error) => {
      if (error !== null) reject(new Error(`${path}: ${error.message}`));
    });
    call.on('status', (status: StatusObject) => {
      client.close();
      const text = String(status.metadata.get('hexad-timing')[0] ?? '');
      resolve(new Map([...text.matchAll(/([\w-]+);dur=([\d.]+)/g)].map(([, name = '', ms]) => [name, Number(ms)])));
    });
  });
}

/** One request of each kind, in an order in which all succeed. */
const REQUESTS: readonly (readonly [path: string, request: Uint8Array])[] = [
  [etcd.KV_PATHS.Put, etcd.encodePutRequest({ key: bytes('k'), value: bytes('v') })],
  [etcd.KV_PATHS.Range, etcd.encodeRangeRequest({ key: bytes('k') })],
  [etcd.KV_PATHS.Range, etcd.encodeRangeRequest({ key: bytes('k'), serializable: true })],
  [etcd.KV_PATHS.Txn, etcd.encodeTxnRequest({ success: [{ requestRange: { key: bytes('k') } }] })],
  [etcd.KV_PATHS.Txn, etcd.encodeTxnRequest({ success: [{ requestPut: { key: bytes('k'), value: bytes('w') } }] })],
  [etcd.KV_PATHS.DeleteRange, etcd.encodeDeleteRangeRequest({ key: bytes('absent') })],
  [etcd.KV_PATHS.Compact, etcd.encodeCompactionRequest({ revision: 2 })],
  [etcd.LEASE_PATHS.LeaseGrant, etcd.encodeLeaseGrantRequest({ TTL: 60, ID: 7n })],
  [etcd.LEASE_PATHS.LeaseTimeToLive, etcd.encodeLeaseTimeToLiveRequest({ ID: 7n, keys: true })],
  [etcd.LEASE_PATHS.LeaseLeases, none],
  [etcd.LEASE_PATHS.LeaseRevoke, etcd.encodeLeaseRevokeRequest({ ID: 7n })],
  [etcd.CLUSTER_PATHS.MemberList, etcd.encodeMemberListRequest({ linearizable: true })],
  [etcd.MAINTENANCE_PATHS.Status, none],
  [etcd.MAINTENANCE_PATHS.Alarm, none],
  [etcd.MAINTENANCE_PATHS.Hash, none],
  [etcd.MAINTENANCE_PATHS.HashKV, none],
  [etcd.MAINTENANCE_PATHS.Defragment, none],
  [etcd.AUTH_PATHS.AuthStatus, none],
  [etcd.AUTH_PATHS.UserAdd, etcd.encodeAuthUserAddRequest({ name: 'ann', password: 'p' })],
  [etcd.AUTH_PATHS.RoleAdd, etcd.encodeAuthRoleAddRequest({ name: 'r' })],
  [etcd.AUTH_PATHS.UserList, none],
  [HEALTH_PATHS.Check, encodeHealthCheckRequest({})],
];

describe.each(['native', 'grpc-js'])('where the time went, with the %s engine', (engine) => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.start({ flags: [`--rpc-engine=${engine}`, '--bcrypt-cost=4'] });
  }, 60_000);
  afterAll(() => cluster?.destroy(), 60_000);

  test('is known of every kind of request, and its stages add up to its total', async () => {
    const { endpoint } = cluster.member(0);
    for (const [path, request] of REQUESTS) {
      const timing = await timingOf(endpoint, path, request);
      const { total = 0, unattributed = 1e9, ...stages } = Object.fromEntries(timing);
      expect([path, Object.keys(stages).filter((name) => !(STAGES as readonly string[]).includes(name))]).toEqual([
        path,
        [],
      ]);
      const sum = Object.values(stages).reduce((all, ms) => all + ms, 0);
      const isWhole = total > 0 && unattributed <= Math.max(0.05 * total, ROUNDING_MS);
      expect({ path, isWhole, timing: isWhole ? '' : JSON.stringify([...timing]) }).toEqual({
        path,
        isWhole: true,
        timing: '',
      });
      expect(Math.abs(total - sum)).toBeLessThanOrEqual(unattributed + ROUNDING_MS);
    }
  }, 60_000);

  test('is known of an answer too large for one message', async () => {
    const { endpoint } = cluster.member(0);
    const value = Buffer.alloc(1024 * 1024);
    for (let i = 0; i < 6; i++) {
      await timingOf(endpoint, etcd.KV_PATHS.Put, etcd.encodePutRequest({ key: bytes(`large/${i}`), value }));
    }
    const page = async (): Promise<string> => (await fetch(`http://${endpoint}/metrics`)).text();
    const seen = (text: string): number =>
      Number(/^hexad_request_duration_seconds_count\{op="range"\} (\d+)/m.exec(text)?.[1] ?? 0);
    const before = seen(await page());
    await timingOf(
      endpoint,
      etcd.KV_PATHS.Range,
      etcd.encodeRangeRequest({ key: bytes('large/'), rangeEnd: bytes('large0') }),
    );
    await waitFor('the range to be accounted for', async () => seen(await page()) === before + 1);
    const text = await page();
    const valueOf = (name: string): number =>
      Number(new RegExp(`^${name}\\{op="range"\\} ([\\d.e-]+)`, 'm').exec(text)?.[1] ?? Number.NaN);
    expect(valueOf('hexad_unattributed_time_ratio_sum') / valueOf('hexad_unattributed_time_ratio_count')).toBeLessThan(
      0.05,
    );
  }, 60_000);
});
