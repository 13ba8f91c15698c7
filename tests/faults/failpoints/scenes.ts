import { closeSync, cpSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FailpointName } from '../../../libs/failpoints';
import { waitFor } from '../../system/support/wait-for';
import { MemberStatuses } from '../members';
import { FailingCluster } from './member-under-test';
import { Scene } from './scene';

/** One member alone: nobody else has what it loses. It goes on from point to point. */
export class AloneScene extends Scene {
  static async create(seed: number): Promise<AloneScene> {
    return new AloneScene(await FailingCluster.create(1), seed);
  }

  async run(point: FailpointName): Promise<string[]> {
    await this.startAll();
    const problems = await this.killAt(0, point);
    this.beforeRestart(this.failing.member(0).dataDir);
    await this.startAll();
    return [...problems, ...(await this.verify())];
  }

  /** Nothing; a canary loses something. */
  protected beforeRestart(_dataDir: string): void {}
}

/** The canary: what the member wrote after its first start is gone when it comes back. */
export class ForgetfulScene extends AloneScene {
  private readonly copy = mkdtempSync(join(tmpdir(), 'hexad-forgetful-'));

  static override async create(seed: number): Promise<ForgetfulScene> {
    return new ForgetfulScene(await FailingCluster.create(1), seed);
  }

  override async run(point: FailpointName): Promise<string[]> {
    const member = this.failing.member(0);
    await this.startAll();
    await member.killAll();
    cpSync(member.dataDir, this.copy, { recursive: true });
    return super.run(point);
  }

  protected override beforeRestart(dataDir: string): void {
    rmSync(dataDir, { recursive: true });
    cpSync(this.copy, dataDir, { recursive: true });
  }

  override async end(): Promise<void> {
    await super.end();
    rmSync(this.copy, { recursive: true });
  }
}

/** A member that has never run, with the point set from its start. */
export class BeginningScene extends Scene {
  static async create(seed: number): Promise<BeginningScene> {
    return new BeginningScene(await FailingCluster.create(1), seed);
  }

  async run(point: FailpointName): Promise<string[]> {
    this.failing.setAtStart(0, `${point}=panic`);
    const member = this.failing.member(0);
    member.spawn();
    const problems = await this.failing.dies(0, point, []);
    this.failing.setAtStart(0, undefined);
    await this.startAll();
    return [...problems, ...(await this.verify())];
  }
}

/** A member that finds a write at the end of its log that did not finish. */
export class TornWriteScene extends Scene {
  static async create(seed: number): Promise<TornWriteScene> {
    return new TornWriteScene(await FailingCluster.create(1), seed);
  }

  async run(point: FailpointName): Promise<string[]> {
    const member = this.failing.member(0);
    await this.startAll();
    this.load.start([member.endpoint]);
    await waitFor('some writes', () => this.load.acknowledged > 50);
    await this.load.stop();
    await member.killAll();
    tearWrite(join(member.dataDir, 'member', 'wal'));
    this.failing.setAtStart(0, `${point}=panic`);
    member.spawn();
    const problems = await this.failing.dies(0, point, []);
    this.failing.setAtStart(0, undefined);
    await this.startAll();
    return [...problems, ...(await this.verify())];
  }
}

/** Bytes that no batch begins with, behind the last one. */
function tearWrite(walDir: string): void {
  const begun = readdirSync(walDir)
    .filter((name) => name.endsWith('.wal'))
    .sort()
    .map((name) => ({ path: join(walDir, name), bytes: readFileSync(join(walDir, name)) }))
    .filter(({ bytes }) => bytes.some((byte) => byte !== 0));
  const last = begun.at(-1);
  if (last === undefined) throw new Error('the log is empty');
  let end = last.bytes.length;
  while (end > 0 && last.bytes[end - 1] === 0) end -= 1;
  const fd = openSync(last.path, 'r+');
  // A record's padding may be zeros: well behind it.
  writeSync(fd, Buffer.alloc(100, 0xa5), 0, 100, end + 64);
  closeSync(fd);
}

/** What is left of a cluster, made a cluster of its own. */
export class ForcedScene extends Scene {
  static async create(seed: number): Promise<ForcedScene> {
    return new ForcedScene(await FailingCluster.create(3), seed);
  }

  async run(point: FailpointName): Promise<string[]> {
    const { cluster } = this.failing;
    await this.startAll();
    this.load.start(cluster.endpoints);
    await waitFor('some writes', () => this.load.acknowledged > 100);
    await this.load.stop();
    const before = await this.verify(); // everyone has everything
    await Promise.all(cluster.members.map((member) => member.killAll()));
    const [first] = cluster.members.splice(0, 3);
    if (first === undefined) throw new Error('a cluster without members');
    const forced = first.withFlags(['--force-new-cluster=true']);
    cluster.members.push(forced);
    this.failing.setAtStart(0, `${point}=panic`);
    forced.spawn();
    const problems = await this.failing.dies(0, point, []);
    this.failing.setAtStart(0, undefined);
    await this.startAll();
    return [...before, ...problems, ...(await this.verify())];
  }
}

/** Three members: one dies, the others go on, and it comes back. */
export class ClusterScene extends Scene {
  static async create(seed: number): Promise<ClusterScene> {
    return new ClusterScene(await FailingCluster.create(3), seed);
  }

  async run(point: FailpointName): Promise<string[]> {
    await this.startAll();
    const leader = await leaderOf(this.failing);
    const follower = (leader + 1) % 3;
    const victim = point === 'raftBeforeFollowerSend' ? follower : leader;
    // Through the follower, so that what the leader is asked is relayed.
    const problems = await this.killAt(victim, point, this.failing.member(follower).endpoint);
    await this.startAll();
    return [...problems, ...(await this.verify())];
  }
}

/** Points of the member that sends its store; the others are of the one that receives it. */
const SENDERS: readonly FailpointName[] = [
  'raftBeforeSendSnap',
  'raftAfterSendSnap',
  'copyOutBeforeFirstChunk',
  'copyOutBeforeEnd',
];

/** Three members, one of them so far behind that it is sent the store. */
export class BehindScene extends Scene {
  static async create(seed: number): Promise<BehindScene> {
    return new BehindScene(await FailingCluster.create(3), seed);
  }

  async run(point: FailpointName): Promise<string[]> {
    await this.startAll();
    const leader = await leaderOf(this.failing);
    const behind = (leader + 1) % 3;
    await this.leaveBehind(behind);
    const problems = SENDERS.includes(point)
      ? await this.killSender(behind, point)
      : await this.killReceiver(behind, point);
    await this.startAll();
    return [...problems, ...(await this.verify())];
  }

  private async leaveBehind(behind: number): Promise<void> {
    const others = this.failing.cluster.members.filter((_, at) => at !== behind);
    await this.failing.member(behind).killAll();
    const from = others.map(({ log }) => lastIndexOf(log) + 200);
    this.load.start(others.map(({ endpoint }) => endpoint));
    await waitFor(
      'the logs to be cut',
      () => others.every(({ log }, at) => lastIndexOf(log) > (from[at] ?? 0)),
      30_000,
    );
    await this.load.stop();
  }

  private async killReceiver(behind: number, point: FailpointName): Promise<string[]> {
    this.failing.setAtStart(behind, `${point}=panic`);
    this.failing.member(behind).spawn();
    try {
      return await this.failing.dies(behind, point, []);
    } finally {
      this.failing.setAtStart(behind, undefined);
    }
  }

  private async killSender(behind: number, point: FailpointName): Promise<string[]> {
    const others = [0, 1, 2].filter((at) => at !== behind);
    for (const at of others) await this.failing.set(at, point, 'panic');
    this.failing.member(behind).spawn();
    const dead = await waitFor(
      'the sender to die',
      () => others.find((at) => this.failing.member(at).hasEnded),
      40_000,
    );
    const left = others.find((at) => at !== dead) ?? 0;
    await this.failing.clear(left, point);
    await this.failing.member(behind).ready();
    return this.failing.dies(dead, point, []);
  }
}

/** Where the member's log begins, as it last said. */
function lastIndexOf(log: string): number {
  const at = log.lastIndexOf('"first-index":');
  return at < 0 ? 0 : Number.parseInt(log.slice(at + '"first-index":'.length), 10);
}

async function leaderOf(failing: FailingCluster): Promise<number> {
  const statuses = new MemberStatuses(failing.cluster.endpoints);
  try {
    return await waitFor('a leader', () => statuses.leader());
  } finally {
    statuses.close();
  }
}
