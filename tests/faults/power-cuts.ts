import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { Cluster, type Member } from '../system/support/cluster';
import { cutPower } from './disk/power-cut';
import { diskEnvironment } from './disk/library';
import { Random } from './disk/random';
import { PowerLoad } from './power-load';

export interface PowerCutOptions {
  readonly library: string;
  readonly seed: number;
  /** How many times the member is killed. */
  readonly kills: number;
  /** The canary: the disk does not honour its syncs. */
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
  startMs: number[];
  /** Empty: nothing was lost and no start was refused. */
  readonly problems: string[];
  /** Where the directories of the failure are kept. */
  artefacts: string | undefined;
}

/**
 * Kills a one-member cluster under write load again and again, most times losing what a power cut loses, and looks for
 * acknowledged writes that are gone, effects of nothing, and starts that are refused. Ends at the first problem.
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
    startMs: [],
    problems: [],
    artefacts: undefined,
  };

  private constructor(
    private readonly options: PowerCutOptions,
    private readonly cluster: Cluster,
  ) {
    this.random = new Random(options.seed);
    this.load = new PowerLoad(new Random(options.seed + 1));
    mkdirSync(this.image);
    this.newBoot();
  }

  static async create(options: PowerCutOptions): Promise<PowerCutTrial> {
    // Memory is quicker and as good: what is durable is what the journal says.
    const parent = existsSync('/dev/shm') ? '/dev/shm' : undefined;
    const cluster = await Cluster.create({
      ...(parent === undefined ? {} : { parent }),
      env: (_, directory) => diskEnvironment(options.library, diskFiles(directory)),
    });
    return new PowerCutTrial(options, cluster);
  }

  private get root(): string {
    return this.cluster.directory;
  }
  private get image(): string {
    return `${this.root}.image`;
  }
  private get member(): Member {
    return this.cluster.member(0);
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
    if (this.random.chance(0.12)) {
      this.result.duringStart += 1;
      this.member.spawn();
      await sleep(this.random.between(0, 900));
    } else {
      if (!(await this.startAndVerify())) return;
      await this.underLoad();
    }
    await this.member.killAll();
    await this.load.stop();
    if (this.random.chance(0.85)) this.cut();
  }

  private async underLoad(): Promise<void> {
    this.load.start([this.member.endpoint]);
    await sleep(this.random.between(5, 400));
    // A process that comes back finds writes that nobody has synced; it may not take them for durable.
    if (this.random.chance(0.3)) {
      this.result.processKills += 1;
      const pid = this.member.processPid(this.random.pick(['raft', 'storage'] as const));
      if (pid !== undefined) process.kill(pid, 'SIGKILL');
      await sleep(this.random.between(0, 700));
    }
  }

  private async startAndVerify(): Promise<boolean> {
    const from = performance.now();
    try {
      await this.member.start();
    } catch (error) {
      this.fail([`the start was refused: ${String(error)}`]);
      return false;
    }
    this.result.startMs.push(Math.round(performance.now() - from));
    const problems = await this.load.verify(this.member.endpoint);
    if (problems.length > 0) this.fail(problems);
    return problems.length === 0;
  }

  private fail(problems: readonly string[]): void {
    this.result.problems.push(...problems);
    this.result.artefacts = this.root;
    writeFileSync(join(this.root, 'member.log'), this.member.log);
  }

  private cut(): void {
    const { journal } = diskFiles(this.root);
    if (!existsSync(journal)) return;
    const { random } = this;
    const image = this.image;
    // Kept for whoever looks into a failure.
    copyFileSync(journal, `${this.root}.last-journal`);
    const { dropped, torn, namesDropped } = cutPower({
      image,
      root: this.root,
      journal,
      random,
      ...(this.options.syncsLie === true ? { syncsLie: true } : {}),
    });
    this.result.cuts += 1;
    this.result.changesDropped += dropped;
    this.result.changesTorn += torn;
    this.result.namesDropped += namesDropped;
    rmSync(journal);
    rmSync(this.root, { recursive: true });
    copyTree(image, this.root);
    this.newBoot();
  }

  private newBoot(): void {
    writeFileSync(diskFiles(this.root).bootId, `${randomUUID()}\n`);
  }

  async end(): Promise<void> {
    await this.load.stop();
    await this.member.killAll();
    const { journal, bootId } = diskFiles(this.root);
    for (const path of [journal, bootId, `${this.image}.objects`]) rmSync(path, { recursive: true, force: true });
    if (this.result.artefacts !== undefined) return;
    for (const path of [this.root, this.image, `${this.root}.last-journal`])
      rmSync(path, { recursive: true, force: true });
  }
}

function diskFiles(root: string): { root: string; journal: string; bootId: string } {
  return { root, journal: `${root}.journal`, bootId: `${root}.boot-id` };
}

function copyTree(from: string, to: string): void {
  const { status, stderr } = spawnSync('cp', ['-a', from, to], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`cannot copy ${from}: ${stderr}`);
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

function progress(result: PowerCutResult, kills: number): string {
  const { cuts, changesDropped, changesTorn, namesDropped } = result;
  return `kill ${result.kills}/${kills}: ${cuts} power cuts, ${changesDropped} writes dropped, ${changesTorn} torn, ${namesDropped} names dropped`;
}
