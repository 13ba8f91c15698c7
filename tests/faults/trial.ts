import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Operation } from '../linearizability';
import { Cluster } from '../system/support/cluster';
import { waitFor } from '../system/support/wait-for';
import { MemberClient } from './client';
import { buildDiskLibrary, diskEnvironment, setDisk } from './disk/library';
import { Random } from './disk/random';
import { checkAll } from './final-check';
import { MemberStatuses } from './members';
import { Nemesis } from './nemesis';
import { type Recovery, recoveries } from './recovery';
import { Recorder } from './recorder';
import { PeerNetwork } from './relay';
import type { Statement } from './scenario';
import { WatchingClient } from './watching';
import { Workload } from './workload';

const CLIENTS_PER_MEMBER = 5;
const MENDED_MS = 30_000;
const COMPACT_TIMEOUT_MS = 5_000;

export interface TrialOptions {
  readonly members: number;
  readonly seed: number;
  readonly scenario: readonly Statement[];
  /** Requests per second. */
  readonly rate: number;
  readonly onProgress?: (line: string) => void;
  /** The canary: reads that are served from a stale store as well. */
  readonly staleReads?: boolean;
}

export interface TrialResult {
  readonly seconds: number;
  readonly answered: number;
  readonly unanswered: number;
  readonly faults: number;
  readonly recoveries: readonly Recovery[];
  readonly holes: number;
  readonly watchEvents: number;
  readonly errors: ReadonlyMap<string, number>;
  readonly skipped: readonly string[];
  readonly problems: readonly string[];
  readonly artefacts: string | undefined;
}

/** Runs a scenario against a real cluster under load and checks all that clients saw. */
export async function runTrial(options: TrialOptions): Promise<TrialResult> {
  const trial = await Trial.create(options);
  try {
    return await trial.run();
  } finally {
    await trial.end();
  }
}

class Trial {
  private readonly random: Random;
  private readonly recorder: Recorder;
  private readonly statuses: MemberStatuses;
  private readonly nemesis: Nemesis;
  private workload: Workload | undefined;
  private watchers: WatchingClient[] = [];
  private readonly problems: string[] = [];
  private compacted = 0;
  private readonly script: string[] = [];

  private constructor(
    private readonly options: TrialOptions,
    private readonly cluster: Cluster,
    private readonly network: PeerNetwork,
    hasDisk: boolean,
  ) {
    this.random = new Random(options.seed);
    this.recorder = new Recorder(options.staleReads);
    this.statuses = new MemberStatuses(cluster.endpoints);
    this.nemesis = new Nemesis({
      cluster,
      network,
      statuses: this.statuses,
      random: this.random,
      diskControl: (member) => (hasDisk ? controlFile(cluster.directory, member) : undefined),
      compact: () => this.compact(),
    });
  }

  static async create(options: TrialOptions): Promise<Trial> {
    const library = buildDiskLibrary();
    let cluster: Cluster | undefined;
    const network = await PeerNetwork.open(options.members, (member) => cluster?.member(member).childPids() ?? []);
    cluster = await Cluster.create({
      members: options.members,
      peerPort: (member, port) => {
        network.setTarget(member, port);
        return network.ports[member] ?? 0;
      },
      env: (member, directory) => {
        if (library === undefined) return {};
        const control = controlFile(directory, member);
        setDisk(control, { syncDelayMs: 0, isFull: false });
        return diskEnvironment(library, { root: join(directory, `m${member + 1}`), control });
      },
    });
    return new Trial(options, cluster, network, library !== undefined);
  }

  async run(): Promise<TrialResult> {
    for (const member of this.cluster.members) member.spawn();
    await Promise.all(this.cluster.members.map((member) => member.ready()));
    const from = performance.now();
    this.begin();
    for (const statement of this.options.scenario) await this.step(statement, from);
    const seconds = (performance.now() - from) / 1_000;
    const answered = this.recorder.answered;
    let holes = 0;
    try {
      await this.mend();
      const { cluster, recorder, watchers, compacted } = this;
      const checked = await checkAll({ cluster, recorder, watchers, compacted });
      this.problems.push(...checked.problems);
      holes = checked.holes;
    } catch (error) {
      this.problems.push(error instanceof Error ? error.message : String(error));
    }
    return this.result(seconds, answered, holes);
  }

  private begin(): void {
    const { endpoints } = this.cluster;
    const { recorder, random } = this;
    const { rate } = this.options;
    this.workload = new Workload({ endpoints, clientsPerMember: CLIENTS_PER_MEMBER, rate, recorder, random });
    const watch = (name: string, key: string, end: string, start: number, at: number, prevKv = false): WatchingClient =>
      new WatchingClient(name, { key, end, start, prevKv }, endpoints, at);
    this.watchers = [
      watch('all', '\0', '\0', 1, 0),
      watch('all-2', '\0', '\0', 1, 1, true),
      watch('some', 'k/0', 'k/1', 0, 2),
      watch('one', 'k/13', 'k/13\0', 0, 0),
      watch('leased', 'l/', 'l0', 1, 1),
    ];
  }

  private async step(statement: Statement, from: number): Promise<void> {
    const text = await this.nemesis.apply(statement);
    const at = ((performance.now() - from) / 1_000).toFixed(1);
    this.script.push(`${at}s ${text}`);
    if (statement.verb === 'wait') return;
    const rate = Math.round(this.recorder.answered / ((performance.now() - from) / 1_000));
    this.options.onProgress?.(
      `${at.padStart(7)} s  ${String(this.recorder.answered).padStart(7)} answered (${rate}/s)  ${text}`,
    );
  }

  private async compact(): Promise<void> {
    const revision = this.workload?.compactable ?? 0;
    if (revision <= this.compacted) return;
    this.compacted = revision;
    const client = new MemberClient(this.random.pick(this.cluster.endpoints));
    await this.recorder.perform('compactor', client, { kind: 'compact', revision }, COMPACT_TIMEOUT_MS);
    client.close();
  }

  /** Ends all faults, lets the load go on until the service is back, and stops the load. */
  private async mend(): Promise<void> {
    await this.nemesis.restore();
    await waitFor(
      'every member to answer and one to lead',
      async () => {
        const statuses = await this.statuses.all();
        return statuses.every((one) => one !== undefined) && statuses.some((one) => one?.isLeader === true);
      },
      MENDED_MS,
    );
    const before = this.recorder.answered;
    await waitFor(
      'answers after all is mended',
      () => this.recorder.answered > before + this.options.rate / 2,
      MENDED_MS,
    );
    await this.workload?.stop();
    this.nemesis.lookForDead();
  }

  private result(seconds: number, answered: number, holes: number): TrialResult {
    const { operations, errors } = this.recorder;
    const found = recoveries(this.nemesis.disturbances, operations);
    const problems = [...this.nemesis.problems, ...this.problems];
    const messages = this.watchers.flatMap(({ recordings }) => recordings.flatMap((one) => one.messages));
    return {
      seconds,
      answered,
      unanswered: operations.filter(({ outcome, client }) => outcome.kind === 'unknown' && client !== 'expiry').length,
      faults: this.nemesis.disturbances.length - 1,
      recoveries: found,
      holes,
      watchEvents: messages.reduce((sum, one) => sum + (one.kind === 'events' ? one.events.length : 0), 0),
      errors,
      skipped: [...this.nemesis.skipped],
      problems,
      artefacts: problems.length > 0 ? this.keep(operations) : undefined,
    };
  }

  private keep(operations: readonly Operation[]): string {
    const directory = mkdtempSync(join(tmpdir(), 'hexad-faults-'));
    const json = (name: string, content: unknown): void => {
      writeFileSync(
        join(directory, name),
        JSON.stringify(content, (_, value: unknown) => (value === Infinity ? 'never' : value)),
      );
    };
    json('history.json', operations);
    json(
      'watches.json',
      this.watchers.map(({ recordings }) => recordings.map(({ record }) => record)),
    );
    writeFileSync(join(directory, 'scenario.txt'), `${this.options.scenario.map(({ text }) => text).join('\n')}\n`);
    writeFileSync(join(directory, 'done.txt'), `${this.script.join('\n')}\n`);
    for (const { name, log } of this.cluster.members) writeFileSync(join(directory, `${name}.log`), log);
    return directory;
  }

  async end(): Promise<void> {
    await this.workload?.stop();
    for (const watcher of this.watchers) watcher.stop();
    this.statuses.close();
    await this.cluster.destroy();
    await this.network.close();
  }
}

function controlFile(directory: string, member: number): string {
  return join(directory, `disk-${member + 1}`);
}
