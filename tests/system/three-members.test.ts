import { Client, credentials } from '@grpc/grpc-js';
import { Etcd3 } from 'etcd3';
import { encodePutRequest, KV_PATHS } from '../../proto/gen/etcdserverpb';
import { Cluster, etcdctl } from './support/cluster';
import { describeWith } from './support/tools';
import { waitFor } from './support/wait-for';

const CLIENTS = 100;
const PUTS = 20_000;

/** Puts from `CLIENTS` concurrent clients through plain grpc-js, spread over the endpoints; rejects at the first error. */
async function load(endpoints: readonly string[]): Promise<void> {
  const clients = endpoints.map((endpoint) => new Client(endpoint, credentials.createInsecure()));
  const value = Buffer.alloc(256, 'x');
  const bytes = (message: Buffer): Buffer => message;
  let next = 0;
  const put = (client: Client, key: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const request = Buffer.from(encodePutRequest({ key: Buffer.from(key), value }));
      client.makeUnaryRequest(KV_PATHS.Put, bytes, bytes, request, (error) =>
        error === null ? resolve() : reject(error),
      );
    });
  const one = async (client: Client): Promise<void> => {
    while (next < PUTS) await put(client, `load/${next++}`);
  };
  await Promise.all(Array.from({ length: CLIENTS }, (_, at) => one(clients[at % clients.length] as Client)));
  for (const client of clients) client.close();
}

async function revisions(cluster: Cluster): Promise<number[]> {
  return (await cluster.status()).map(({ Status }) => Status.header.revision);
}

describeWith(['etcdctl'], 'a cluster', () => {
  test.each([1, 3])(
    'of %d takes 20,000 puts from 100 concurrent clients without an error',
    async (members) => {
      const cluster = await Cluster.start({ members });
      try {
        await load(cluster.endpoints);
        const count = JSON.parse(await cluster.ctl('get', 'load/', '--prefix', '--limit', '1', '-w', 'json')) as {
          count: number;
        };
        expect(count.count).toBe(PUTS);
        await waitFor(
          'equal revisions',
          async () => new Set(await revisions(cluster)).size === 1 && (await revisions(cluster)).length === members,
        );
        const status = await cluster.status();
        expect(status.filter(({ Status }) => Status.leader === Status.header.member_id)).toHaveLength(1);
        expect(new Set(status.map(({ Status }) => Status.leader)).size).toBe(1);
      } finally {
        await cluster.destroy();
      }
    },
    120_000,
  );

  test('of three loses no acknowledged write when the leader’s member is killed while writing', async () => {
    const cluster = await Cluster.start({ members: 3 });
    try {
      const leader = await cluster.leader();
      const others = cluster.members.filter((member) => member !== leader);
      const client = new Etcd3({ hosts: others.map((member) => `http://${member.endpoint}`) });
      const acknowledged: number[] = [];
      let writing = true;
      let next = 0;
      const writers = Array.from({ length: 20 }, async () => {
        while (writing) {
          const at = next++;
          try {
            await client.put(`k/${at}`).value(String(at));
            acknowledged.push(at);
          } catch {
            // outcome unknown
          }
        }
      });
      await waitFor('writes before the kill', () => acknowledged.length > 500);
      await leader.stop('SIGKILL');
      const before = acknowledged.length;
      await waitFor('writes after the kill', () => acknowledged.length > before + 500, 10_000);
      writing = false;
      await Promise.all(writers);
      client.close();
      await leader.start();
      for (const member of cluster.members) {
        const { stdout } = await etcdctl([member.endpoint], ['get', 'k/', '--prefix', '--keys-only']);
        const found = new Set(stdout.split('\n'));
        expect(acknowledged.filter((at) => !found.has(`k/${at}`))).toEqual([]);
      }
      await waitFor(
        'equal revisions',
        async () => (await revisions(cluster)).length === 3 && new Set(await revisions(cluster)).size === 1,
      );
    } finally {
      await cluster.destroy();
    }
  }, 120_000);

  test('of three serves reads, writes, watches and leases at every member', async () => {
    const cluster = await Cluster.start({ members: 3 });
    try {
      for (const [at, member] of cluster.members.entries()) {
        const client = new Etcd3({ hosts: `http://${member.endpoint}` });
        const next = new Etcd3({ hosts: `http://${cluster.members[(at + 1) % 3]?.endpoint}` });
        const watcher = await next.watch().key(`at/${at}`).create();
        const seen = new Promise((resolve) => watcher.once('put', resolve));
        await client.put(`at/${at}`).value('v');
        expect(await next.get(`at/${at}`).string()).toBe('v');
        await seen;
        await watcher.cancel();
        const id =
          /lease ([0-9a-f]+)/.exec((await etcdctl([member.endpoint], ['lease', 'grant', '60'])).stdout)?.[1] ?? '';
        for (const other of cluster.members) {
          const kept = await etcdctl([other.endpoint], ['lease', 'keep-alive', '--once', id]);
          expect(kept.stdout).toBe(`lease ${id} keepalived with TTL(60)\n`);
        }
        client.close();
        next.close();
      }
    } finally {
      await cluster.destroy();
    }
  }, 120_000);
});
