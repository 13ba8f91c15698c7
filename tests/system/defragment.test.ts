import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Channel, connect } from '../../libs/rpc';
import {
  decodeRangeResponse,
  decodeStatusResponse,
  encodeDefragmentRequest,
  encodeDeleteRangeRequest,
  encodePutRequest,
  encodeRangeRequest,
  encodeStatusRequest,
  encodeTxnRequest,
  KV_PATHS,
  MAINTENANCE_PATHS,
} from '../../proto/gen/etcdserverpb';
import { Cluster, ROOT } from './support/cluster';
import { describeWith, run } from './support/tools';

jest.setTimeout(90_000);

const HEXUTL = join(ROOT, 'bin', 'hexutl');
const KEYS = 3_000;
const VALUE = Buffer.alloc(4_000, 'v');

function ask(channel: Channel, path: string, body: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    channel.unary(path, body, { timeoutMs: 30_000 }, (result) => {
      if (result.ok) resolve(result.response);
      else reject(new Error(result.error.message));
    });
  });
}

async function sizes(channel: Channel): Promise<{ file: number; inUse: number }> {
  const status = decodeStatusResponse(await ask(channel, MAINTENANCE_PATHS.Status, encodeStatusRequest({})));
  return { file: Number(status.dbSize), inUse: Number(status.dbSizeInUse) };
}

async function fill(channel: Channel): Promise<void> {
  for (let from = 0; from < KEYS; from += 100) {
    const success = Array.from({ length: 100 }, (_, i) => ({
      requestPut: { key: Buffer.from(`fill/${from + i}`), value: VALUE },
    }));
    await ask(channel, KV_PATHS.Txn, encodeTxnRequest({ success }));
  }
  await ask(
    channel,
    KV_PATHS.DeleteRange,
    encodeDeleteRangeRequest({ key: Buffer.from('fill/1'), rangeEnd: Buffer.from('fill0') }),
  );
}

/** Puts numbered keys one after the other until it is stopped; gives how many were acknowledged. */
function startPuts(channel: Channel): () => Promise<number> {
  let acknowledged = 0;
  let stopped = false;
  const ended = (async () => {
    while (!stopped) {
      const body = encodePutRequest({ key: Buffer.from(`put/${acknowledged}`), value: Buffer.from('x') });
      const done = await ask(channel, KV_PATHS.Put, body).then(
        () => true,
        () => false,
      );
      if (done) acknowledged++;
    }
  })();
  return async () => {
    stopped = true;
    await ended;
    return acknowledged;
  };
}

async function keysUnder(channel: Channel, prefix: string): Promise<Set<string>> {
  const end = Buffer.from(prefix);
  end[end.length - 1] = (end.at(-1) ?? 0) + 1;
  const request = encodeRangeRequest({ key: Buffer.from(prefix), rangeEnd: end, keysOnly: true });
  const { kvs } = decodeRangeResponse(await ask(channel, KV_PATHS.Range, request));
  return new Set(kvs.map((kv) => Buffer.from(kv.key).toString()));
}

describeWith(['etcdctl'], 'a store that has become larger than what is in it', () => {
  let cluster: Cluster;
  let channel: Channel;
  beforeEach(async () => {
    cluster = await Cluster.start();
    channel = connectTo(cluster);
    await fill(channel);
    await cluster.ctl('compaction', String(await revision()), '--physical');
  });
  afterEach(async () => {
    channel.close();
    await cluster.destroy();
  });

  function connectTo(to: Cluster): Channel {
    const port = to.member(0).clientPort;
    return connect({ kind: 'tcp', host: '127.0.0.1', port }, { maxReceiveBytes: 1 << 28 });
  }

  async function revision(): Promise<number> {
    const [status] = await cluster.status();
    return status?.Status.header.revision ?? 0;
  }

  async function hash(): Promise<string> {
    const [answer] = JSON.parse(await cluster.ctl('endpoint', 'hashkv', '-w', 'json')) as {
      HashKV: { hash: number };
    }[];
    return String(answer?.HashKV.hash);
  }

  test('is as small as that after etcdctl defrag, while puts go on, and is the same after a restart', async () => {
    const before = await sizes(channel);
    expect(before.file).toBeGreaterThan(2 * before.inUse);
    const stop = startPuts(channel);
    expect(await cluster.ctl('defrag', '--command-timeout=60s')).toContain('Finished defragmenting etcd member');
    const acknowledged = await stop();
    const after = await sizes(channel);
    expect(after.file).toBeLessThan(before.file / 2);
    expect(acknowledged).toBeGreaterThan(0);
    const hashBefore = await hash();
    const keys = [await keysUnder(channel, 'put/'), await keysUnder(channel, 'fill/')];
    expect(keys[0]?.size).toBe(acknowledged);
    await cluster.member(0).stop();
    await cluster.member(0).start();
    expect(await hash()).toBe(hashBefore);
    expect([await keysUnder(channel, 'put/'), await keysUnder(channel, 'fill/')]).toEqual(keys);
  });

  test('keeps all that was acknowledged when storage is killed again and again in the midst of it', async () => {
    const stop = startPuts(channel);
    let kills = 0;
    for (const waitMs of [0, 20, 60, 120]) {
      const request = encodeDefragmentRequest({});
      let answered = false;
      const asked = ask(channel, MAINTENANCE_PATHS.Defragment, request)
        .catch(() => undefined)
        .finally(() => (answered = true));
      const storeDir = join(cluster.member(0).dataDir, 'member', 'db');
      const generations = (): number => readdirSync(storeDir).filter((name) => name.startsWith('generation')).length;
      const until = performance.now() + 5_000;
      while (generations() === 0 && !answered && performance.now() < until) await pause(1);
      await pause(waitMs);
      const pid = cluster.member(0).processPid('storage');
      if (pid !== undefined) {
        process.kill(pid, 'SIGKILL');
        kills++;
      }
      await asked;
      await ask(channel, KV_PATHS.Put, encodePutRequest({ key: Buffer.from('again') })).catch(() => undefined);
      while (cluster.member(0).processPid('storage') === pid) await pause(5);
    }
    const acknowledged = await stop();
    expect(kills).toBe(4);
    const present = await keysUnder(channel, 'put/');
    const missing = Array.from({ length: acknowledged }, (_, i) => `put/${i}`).filter((key) => !present.has(key));
    expect(missing).toEqual([]);
    await cluster.ctl('defrag', '--command-timeout=60s');
    expect(new Set(await keysUnder(channel, 'put/'))).toEqual(present);
  });

  test('is defragmented by hexutl when the member does not run, and only then', async () => {
    const { dataDir } = cluster.member(0);
    const before = await sizes(channel);
    const [hashBefore, refused] = [await hash(), await run(HEXUTL, ['defrag', '--data-dir', dataDir])];
    expect(refused).toMatchObject({ code: 1 });
    expect(refused.stderr).toContain('is in use by another process');
    await cluster.member(0).stop();
    expect(await run(HEXUTL, ['defrag', '--data-dir', dataDir])).toMatchObject({ code: 0 });
    expect(existsSync(join(dataDir, 'member', 'db', 'db'))).toBe(false);
    await cluster.member(0).start();
    expect(await hash()).toBe(hashBefore);
    expect((await sizes(channel)).file).toBeLessThan(before.file / 2);
    const nothing = await run(HEXUTL, ['defrag', '--data-dir', join(dataDir, 'none')]);
    expect([nothing.code, nothing.stderr]).toEqual([1, expect.stringContaining('there is no store in it')]);
  });
});

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
