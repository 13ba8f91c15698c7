import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Cluster } from '../system/support/cluster';
import { MemberDisk } from './disk/member-disk';
import { Random } from './disk/random';
import { PowerLoad } from './power-load';

export interface PowerCutOptions {
  readonly library: string;
  readonly seed: number;
  /** How many times a member is killed, or several at one moment. */
  readonly kills: number;
  /** Default 1: nobody else has what it loses. */
  readonly members?: number;
  /** The canary: disks do not honour their syncs. */
  readonly syncsLie?: boolean;
  readonly onProgress?: (line: string) => void;
}

export interface PowerCutResult {
  kills: number;
  cuts: number;
  duringStart: number;
  processKills: number;
  acknowledged: number;
  attempted: number;
  changesDropped: number;
  changesTorn: number;
  namesDropped: number;
  /** Names of the files that the members wrote to. */
  readonly written: Set<string>;
  /** Empty: nothing was lost and no start was refused. */
  readonly problems: string[];
  /** Where the directories of the failure are kept. */
  artefacts: string | undefined;
}

/**
 * Kills members under write load again and again, most times losing what a power cut loses, and looks for acknowledged
 * writes that are gone, effects of nothing, and starts that are refused. Ends at the first problem.
 */
export async function runPowerCuts(options: PowerCutOptions): Promise<PowerCutResult> {
  const trial = await PowerCutTrial.create(options);
  try {
    return await trial.run();
  } finally {
    await trial.end();
  }
}

class PowerCutTrial {
  private readonly random: Random;
  private readonly load: PowerLoad;
  private readonly down = new Set<number>();
  private readonly result: PowerCutResult = {
    kills: 0,
    cuts: 0,
    duringStart: 0,
    processKills: 0,
    acknowledged: 0,
    attempted: 0,
    changesDropped: 0,
    changesTorn: 0,
    namesDropped: 0,
    written: new Set(),
    problems: [],
    artefacts: undefined,
  };

  private constructor(
    private readonly options: PowerCutOptions,
    private readonly cluster: Cluster,
    private readonly disks: readonly MemberDisk[],
  ) {
    this.random = new Random(options.seed);
    // In a cluster a request whose member died may still be on its way in another's log.
    this.load = new PowerLoad(new Random(options.seed + 1), disks.length > 1);
    for (const member of disks.keys()) this.down.add(member);
  }

  static async create(options: PowerCutOptions): Promise<PowerCutTrial> {
    // Memory is quicker and as good: what is durable is what the journal says.
    const parent = existsSync('/dev/shm') ? '/dev/shm' : undefined;
    const members = options.members ?? 1;
    const disks: MemberDisk[] = [];
    const cluster = await Cluster.create({
      members,
      ...(parent === undefined ? {} : { parent }),
      env: (at, directory) => {
        // A member alone makes its data directory itself.
        const root = members === 1 ? directory : join(directory, `m${at + 1}`);
        if (members > 1) mkdirSync(root, { mode: 0o700 });
        const disk = new MemberDisk(root);
        disks[at] = disk;
        return disk.environment(options.library);
      },
    });
    return new PowerCutTrial(options, cluster, disks);
  }

  async run(): Promise<PowerCutResult> {
    for (let kill = 1; kill <= this.options.kills && this.result.problems.length === 0; kill++) {
      await this.round();
      this.result.kills = kill;
      this.options.onProgress?.(progress(this.result, this.options.kills));
    }
    if (this.result.problems.length === 0) await this.startAndVerify();
    Object.assign(this.result, { acknowledged: this.load.acknowledged, attempted: this.load.attempted });
    return this.result;
  }

  private async round(): Promise<void> {
    const { random } = this;
    let victims = random.chance(0.3) ? [...this.disks.keys()] : [random.between(0, this.disks.length - 1)];
    if (random.chance(0.12)) {
      victims = [...this.disks.keys()];
      this.result.duringStart += 1;
      for (const member of this.down) this.cluster.member(member).spawn();
      await moment(random.between(0, 900));
    } else {
      if (!(await this.startAndVerify())) return;
      await this.underLoad();
    }
    await Promise.all(victims.map((victim) => this.cluster.member(victim).killAll()));
    for (const victim of victims) this.down.add(victim);
    if (victims.length < this.disks.length) await moment(random.between(0, 800));
    await this.load.stop();
    for (const victim of victims) if (random.chance(0.85)) this.cut(victim);
  }

  private async underLoad(): Promise<void> {
    this.load.start(this.cluster.endpoints);
    await moment(this.random.between(5, 400));
    // A process that comes back finds writes that nobody has synced; it may not take them for durable.
    if (this.random.chance(0.3)) {
      this.result.processKills += 1;
      const member = this.cluster.member(this.random.between(0, this.disks.length - 1));
      const pid = member.processPid(this.random.pick(['raft', 'storage'] as const));
      if (pid !== undefined) process.kill(pid, 'SIGKILL');
      await moment(this.random.between(0, 700));
    }
  }

  private async startAndVerify(): Promise<boolean> {
    const started = [...this.down].map((at) => this.cluster.member(at));
    this.down.clear();
    for (const member of started) member.spawn();
    const outcomes = await Promise.allSettled(started.map((member) => member.ready()));
    const refused = outcomes.flatMap((one) => (one.status === 'rejected' ? [String(one.reason)] : []));
    if (refused.length > 0) return this.fail(refused.map((reason) => `a start was refused: ${reason}`));
    for (const { endpoint, name } of this.cluster.members) {
      const problems = await this.load.verify(endpoint);
      if (problems.length > 0) return this.fail(problems.map((problem) => `${name}: ${problem}`));
    }
    return true;
  }

  private fail(problems: readonly string[]): false {
    this.result.problems.push(...problems);
    const { directory } = this.cluster;
    this.result.artefacts = directory;
    for (const { name, log } of this.cluster.members) writeFileSync(join(directory, `${name}.log`), log);
    return false;
  }

  private cut(member: number): void {
    const report = this.disks[member]?.cut(this.random, this.options.syncsLie === true);
    if (report === undefined) return;
    this.result.cuts += 1;
    this.result.changesDropped += report.dropped;
    this.result.changesTorn += report.torn;
    this.result.namesDropped += report.namesDropped;
    for (const name of report.written) this.result.written.add(name);
  }

  async end(): Promise<void> {
    await this.load.stop();
    await Promise.all(this.cluster.members.map((member) => member.killAll()));
    const isKept = this.result.artefacts !== undefined;
    for (const disk of this.disks) disk.remove(isKept);
    if (!isKept) rmSync(this.cluster.directory, { recursive: true, force: true });
  }
}

/** The moment at which something breaks is drawn, not waited for. */
function moment(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

function progress(result: PowerCutResult, kills: number): string {
  const { cuts, changesDropped, changesTorn, namesDropped } = result;
  return `kill ${result.kills}/${kills}: ${cuts} power cuts, ${changesDropped} writes dropped, ${changesTorn} torn, ${namesDropped} names dropped`;
}
