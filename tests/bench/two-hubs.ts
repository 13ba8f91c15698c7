import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { freePorts } from '../system/support/ports';
import { HubLoad, type HubRun, total, until } from './hub-cases';
import { delay } from './load';
import { median } from './measurement';
import { cpuSeconds } from './proc';
import { ROOT, type ServerCluster } from './servers';

const RANGES = 200;
const WATCHERS_PER_RANGE = 5;
const ROUNDS = 4;
const ROUND_MS = 5_000;
const PUTS_PER_MS = 2;

interface Tier {
  readonly hubs: readonly ChildProcess[];
  readonly proxy: ChildProcess;
  readonly port: number;
}

/** Seconds of CPU. */
interface Cost {
  readonly storage: number;
  readonly hubs: readonly number[];
}

/** The same watchers and puts with one free-standing hub and with two, in turn: what it costs storage, and how the work divides. */
export const twoHubs: HubRun = async (cluster, phases) => {
  const run = new HubLoad();
  const storageRatios: number[] = [];
  const shares: number[] = [];
  let operations = 0;
  phases.onMeasure();
  const from = performance.now();
  for (let round = 0; round < ROUNDS; round += 1) {
    const costs: Cost[] = [];
    for (const count of round % 2 === 0 ? [1, 2] : [2, 1]) {
      const tier = await start(cluster, count);
      const { cost, events } = await measure(run, cluster, tier);
      await stop(tier);
      costs[count - 1] = cost;
      operations += events;
    }
    const [one, two] = costs as [Cost, Cost];
    storageRatios.push(two.storage / one.storage);
    shares.push(Math.max(...two.hubs) / two.hubs.reduce((sum, hub) => sum + hub, 0));
  }
  const seconds = (performance.now() - from) / 1_000;
  phases.onDone();
  run.end();
  const extra = { 'storage CPU, 2 hubs / 1': median(storageRatios), 'larger share of 2 hubs': median(shares) };
  return { operations, seconds, latencies: run.latencies, errors: run.errors, extra };
};

async function start(cluster: ServerCluster, hubs: number): Promise<Tier> {
  const [port = 0, ...hubPorts] = await freePorts(hubs + 1);
  const flags = ['--attach-members=m1', `--data-dir=${cluster.dataDir}`];
  const run = (name: string, more: readonly string[]): ChildProcess =>
    spawn(join(ROOT, 'bin', 'hexad'), ['process', name, ...flags, ...more], { stdio: 'ignore' });
  const addresses = hubPorts.map((hubPort) => `tcp:127.0.0.1:${hubPort}`);
  const urls = [`--listen-client-urls=http://127.0.0.1:${port}`, `--advertise-client-urls=http://127.0.0.1:${port}`];
  return {
    hubs: addresses.map((address) => run('watch', [`--watch-address=${address}`])),
    proxy: run('proxy', [`--watch-hubs=${addresses.join(',')}`, ...urls]),
    port,
  };
}

async function stop({ hubs, proxy }: Tier): Promise<void> {
  const ended = [...hubs, proxy].map((child) => once(child, 'exit'));
  for (const child of [...hubs, proxy]) child.kill('SIGTERM');
  await Promise.all(ended);
}

async function measure(run: HubLoad, cluster: ServerCluster, tier: Tier): Promise<{ cost: Cost; events: number }> {
  const writer = run.connect(cluster.ports[0] ?? 0);
  await untilListening(tier.port);
  const open = run.streams(tier.port, WATCHERS_PER_RANGE, 1);
  for (const stream of open) for (let at = 0; at < RANGES; at += 1) stream.watch(rangeAt(at));
  await until('the watchers', () => total(open, 'created') === RANGES * WATCHERS_PER_RANGE);
  const storage = cluster.processes().find(({ name }) => name === 'leader storage')?.pid ?? 0;
  const pids = [storage, ...tier.hubs.map(({ pid }) => pid ?? 0)];
  let before: number[] = [];
  let puts = 0;
  for (const ms of [ROUND_MS / 2, ROUND_MS]) {
    before = pids.map(cpuSeconds);
    const began = performance.now();
    const sent: Promise<number>[] = [];
    while (performance.now() - began < ms) {
      const due = Math.floor((performance.now() - began) * PUTS_PER_MS);
      while (sent.length < due) sent.push(run.put(writer, rangeAt(sent.length % RANGES), Buffer.alloc(256)));
      await delay(1);
    }
    await Promise.all(sent);
    puts += sent.length;
    await until('the events', () => total(open, 'events') === puts * WATCHERS_PER_RANGE);
  }
  const [storageSeconds = 0, ...hubs] = pids.map((pid, at) => cpuSeconds(pid) - (before[at] ?? 0));
  const events = total(open, 'events');
  for (const { stream } of open) stream.cancel();
  return { cost: { storage: storageSeconds, hubs }, events };
}

async function untilListening(port: number): Promise<void> {
  let isUp = false;
  const ask = async (): Promise<void> => {
    while (!isUp) {
      isUp = await fetch(`http://127.0.0.1:${port}/readyz`).then(
        ({ ok }) => ok,
        () => false,
      );
      await delay(20);
    }
  };
  void ask();
  await until('the proxy', () => isUp);
}

function rangeAt(at: number): Buffer {
  return Buffer.from(`two/hubs/${at}`);
}
