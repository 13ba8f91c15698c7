import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hasNats, NatsServer } from '../../libs/event-bus/testing/nats-server';
import { Cluster } from './support/cluster';
import { freePorts } from './support/ports';
import { TcpRelay } from './support/tcp-relay';
import { TierProcess } from './support/tier';
import { waitFor } from './support/wait-for';
import { Watchers } from './support/watchers';
import { Writer } from './support/writes';

const KEYS = Array.from({ length: 40 }, (_, at) => `tier/${String(at).padStart(2, '0')}`);
const STREAMS = 25;
const WAIT_MS = 60_000;
/** The nightly run has more. */
const ROUNDS = Number(process.env['WATCH_TIER_ROUNDS'] ?? 1);
/** Members, hubs and proxies are chosen by chance: enough puts that each kind of event passes all of them. */
const PUTS_PER_TROUBLE = 150;

const withNats = hasNats ? describe : describe.skip;

withNats('hubs and proxies outside of the members, over NATS', () => {
  const directory = mkdtempSync(join(tmpdir(), 'hexad-tier-'));
  let nats: NatsServer;
  let relay: TcpRelay;
  let cluster: Cluster;
  let hubs: TierProcess[];
  let hubAddresses: string[];
  let proxies: TierProcess[];
  let endpoints: string[];
  let writer: Writer;

  beforeAll(async () => {
    const credentials = join(directory, 'credentials');
    writeFileSync(credentials, 'hexad:sesame');
    nats = await NatsServer.start(['--user', 'hexad', '--pass', 'sesame']);
    const bus = [`--event-bus=${nats.url}`, `--event-bus-credentials-file=${credentials}`];
    cluster = await Cluster.start({ members: 3, flags: bus });
    const members = cluster.members.map(({ name, peerUrl }) => `${name}=${peerUrl}`).join(',');
    const flags = [...bus, '--attach-members=*', `--initial-cluster=${members}`];
    relay = await TcpRelay.to(nats.port);
    const [hubA, hubB, proxyA, proxyB] = await freePorts(4);
    hubAddresses = [hubA, hubB].map((port) => `tcp:127.0.0.1:${port}`);
    // One of the hubs can be cut off from the bus alone.
    const cutOff = `--event-bus=nats://127.0.0.1:${relay.port}`;
    hubs = hubAddresses.map((address, at) => {
      const own = at === 0 ? flags.map((flag) => (flag.startsWith('--event-bus=') ? cutOff : flag)) : flags;
      return new TierProcess('watch', [...own, `--watch-address=${address}`]);
    });
    endpoints = [proxyA, proxyB].map((port) => `127.0.0.1:${port}`);
    proxies = endpoints.map((endpoint) => {
      const urls = [`--listen-client-urls=http://${endpoint}`, `--advertise-client-urls=http://${endpoint}`];
      return new TierProcess('proxy', [...flags, '--watch-hubs=*', ...urls]);
    });
    for (const tier of [...hubs, ...proxies]) tier.spawn();
    writer = new Writer(endpoints);
    for (const at of [0, 1]) await waitFor(`proxy ${at}`, () => canPut(at), WAIT_MS);
  }, 90_000);

  afterAll(async () => {
    writer?.close();
    await Promise.all([...(hubs ?? []), ...(proxies ?? [])].map((tier) => tier.stop()));
    await cluster?.destroy();
    await relay?.close();
    await nats?.kill();
    rmSync(directory, { recursive: true });
  }, 60_000);

  async function canPut(client: number): Promise<boolean> {
    try {
      await writer.put('ready', 'x', client);
      return true;
    } catch {
      return false;
    }
  }

  /** Puts to one key after the other through both proxies until stopped. */
  function keepPutting(): { readonly acknowledged: () => number; stop(): Promise<void> } {
    let isOn = true;
    let acknowledged = 0;
    const one = async (first: number): Promise<void> => {
      for (let at = first; isOn; at += 1) {
        try {
          await writer.put(KEYS[at % KEYS.length] as string, String(at), at);
          acknowledged += 1;
        } catch {
          // its outcome is unknown: what the store has is compared at the end
        }
      }
    };
    const all = Promise.all([0, 1, 2, 3].map((first) => one(first * 10)));
    return {
      acknowledged: () => acknowledged,
      stop: async () => {
        isOn = false;
        await all;
      },
    };
  }

  test('every proxy tells of every hub in its metrics', async () => {
    const watchers = new Watchers();
    for (const endpoint of endpoints) watchers.stream(endpoint, KEYS);
    await waitFor('all watchers', () => watchers.areCreated, WAIT_MS);
    for (const key of KEYS) await writer.put(key, 'seen');
    for (const endpoint of endpoints) {
      // Each hub has told of the watchers of both proxies, and of the events that it has sent to them.
      await waitFor(
        `the hubs in the metrics of ${endpoint}`,
        async () => {
          const page = await (await fetch(`http://${endpoint}/metrics`)).text();
          const ofHubs = (name: string, labels = ''): number[] =>
            hubAddresses.map((hub) => {
              const found = page.match(new RegExp(`^${name}\\{${labels}hub="${hub}"\\} (\\S+)$`, 'm'));
              return Number(found?.[1] ?? Number.NaN);
            });
          // Over all hubs: members' own serve too.
          const sum = (name: string): number =>
            [...page.matchAll(new RegExp(`^${name}\\{hub="[^"]*"\\} (\\S+)$`, 'gm'))].reduce(
              (total, [, value]) => total + Number(value),
              0,
            );
          return (
            sum('hexad_watch_hub_watchers') === 2 * KEYS.length &&
            sum('hexad_watch_hub_events_total') >= 2 * KEYS.length &&
            sum('hexad_watch_hub_delivery_seconds_count') >= KEYS.length &&
            sum('hexad_watch_hub_slow_watchers') === 0 &&
            sum('hexad_watch_hub_lag_revisions') === 0 &&
            ofHubs('hexad_watch_hub_watchers').every((watchers) => watchers >= 0) &&
            ofHubs('hexad_process_up', 'process="watch",').every((up) => up === 1) &&
            ofHubs('hexad_process_cpu_seconds_total', 'process="watch",').every((seconds) => seconds > 0) &&
            // Those of the members are told of by their own proxies, and not as if they were down.
            !/^hexad_process_up\{process="(raft|storage|lease|auth)"/m.test(page)
          );
        },
        WAIT_MS,
      );
    }
    watchers.close();
  }, 120_000);

  test(
    '1,000 watchers see each event once and in order while hubs, NATS and a member die and come back',
    async () => {
      const watchers = new Watchers();
      for (let at = 0; at < STREAMS; at++) watchers.stream(endpoints[at % 2] as string, KEYS);
      await waitFor('all watchers', () => watchers.areCreated, WAIT_MS);
      const puts = keepPutting();
      const more = (): Promise<true | number> => {
        const until = puts.acknowledged() + PUTS_PER_TROUBLE;
        return waitFor('puts to go on', () => puts.acknowledged() >= until, WAIT_MS);
      };
      const troubles: (() => Promise<void> | void)[] = [
        () => (hubs[0] as TierProcess).stop('SIGKILL'),
        () => (hubs[0] as TierProcess).spawn(),
        () => nats.kill(),
        () => nats.start(),
        () => nats.signal('SIGSTOP'),
        () => nats.signal('SIGCONT'),
        () => relay.cut(),
        () => relay.heal(),
        () => cluster.member(0).killAll(),
        () => cluster.member(0).start(),
        () => (hubs[1] as TierProcess).stop('SIGTERM'),
        () => (hubs[1] as TierProcess).spawn(),
      ];
      await more();
      for (let round = 0; round < ROUNDS; round++) {
        for (const trouble of troubles) {
          await trouble();
          await more();
        }
      }
      await puts.stop();
      for (const key of KEYS) await waitFor(`the last put of ${key}`, () => lastPut(key), WAIT_MS);
      const complete = (): boolean => watchers.all.every(({ lastValue }) => lastValue === 'last');
      await waitFor('all watchers to have the last event', complete, WAIT_MS);
      const truth = await history();
      for (const { key, createdAt, revisions } of watchers.all) {
        const known = truth.get(key) ?? [];
        // A last put whose outcome was unknown may have come once more, to one of the two first.
        const cut = Math.min(known.at(-1) ?? 0, revisions.at(-1) ?? 0);
        const wanted = known.filter((revision) => revision > createdAt && revision <= cut);
        expect(revisions.filter((revision) => revision <= cut)).toEqual(wanted);
        expect(wanted.length).toBeGreaterThan(troubles.length);
      }
      expect(watchers.problems).toEqual([]);
      watchers.close();
    },
    240_000 * ROUNDS,
  );

  async function lastPut(key: string): Promise<boolean> {
    try {
      await writer.put(key, 'last');
      return true;
    } catch {
      return false;
    }
  }

  /** What a member itself says has happened: the revisions of each key. */
  async function history(): Promise<Map<string, readonly number[]>> {
    const all = new Watchers();
    for (const key of KEYS) all.stream(cluster.member(1).endpoint, [key], { startRevision: 1 });
    await waitFor('the history', () => all.all.every(({ lastValue }) => lastValue === 'last'), WAIT_MS);
    all.close();
    return new Map(all.all.map(({ key, revisions }) => [key, revisions]));
  }
});
