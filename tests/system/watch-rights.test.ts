import { parseAddress } from '../../libs/process';
import { type Channel, connect } from '../../libs/rpc';
import {
  AUTH_PATHS,
  decodeAuthenticateResponse,
  decodeWatchResponse,
  encodeAuthenticateRequest,
  encodeWatchRequest,
  WATCH_PATHS,
} from '../../proto/gen/etcdserverpb';
import { Cluster } from './support/cluster';
import { describeWith } from './support/tools';
import { waitFor } from './support/wait-for';

interface Watch {
  created: boolean;
  canceled: string | undefined;
  readonly values: string[];
}

describeWith(['etcdctl'], 'a right that is taken away while somebody watches', () => {
  let cluster: Cluster;
  let channel: Channel;

  async function start(flags: readonly string[]): Promise<void> {
    cluster = await Cluster.start({ flags });
    channel = connect(parseAddress(`tcp:${cluster.member(0).endpoint}`));
    await cluster.ctl('user', 'add', 'root:pw');
    await cluster.ctl('user', 'grant-role', 'root', 'root');
    await cluster.ctl('role', 'add', 'reader');
    await cluster.ctl('role', 'grant-permission', 'reader', 'read', 'a');
    for (const user of ['ann', 'ben']) {
      await cluster.ctl('user', 'add', `${user}:pw`);
      await cluster.ctl('user', 'grant-role', user, 'reader');
    }
    await cluster.ctl('auth', 'enable');
  }

  afterEach(async () => {
    channel?.close();
    await cluster?.destroy();
  }, 60_000);

  const asRoot = (...args: string[]): Promise<string> => cluster.ctl('--user', 'root:pw', ...args);

  function login(name: string): Promise<string> {
    const request = encodeAuthenticateRequest({ name, password: 'pw' });
    return new Promise((resolve, reject) => {
      channel.unary(AUTH_PATHS.Authenticate, request, {}, (result) => {
        if (result.ok) resolve(decodeAuthenticateResponse(result.response).token);
        else reject(new Error(result.error.message));
      });
    });
  }

  /** A watch of `a` by this user. */
  async function watchAs(user: string): Promise<Watch> {
    const stream = channel.stream(WATCH_PATHS.Watch, { metadata: [['token', await login(user)]] });
    const watch: Watch = { created: false, canceled: undefined, values: [] };
    stream.onMessage((bytes) => {
      const { created, canceled, cancelReason, events } = decodeWatchResponse(bytes);
      watch.created ||= created;
      if (canceled) watch.canceled = cancelReason;
      for (const { kv } of events) watch.values.push(Buffer.from(kv?.value ?? []).toString());
    });
    stream.send(encodeWatchRequest({ createRequest: { key: Buffer.from('a') } }));
    await waitFor(`the watch of ${user}`, () => watch.created);
    return watch;
  }

  test('ends the watches that need it, with --watch-recheck-permissions, and no others', async () => {
    await start(['--watch-recheck-permissions']);
    const [ann, ben, root] = [await watchAs('ann'), await watchAs('ben'), await watchAs('root')] as const;
    await asRoot('user', 'delete', 'ann');
    await waitFor("the end of ann's watch", () => ann.canceled !== undefined);
    expect(ann.canceled).toBe('etcdserver: permission denied');
    await asRoot('put', 'a', '1');
    await waitFor("ben's event", () => ben.values.length === 1);
    await asRoot('role', 'revoke-permission', 'reader', 'a');
    await waitFor("the end of ben's watch", () => ben.canceled !== undefined);
    expect(ben.canceled).toBe('etcdserver: permission denied');
    await asRoot('put', 'a', '2');
    await waitFor("root's events", () => root.values.length === 2);
    expect([root.canceled, ann.values, ben.values, root.values]).toEqual([undefined, [], ['1'], ['1', '2']]);
  }, 60_000);

  test('ends nothing without it, as in etcd, which looks at permissions when a watch is made', async () => {
    await start([]);
    const [ann, ben] = [await watchAs('ann'), await watchAs('ben')] as const;
    await asRoot('user', 'delete', 'ann');
    await asRoot('role', 'revoke-permission', 'reader', 'a');
    await asRoot('put', 'a', '1');
    for (const watch of [ann, ben]) await waitFor('the event', () => watch.values.length === 1);
    expect([ann.canceled, ben.canceled]).toEqual([undefined, undefined]);
  }, 60_000);
});
