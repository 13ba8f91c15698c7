import { Etcd3 } from 'etcd3';
import { Cluster, type Member, type ProcessName } from './support/cluster';
import { waitFor } from './support/wait-for';

const BACK_WITHIN_MS = 3_000;
const PROCESSES: readonly ProcessName[] = ['raft', 'storage', 'watch', 'lease', 'auth', 'proxy'];

/** A fresh client does each kind of operation once; undefined while anything fails. */
async function allWork(cluster: Cluster, key: string): Promise<true | undefined> {
  const client = new Etcd3({
    hosts: cluster.endpoints.map((endpoint) => `http://${endpoint}`),
    auth: { username: 'root', password: 'pw' },
  });
  try {
    const watcher = await client.watch().key(key).create();
    const seen = new Promise<string>((resolve) => watcher.once('put', (kv) => resolve(kv.value.toString())));
    await client.put(key).value('alive');
    const lease = client.lease(60);
    const granted = await lease.grant();
    const value = await client.get(key).string();
    const event = await seen;
    await watcher.cancel();
    await lease.revoke();
    return value === 'alive' && event === 'alive' && granted !== '' ? true : undefined;
  } catch {
    return undefined;
  } finally {
    client.close();
  }
}

describe('kill -9 of one process', () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.start();
    await cluster.ctl('user', 'add', 'root:pw');
    await cluster.ctl('user', 'grant-role', 'root', 'root');
    await cluster.ctl('auth', 'enable');
  }, 60_000);
  afterAll(() => cluster?.destroy(), 60_000);

  test.each(PROCESSES)(
    '%s: it is restarted, put, get, watch, lease grant and login go on within 3 s, and nothing acknowledged is lost',
    async (name) => {
      const member: Member = cluster.member(0);
      const acknowledged = new Set<number>();
      const writer = new Etcd3({ hosts: `http://${member.endpoint}`, auth: { username: 'root', password: 'pw' } });
      const watched = new Set<string>();
      const watcher = await writer.watch().prefix(`${name}/`).create();
      watcher.on('put', (kv) => watched.add(kv.key.toString()));
      let writing = true;
      const load = (async () => {
        for (let at = 0; writing; at++) {
          try {
            await writer.put(`${name}/${at}`).value(String(at));
            acknowledged.add(at);
          } catch {
            // outcome unknown: the key may or may not be there
          }
        }
      })();
      await waitFor('some writes', () => acknowledged.size > 50);
      const before = member.processPid(name);
      process.kill(before ?? 0, 'SIGKILL');
      await waitFor('the restart', () => ![undefined, before].includes(member.processPid(name)));
      await waitFor(`service after the death of ${name}`, () => allWork(cluster, `probe/${name}`), BACK_WITHIN_MS);
      const soFar = acknowledged.size;
      await waitFor('more writes', () => acknowledged.size > soFar + 50);
      writing = false;
      await load;
      const found = await writer.getAll().prefix(`${name}/`).keys();
      const missing = [...acknowledged].filter((at) => !found.includes(`${name}/${at}`));
      expect(missing).toEqual([]);
      await waitFor('the watch that was open all the time to have seen every write', () =>
        [...acknowledged].every((at) => watched.has(`${name}/${at}`)),
      );
      await watcher.cancel();
      writer.close();
    },
    60_000,
  );
});
