import { Etcd3, EtcdLeaseInvalidError } from 'etcd3';
import { Cluster } from './support/cluster';

describe('the npm package etcd3', () => {
  let cluster: Cluster;
  let client: Etcd3;
  beforeAll(async () => {
    cluster = await Cluster.start();
    client = new Etcd3({ hosts: `http://${cluster.member(0).endpoint}` });
  }, 60_000);
  afterAll(async () => {
    client?.close();
    await cluster?.destroy();
  }, 60_000);

  test('puts, gets and deletes', async () => {
    await client.put('a/1').value('one');
    await client.put('a/2').value('two');
    expect(await client.get('a/1').string()).toBe('one');
    expect(await client.getAll().prefix('a/').strings()).toEqual({ 'a/1': 'one', 'a/2': 'two' });
    expect(await client.getAll().prefix('a/').sort('Key', 'Descend').limit(1).keys()).toEqual(['a/2']);
    expect((await client.delete().all().exec()).deleted).toBe('2');
  });

  test('transacts on every compare target', async () => {
    await client.put('t').value('1');
    const kv = (await client.get('t').exec()).kvs[0];
    const txn = await client
      .if('t', 'Value', '==', '1')
      .and('t', 'Version', '==', 1)
      .and('t', 'Create', '==', kv?.create_revision ?? '')
      .and('t', 'Mod', '==', kv?.mod_revision ?? '')
      .and('t', 'Lease', '==', 0)
      .then(client.put('t').value('2'))
      .else(client.get('t'))
      .commit();
    expect(txn.succeeded).toBe(true);
    expect(await client.get('t').string()).toBe('2');
  });

  test('keeps leases alive and refuses dead ones', async () => {
    const lease = client.lease(2);
    await lease.put('leased').value('v');
    await lease.keepaliveOnce();
    expect(await client.get('leased').string()).toBe('v');
    await lease.revoke();
    expect(await client.get('leased').string()).toBeNull();
    await expect(client.put('x').value('y').lease('1234')).rejects.toThrow(EtcdLeaseInvalidError);
  });

  test('locks, and elects', async () => {
    const lock = client.lock('l');
    await lock.acquire();
    await expect(client.lock('l').acquire()).rejects.toThrow();
    await lock.release();
    const election = client.election('e');
    const campaign = election.campaign('me');
    await new Promise((resolve) => campaign.once('elected', resolve));
    expect(await election.leader()).toBe('me');
    await campaign.resign();
  });

  test('watches from the past and the present in order', async () => {
    const { header } = await client.put('w/0').value('first');
    await client.put('w/1').value('second');
    const watcher = await client.watch().prefix('w/').startRevision(header.revision).create();
    const seen: string[] = [];
    const enough = new Promise<void>((resolve) => {
      watcher.on('put', (kv) => {
        seen.push(kv.value.toString());
        if (seen.length === 4) resolve();
      });
    });
    await client.put('w/2').value('third');
    await client.put('w/3').value('fourth');
    await enough;
    expect(seen).toEqual(['first', 'second', 'third', 'fourth']);
    await watcher.cancel();
  });
});
