import { LeaseTimes } from './checkers/lease-times';
import { Cluster } from './cluster/cluster';
import type { Defect } from './cluster/defects';
import { drawSettings, NEXT_RELEASE } from './cluster/settings';
import { Violation } from './cluster/violation';
import { FaultSite } from './faults/fault';
import { Injector } from './faults/injector';
import { Client, ClientSide } from './workload/client';
import { runKeyClient } from './workload/key-clients';
import { runLeaseClient } from './workload/lease-clients';
import { Operator } from './workload/operator';
import { put } from './workload/requests';
import { Upgrader } from './workload/upgrader';
import { Watcher, type WatchTotals } from './workload/watcher';
import { installGlobals } from './world/globals';
import { World } from './world/world';

const MINUTE_MS = 60_000;
const FULL_MINUTES = 10;
const OPERATIONS_MIN = 2_000;
const FAULTS_MIN = 20;
/** The time in which a healed cluster must answer. */
const RECOVERY_MS = 15_000;
/** Leases run out, watchers catch up. */
const REST_MS = 25_000;
const INSPECT_MS = 5_000;

export interface RunOptions {
  readonly seed: number;
  /** Simulated minutes under faults. */
  readonly minutes: number;
  /** One fault in so many milliseconds, on average. */
  readonly faultEveryMs: number;
  readonly defect: Defect;
  /** Names of the faults that may happen; undefined: all. */
  readonly faults?: readonly string[];
  /** Members at the start; undefined: drawn from the seed. */
  readonly members?: number;
  /** Whether the members are upgraded to the next release meanwhile. */
  readonly upgrade: boolean;
  /** Milliseconds of a write or sync of the WAL; undefined: drawn from the seed. */
  readonly walMs?: number;
}

export interface RunTotals {
  readonly seed: number;
  readonly trace: string;
  readonly members: number;
  readonly simulatedMs: number;
  readonly events: number;
  readonly operations: number;
  readonly succeeded: number;
  readonly refused: number;
  readonly unknown: number;
  readonly faults: number;
  readonly faultCounts: Readonly<Record<string, number>>;
  readonly ioPoints: Readonly<Record<string, number>>;
  readonly confChanges: number;
  readonly upgraded: number;
  /** Entries proposed in a format that only the next release understands. */
  readonly newerEntries: number;
  /** Stores that were sent to members that were too far behind. */
  readonly copies: number;
  readonly terms: number;
  readonly entries: number;
  readonly revisions: number;
  readonly compactRevision: number;
  readonly messages: number;
  readonly watch: WatchTotals;
}

/** A seed that did not pass, with what the members had logged last. */
export class SeedFailure extends Error {
  constructor(
    readonly original: unknown,
    readonly at: number,
    readonly lines: readonly string[],
  ) {
    super(original instanceof Error ? original.message : String(original));
    this.stack = original instanceof Error ? (original.stack ?? '') : '';
  }
}

/** Runs one seed: a cluster under faults, then healed. Throws a SeedFailure. */
export async function runSeed(options: RunOptions): Promise<RunTotals> {
  const world = new World(options.seed);
  const restore = installGlobals(world);
  const undoDefect = options.defect.code === undefined ? undefined : options.defect.code();
  const run = new Run(world, options);
  try {
    return await run.run();
  } catch (error) {
    run.describe();
    throw new SeedFailure(error, world.now, run.cluster.lines.slice(-200));
  } finally {
    undoDefect?.();
    restore();
  }
}

class Run {
  readonly cluster: Cluster;
  private readonly site: FaultSite;
  private readonly injector: Injector;
  private readonly side: ClientSide;
  private readonly operator: Operator;
  private readonly upgrader: Upgrader;
  private readonly watchers: Watcher[] = [];
  private readonly watchTotals: WatchTotals = { events: 0, progress: 0, compacted: 0, resumed: 0 };

  constructor(
    private readonly world: World,
    private readonly options: RunOptions,
  ) {
    const drawn = drawSettings(world.random);
    const { members = drawn.members, walMs = drawn.walMs } = options;
    const settings = { ...drawn, members, walMs };
    const leases = new LeaseTimes(world, () => this.cluster.truth);
    const opened = { raftStarted: ({ member }: { member: string }) => this.walOpened(member) };
    this.cluster = new Cluster(world, settings, options.defect, [leases, opened]);
    this.site = new FaultSite(this.cluster);
    this.injector = new Injector(this.site, options.faultEveryMs, options.faults);
    this.side = new ClientSide(this.cluster);
    this.operator = new Operator(new Client('operator', this.side), this.site);
    this.upgrader = new Upgrader(this.site);
    this.cluster.onFatal = (member, _process, error) => this.injector.bitFlips.isExpected(member, error);
  }

  async run(): Promise<RunTotals> {
    const { cluster, world, options } = this;
    for (const member of cluster.members.slice(0, cluster.settings.members)) member.startAll();
    this.startWorkload();
    this.injector.start();
    this.operator.start();
    if (options.upgrade) this.upgrader.start();
    this.inspectRegularly();
    await world.runUntil(options.minutes * MINUTE_MS);
    if (options.minutes >= FULL_MINUTES) await this.goOnUntilFull();
    this.site.heal();
    await this.recover();
    this.side.isOver = true;
    await world.runUntil(world.now + REST_MS);
    this.checkRest();
    return this.totals();
  }

  /** Adds the state of all members to the log lines. */
  describe(): void {
    for (const member of this.cluster.members) {
      if (!member.hasStarted) continue;
      const { name, core, wal, store, isDown, isRemoved } = member;
      const ids = (list: readonly bigint[] = []): string =>
        list.map((id) => this.cluster.members.find((one) => one.id === id)?.name ?? id.toString(16)).join(' ');
      const state = isRemoved ? 'removed' : isDown ? 'down' : [...member.processes.keys()].join(' ');
      this.cluster.lines.push(
        `${name}: ${state}; ${core?.role} of term ${core?.term}, leader ${ids([core?.leader ?? 0n])}, commit ${core?.commit}, ` +
          `last ${core?.lastIndex}, persisted ${core?.persistedIndex}, stalled ${wal?.stalledMs.toFixed(0)}, ` +
          `voters ${ids(core?.confState.voters)}, learners ${ids(core?.confState.learners)}, applied ${store?.applied.index}`,
      );
    }
  }

  /** A full seed has so many operations and faults at least. */
  private async goOnUntilFull(): Promise<void> {
    const { options, side, injector, upgrader } = this;
    const isUpgraded = (): boolean => !options.upgrade || upgrader.isDone;
    while (side.totals.operations < OPERATIONS_MIN || injector.total < FAULTS_MIN || !isUpgraded()) {
      await this.world.runUntil(this.world.now + MINUTE_MS);
    }
  }

  private startWorkload(): void {
    const { side } = this;
    for (let i = 1; i <= 8; i++) runKeyClient(new Client(`client ${i}`, side));
    for (let i = 1; i <= 3; i++) runLeaseClient(new Client(`lease holder ${i}`, side));
    for (const prefix of ['k/', 'k/a', 'k/b', 'lease/']) {
      this.watchers.push(new Watcher(`watcher of ${prefix}`, prefix, side, this.watchTotals));
    }
    for (const watcher of this.watchers) watcher.start();
  }

  private walOpened(name: string): void {
    const member = this.cluster.members.find((candidate) => candidate.name === name);
    if (member !== undefined) this.injector.bitFlips.opened(member);
  }

  private inspectRegularly(): void {
    this.world.after(INSPECT_MS, undefined, () => {
      this.cluster.observer.inspect();
      this.inspectRegularly();
    });
  }

  /** Liveness: once healed, every member answers a write in time. */
  private async recover(): Promise<void> {
    const { world, cluster, side } = this;
    const deadline = world.now + RECOVERY_MS;
    const client = new Client('probe', side);
    let lastOk = 0;
    const probe = (): void => {
      client.perform(put('k/probe', side.freshValue()), (operation) => {
        if (operation?.outcome?.kind === 'ok') lastOk = operation.invokedAt;
        else if (world.now < deadline) world.after(200, client.process, probe);
      });
    };
    const healedAt = world.now;
    probe();
    await world.runUntil(deadline);
    if (lastOk >= healedAt && cluster.leader !== undefined) return;
    throw new Violation(
      'liveness',
      `no write was answered within ${RECOVERY_MS} ms of healing, leader: ${cluster.leader?.name ?? 'none'}`,
    );
  }

  /** All members have come to the same end, and nobody has missed anything. */
  private checkRest(): void {
    const { cluster, site } = this;
    const { truth } = cluster;
    for (const { name, store } of site.members) {
      const index = store?.applied.index ?? 0;
      if (store === undefined || index !== truth.highestIndex) {
        throw new Violation('liveness', `${name} has applied ${index} of ${truth.highestIndex} entries at the end`);
      }
      cluster.equality.compare(name, store);
    }
    for (const watcher of this.watchers) watcher.checkEnd();
    if (this.upgrader.isDone) this.checkVersion();
    cluster.observer.inspect();
    cluster.observer.finish();
  }

  /** Once all members are of the next release, all know it, and its entries are proposed. */
  private checkVersion(): void {
    for (const { name, edge } of this.site.members) {
      const version = edge?.view.clusterVersion;
      if (version !== NEXT_RELEASE.version)
        throw new Violation('cluster version', `${name} has cluster version "${version}" at the end`);
    }
  }

  private totals(): RunTotals {
    const { world, cluster, side, injector, operator, upgrader } = this;
    const { truth } = cluster;
    return {
      seed: this.options.seed,
      trace: world.trace.text,
      members: cluster.settings.members,
      simulatedMs: world.now,
      events: world.events,
      ...side.totals,
      faults: injector.total,
      faultCounts: Object.fromEntries(injector.counts),
      ioPoints: Object.fromEntries(injector.ioPoints),
      confChanges: operator.changes,
      upgraded: upgrader.upgraded,
      newerEntries: cluster.members.reduce((sum, { newerEntries }) => sum + newerEntries, 0),
      copies: cluster.members.reduce((sum, { copies }) => sum + copies, 0),
      terms: Math.max(...cluster.members.map(({ core }) => core?.term ?? 0)),
      entries: truth.highestIndex,
      revisions: truth.revision,
      compactRevision: truth.compactRevision,
      messages: cluster.network.counts.messages,
      watch: this.watchTotals,
    };
  }
}
