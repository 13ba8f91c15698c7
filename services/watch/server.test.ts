import { join } from 'node:path';
import { configOf } from '../../libs/member-links/testing/config';
import { createLogger, type RunningProcess } from '../../libs/process';
import { type Address, connect } from '../../libs/rpc';
import { startWatch } from './server';
import { FakeStorage } from './testing/fake-storage';
import { HubClient } from './testing/hub-client';

let storage: FakeStorage;
let hub: RunningProcess;
let client: HubClient;
let address: Address;

interface Overrides {
  progressMs?: number;
  memory?: number;
  restAfterMs?: number;
}

async function start(overrides: Overrides = {}): Promise<void> {
  storage = new FakeStorage();
  await storage.start();
  address = { kind: 'unix', path: join(storage.directory, 'watch.sock') };
  const addresses = { storage: `unix:${storage.directory}/storage.sock`, watch: `unix:${address.path}` };
  const config = configOf('watch', addresses, [
    `--watch-progress-notify-interval=${overrides.progressMs ?? 600_000}ms`,
    `--watch-memory-max-bytes=${overrides.memory ?? 512 * 1024 * 1024}`,
  ]);
  const context = {
    config,
    logger: createLogger('watch', 'error', 'm1'),
    fatal: (error: unknown): never => {
      throw error;
    },
  };
  const { restAfterMs } = overrides;
  hub = await startWatch(context, restAfterMs === undefined ? {} : { restAfterMs });
  client = new HubClient(address);
}

/** Resolves when storage has heard what the hub wants and `done` holds. */
function wish(done: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    storage.onWish = () => {
      if (done()) resolve();
    };
    if (storage.heard > 0 && done()) resolve();
  });
}

afterEach(async () => {
  client.close();
  await hub.shutdown();
  await storage.destroy();
});

describe('the watch process', () => {
  it('delivers puts and deletions of a range once, after the created answer', async () => {
    await start();
    storage.write('a1', 'before');
    client.watch(7, { watchId: 3, key: 'a', rangeEnd: 'b' });
    const created = await client.created(7, 3);
    expect(created.revision).toBe(2);
    storage.write('a1', 'x');
    storage.write('b', 'other');
    storage.write('a1', undefined);
    await client.until(() => client.events(7, 3).length === 2);
    expect(client.events(7, 3)).toEqual(['a1=x', 'a1-']);
  });

  it('encodes an event once for all watchers of the same range: one delivery with many targets', async () => {
    await start();
    for (let watchId = 0; watchId < 50; watchId += 1) client.watch(1, { watchId, key: 'k' });
    await client.created(1, 49);
    storage.write('k', 'v');
    await client.until(() => client.events(1, 49).length === 1);
    const withEvents = client.deliveries.filter((delivery) => delivery.events.length > 0);
    expect(withEvents).toHaveLength(1);
    expect(withEvents[0]?.targets).toHaveLength(50);
    expect(withEvents[0]?.raftTerm).toBe(3);
  });

  it('reports every second how it does, and how old events are when they leave', async () => {
    await start();
    storage.committedAtMicros = () => Math.round((performance.timeOrigin + performance.now()) * 1_000) - 30_000;
    for (let watchId = 1; watchId <= 3; watchId += 1) client.watch(1, { watchId, key: 'k' });
    await client.created(1, 3);
    storage.write('k', 'v');
    await client.until(() => client.statuses.at(-1)?.eventsDelivered === 3);
    const status = client.statuses.at(-1);
    expect(status).toMatchObject({ watchers: 3, slowWatchers: 0, groups: 1, revision: 2, lagRevisions: 0 });
    const counted = status?.lagCounts ?? [];
    expect(counted.reduce((sum, count) => sum + count, 0)).toBe(3);
    expect(counted.slice(0, 4)).toEqual([0, 0, 0, 0]);
    expect(status?.lagSumMicros).toBeGreaterThan(3 * 30_000);
  });

  it('refuses watchers beyond what its memory ceiling holds, and takes others when some have gone', async () => {
    await start({ memory: 64 * 1024 });
    for (let watchId = 1; watchId <= 49; watchId += 1) client.watch(1, { watchId, key: `k${watchId}` });
    expect(await client.created(1, 49)).toMatchObject({
      canceled: true,
      cancelReason: 'etcdserver: too many requests',
    });
    expect(await client.created(1, 48)).toMatchObject({ canceled: false });
    client.send({ session: 1, cancel: true, watchId: 1 });
    client.watch(1, { watchId: 50, key: 'k' });
    expect(await client.created(1, 50)).toMatchObject({ canceled: false });
  });

  it('finds lost messages by the next one and by the heartbeat', async () => {
    await start();
    client.watch(1, { watchId: 1, key: 'k', rangeEnd: 'l' });
    await client.created(1, 1);
    storage.writeSilently('k1', 'lost');
    storage.write('k2', 'seen');
    await client.until(() => client.events(1, 1).length === 2);
    storage.writeSilently('k3', 'lost too');
    storage.heartbeat();
    await client.until(() => client.events(1, 1).length === 3);
    expect(client.events(1, 1)).toEqual(['k1=lost', 'k2=seen', 'k3=lost too']);
  });

  it('goes on without loss or repetition when storage was away', async () => {
    await start();
    client.watch(1, { watchId: 1, key: 'k' });
    await client.created(1, 1);
    storage.write('k', '1');
    await client.until(() => client.events(1, 1).length === 1);
    await storage.stop();
    storage.writeSilently('k', '2');
    await storage.start();
    await client.until(() => client.events(1, 1).length === 2);
    storage.write('k', '3');
    await client.until(() => client.events(1, 1).length === 3);
    expect(client.events(1, 1)).toEqual(['k=1', 'k=2', 'k=3']);
  });

  it('wants events from storage only while somebody watches, and for a while after', async () => {
    await start({ restAfterMs: 20 });
    await wish(() => true);
    expect(storage.following).toBe(0);
    for (let i = 0; i < 5; i += 1) storage.write('k', 'unseen');
    storage.heartbeat();
    client.watch(1, { watchId: 1, key: 'k' });
    await client.created(1, 1);
    await wish(() => storage.following === 1);
    storage.write('k', 'seen');
    await client.until(() => client.events(1, 1).length === 1);
    expect(client.events(1, 1)).toEqual(['k=seen']);
    expect(storage.historyReads).toBe(0);
    client.send({ session: 1, endSession: true });
    await wish(() => storage.following === 0);
    storage.write('k', 'unseen');
    client.watch(2, { watchId: 1, key: 'k', startRevision: 7 });
    await client.until(() => client.events(2, 1).length === 2);
    expect(client.events(2, 1)).toEqual(['k=seen', 'k=unseen']);
  });

  it('tells a storage that comes back that somebody watches', async () => {
    await start();
    client.watch(1, { watchId: 1, key: 'k' });
    await client.created(1, 1);
    await storage.stop();
    await storage.start();
    await wish(() => storage.following === 1);
    storage.write('k', '1');
    await client.until(() => client.events(1, 1).length === 1);
  });

  it('answers prev_kv from history when the live feed does not carry it', async () => {
    await start();
    storage.writeSilently('k', 'old');
    storage.heartbeat();
    client.watch(1, { watchId: 1, key: 'k', prevKv: true });
    await client.created(1, 1);
    storage.write('k', 'new');
    await client.until(() => client.events(1, 1).length === 1);
    storage.write('k', undefined);
    await client.until(() => client.events(1, 1).length === 2);
    expect(client.events(1, 1)).toEqual(['k=new|old', 'k-|new']);
  });

  it('serves near-past starts from its own window without asking storage', async () => {
    await start();
    client.watch(1, { watchId: 0, key: 'other' });
    await client.created(1, 0);
    for (let i = 0; i < 500; i += 1) storage.write('k', String(i));
    for (let watchId = 1; watchId <= 20; watchId += 1) client.watch(1, { watchId, key: 'k', startRevision: 2 });
    await client.until(() => client.events(1, 20).length === 500);
    for (let watchId = 1; watchId <= 20; watchId += 1) expect(client.events(1, watchId)).toHaveLength(500);
    expect(storage.historyReads).toBe(0);
  });

  it('reads far-past starts from history and cancels compacted ones with the compact revision', async () => {
    await start();
    for (let i = 0; i < 10; i += 1) storage.writeSilently('k', String(i));
    storage.compactRevision = 5;
    storage.heartbeat();
    client.watch(1, { watchId: 1, key: 'k', startRevision: 5 });
    client.watch(1, { watchId: 2, key: 'k', startRevision: 4 });
    await client.until(() => client.events(1, 1).length === 7 && client.deliveries.some((d) => d.canceled));
    const canceled = client.deliveries.find((delivery) => delivery.canceled);
    expect(canceled).toMatchObject({ compactRevision: 5, revision: 0, targets: [{ session: 1, watchId: 2 }] });
  });

  it('keeps events of a paused session back and gives them when it resumes', async () => {
    await start();
    client.watch(1, { watchId: 1, key: 'k' });
    client.watch(2, { watchId: 1, key: 'k' });
    await client.created(2, 1);
    client.send({ session: 1, pause: true });
    storage.write('k', '1');
    storage.write('k', '2');
    await client.until(() => client.events(2, 1).length === 2);
    expect(client.events(1, 1)).toEqual([]);
    client.send({ session: 1, resume: true });
    await client.until(() => client.events(1, 1).length === 2);
    expect(client.events(1, 1)).toEqual(['k=1', 'k=2']);
  });

  it('answers RequestProgress once for the whole session, after what it promises', async () => {
    await start();
    client.watch(1, { watchId: 1, key: 'k' });
    await client.created(1, 1);
    storage.writeSilently('k', 'late');
    client.send({ session: 1, progress: true });
    storage.heartbeat();
    await client.until(() => client.deliveries.some((delivery) => delivery.progress));
    expect(client.events(1, 1)).toEqual(['k=late']);
    expect(client.deliveries.at(-1)).toMatchObject({
      progress: true,
      revision: 2,
      targets: [{ session: 1, watchId: -1 }],
    });
  });

  it('reports progress at the interval to quiet watchers that asked for it', async () => {
    await start({ progressMs: 100 });
    client.watch(1, { watchId: 1, key: 'k', progressNotify: true });
    client.watch(1, { watchId: 2, key: 'k' });
    client.watch(1, { watchId: 3, key: 'k', progressNotify: true, startRevision: 9 });
    await client.until(() => client.deliveries.filter((delivery) => delivery.progress).length >= 2);
    const reported = client.deliveries.filter((delivery) => delivery.progress).flatMap((delivery) => delivery.targets);
    expect(new Set(reported.map((target) => target.watchId))).toEqual(new Set([1]));
  });

  it('ends a cancelled watcher and answers nothing to an unknown one', async () => {
    await start();
    client.watch(1, { watchId: 1, key: 'k' });
    await client.created(1, 1);
    client.send({ session: 1, cancel: true, watchId: 9 }, { session: 1, cancel: true, watchId: 1 });
    await client.until(() => client.deliveries.some((delivery) => delivery.canceled));
    storage.write('k', 'v');
    client.watch(1, { watchId: 2, key: 'k', startRevision: 1 });
    await client.until(() => client.events(1, 2).length === 1);
    expect(client.events(1, 1)).toEqual([]);
    expect(client.deliveries.filter((delivery) => delivery.canceled)).toHaveLength(1);
  });

  it('disconnects a proxy that reads nothing instead of keeping its events', async () => {
    await start({ memory: 4 * 1024 * 1024 });
    const other = new HubClient(address);
    client.watch(1, { watchId: 1, key: 'k' });
    other.watch(1, { watchId: 1, key: 'k' });
    await Promise.all([client.created(1, 1), other.created(1, 1)]);
    other.stream.pause();
    // More than the windows of one paused stream and the queue for it can hold together.
    const value = 'v'.repeat(256 * 1024);
    for (let sent = 0; sent < 300; sent += 1) {
      client.deliveries.length = 0;
      storage.write('k', value);
      await client.until(() => client.deliveries.length > 0);
    }
    expect(client.closed).toBe(false);
    other.stream.resume();
    await other.until(() => other.closed);
    expect(other.events(1, 1).length).toBeLessThan(300);
    expect(other.closed).toBe(true);
    other.close();
  }, 20_000);

  it('says SERVING on its health service', async () => {
    await start();
    const channel = connect(address);
    const response = await new Promise<Uint8Array>((resolve, reject) => {
      channel.unary('/grpc.health.v1.Health/Check', new Uint8Array(0), {}, (result) => {
        if (result.ok) resolve(result.response);
        else reject(new Error(result.error.message));
      });
    });
    expect([...response]).toEqual([0x08, 1]);
    channel.close();
  });
});
