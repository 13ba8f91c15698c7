import { encodeDefragmentRequest, MAINTENANCE_PATHS } from '../../proto/gen/etcdserverpb';
import type { Cluster, Member } from '../system/support/cluster';
import { MemberClient } from './client';
import { setDisk } from './disk/library';
import type { Random } from './disk/random';
import type { MemberStatuses } from './members';
import type { PeerNetwork } from './relay';
import type { ProcessOrMain, Statement, Target } from './scenario';

const LOOK_FOR_LEADER_MS = 3_000;
const DEFRAGMENT_MS = 30_000;

/** A moment at which something was done to the cluster. */
export interface Disturbance {
  readonly text: string;
  readonly at: number;
  /** Whether a majority was left that runs and hears each other: from here on the service must come back. */
  readonly hasQuorum: boolean;
}

export interface NemesisOptions {
  readonly cluster: Cluster;
  readonly network: PeerNetwork;
  readonly statuses: MemberStatuses;
  readonly random: Random;
  /** Where a member's disk is controlled from; undefined: it can't be. */
  readonly diskControl: (member: number) => string | undefined;
  readonly compact: () => Promise<void>;
}

/** Does what a scenario says. */
export class Nemesis {
  readonly disturbances: Disturbance[] = [];
  readonly problems: string[] = [];
  /** Statements that could not be done here, by the reason. */
  readonly skipped = new Set<string>();
  private readonly down = new Set<number>();
  private readonly paused = new Map<number, Set<ProcessOrMain | 'all'>>();
  private readonly slowDisks = new Set<number>();
  private readonly fullDisks = new Set<number>();
  private it: readonly number[] = [];
  private lastLeader = 0;
  private term = 0;

  constructor(private readonly options: NemesisOptions) {}

  get count(): number {
    return this.options.cluster.members.length;
  }

  /** What was done, with the members it was done to. */
  async apply(statement: Statement): Promise<string> {
    this.lookForDead();
    switch (statement.verb) {
      case 'wait':
        await until(performance.now() + statement.ms);
        return statement.text;
      case 'remember term':
        this.term = await this.options.statuses.highestTerm();
        return `${statement.text}: ${this.term}`;
      case 'expect same term':
        return this.expectTerm();
      case 'compact':
        await this.options.compact();
        return statement.text;
      case 'defrag':
        return this.defragment(await this.members(statement.target));
      default:
        return this.disturb(statement);
    }
  }

  /** Ends all faults; resolves when every member is ready. */
  async restore(): Promise<void> {
    this.options.network.heal();
    for (const member of this.paused.keys()) this.member(member).signalAll('SIGCONT');
    this.paused.clear();
    for (const member of [...this.slowDisks, ...this.fullDisks]) this.setDisk(member, 0, false);
    const started = [...this.down];
    this.lookForDead();
    for (const member of started) this.start(member);
    this.note('everything is mended');
    await Promise.all(started.map((member) => this.member(member).ready()));
  }

  /** A member that has ended though nobody ended it. */
  lookForDead(): void {
    for (let member = 0; member < this.count; member++) {
      const { hasEnded, name, log } = this.member(member);
      if (!hasEnded || this.down.has(member) || this.fullDisks.has(member)) continue;
      this.problems.push(`${name} ended by itself:\n${log.slice(-1_500)}`);
      this.down.add(member);
    }
  }

  private async disturb(statement: Exclude<Statement, { verb: 'wait' | 'compact' | 'defrag' }>): Promise<string> {
    if (statement.verb === 'cut' || statement.verb === 'delay') return this.link(statement);
    if (statement.verb === 'heal') this.options.network.heal();
    const members = 'target' in statement ? await this.members(statement.target) : [];
    if (members.length > 0) this.it = members;
    const text = `${statement.text}${members.length === 0 ? '' : ` (${members.map((member) => this.member(member).name).join(', ')})`}`;
    // The clock starts when it begins: a kill waits for the end of the processes.
    const at = performance.now();
    await Promise.all(members.map((member) => this.act(statement, member)));
    this.note(text, at);
    return text;
  }

  private async act(statement: Statement, member: number): Promise<void> {
    if (statement.verb === 'kill') await this.kill(member, statement.process);
    else if (statement.verb === 'start') this.start(member);
    else if (statement.verb === 'pause') this.pause(member, statement.process);
    else if (statement.verb === 'resume') this.resume(member, statement.process);
    else if (statement.verb === 'isolate') this.isolate(member);
    else if (statement.verb === 'disk') this.setDisk(member, statement.syncDelayMs, statement.isFull);
  }

  private async link(statement: Statement & { verb: 'cut' | 'delay' }): Promise<string> {
    const [from] = await this.members(statement.from);
    if (from !== undefined) this.it = [from];
    const [to] = (await this.members(statement.to)).filter((member) => member !== from);
    if (from === undefined || to === undefined) throw new Error(`"${statement.text}" names no two members`);
    const pairs = statement.isBoth
      ? [
          [from, to],
          [to, from],
        ]
      : [[from, to]];
    for (const [a = 0, b = 0] of pairs) {
      if (statement.verb === 'cut') this.options.network.cut(a, b);
      else this.options.network.delay(a, b, statement.ms);
    }
    const text = `${statement.text} (${this.member(from).name}, ${this.member(to).name})`;
    this.note(text);
    return text;
  }

  private async kill(member: number, process_: ProcessOrMain | undefined): Promise<void> {
    if (this.down.has(member)) return;
    if (process_ === undefined || process_ === 'main') {
      this.down.add(member);
      this.paused.delete(member);
      if (process_ === undefined) await this.member(member).killAll();
      else await this.member(member).stop('SIGKILL');
    } else this.signal(member, process_, 'SIGKILL');
  }

  private start(member: number): void {
    if (!this.down.delete(member)) return;
    this.member(member).spawn();
  }

  private pause(member: number, process_: ProcessOrMain | undefined): void {
    this.signal(member, process_, 'SIGSTOP');
    const set = this.paused.get(member) ?? new Set();
    this.paused.set(member, set.add(process_ ?? 'all'));
  }

  private resume(member: number, process_: ProcessOrMain | undefined): void {
    this.signal(member, process_, 'SIGCONT');
    const set = this.paused.get(member);
    set?.delete(process_ ?? 'all');
    if (set?.size === 0) this.paused.delete(member);
  }

  private signal(member: number, process_: ProcessOrMain | undefined, signal: NodeJS.Signals): void {
    const target = this.member(member);
    if (process_ === undefined) target.signalAll(signal);
    else {
      const pid = process_ === 'main' ? target.pid : target.processPid(process_);
      if (pid !== undefined) process.kill(pid, signal);
    }
  }

  private isolate(member: number): void {
    for (let other = 0; other < this.count; other++) {
      if (other === member) continue;
      this.options.network.cut(member, other);
      this.options.network.cut(other, member);
    }
  }

  private setDisk(member: number, syncDelayMs: number, isFull: boolean): void {
    const control = this.options.diskControl(member);
    if (control === undefined) return void this.skipped.add('disk: no C compiler');
    setDisk(control, { syncDelayMs, isFull });
    if (syncDelayMs > 0) this.slowDisks.add(member);
    else this.slowDisks.delete(member);
    if (isFull) this.fullDisks.add(member);
    else if (this.fullDisks.delete(member) && this.member(member).hasEnded) {
      // A full disk may end a member; room again and a start is all that it takes.
      this.down.add(member);
      this.start(member);
    }
  }

  private async defragment(members: readonly number[]): Promise<string> {
    const done = await Promise.all(
      members.map(async (member) => {
        const client = new MemberClient(this.member(member).endpoint);
        const answer = await client.call(MAINTENANCE_PATHS.Defragment, encodeDefragmentRequest({}), DEFRAGMENT_MS);
        client.close();
        if (!answer.ok) this.skipped.add(`defrag: ${answer.message}`);
        return `defrag ${this.member(member).name}: ${answer.ok ? 'done' : answer.message}`;
      }),
    );
    return done.join(', ');
  }

  private async expectTerm(): Promise<string> {
    const term = await this.options.statuses.highestTerm();
    if (term !== this.term) this.problems.push(`the term went from ${this.term} to ${term}: there was an election`);
    return `expect same term: ${term}`;
  }

  private note(text: string, at = performance.now()): void {
    this.disturbances.push({ text, at, hasQuorum: this.hasQuorum() });
  }

  private hasQuorum(): boolean {
    const alive = Array.from({ length: this.count }, (_, member) => member).filter((member) => this.isAlive(member));
    const { network } = this.options;
    const hear = (a: number, b: number): boolean => !network.isCut(a, b) && !network.isCut(b, a);
    return alive.some(
      (member) => alive.filter((other) => other === member || hear(member, other)).length > this.count / 2,
    );
  }

  private isAlive(member: number): boolean {
    const paused = this.paused.get(member);
    const stops = paused !== undefined && (['all', 'raft', 'storage'] as const).some((one) => paused.has(one));
    return !this.down.has(member) && !stops && !this.slowDisks.has(member) && !this.fullDisks.has(member);
  }

  private async members(target: Target): Promise<readonly number[]> {
    if (typeof target === 'object') return [target.member];
    const all = Array.from({ length: this.count }, (_, member) => member);
    if (target === 'all') return all;
    if (target === 'it') return this.it;
    if (target === 'down') return [...this.down];
    if (target === 'paused') return [...this.paused.keys()];
    const leader = await this.leader();
    if (target === 'leader') return [leader];
    const others = all.filter((member) => member !== leader && (target === 'follower' || !this.it.includes(member)));
    const fit = others.filter((member) => this.isAlive(member));
    return others.length === 0 ? [] : [this.options.random.pick(fit.length > 0 ? fit : others)];
  }

  private async leader(): Promise<number> {
    const giveUpAt = performance.now() + LOOK_FOR_LEADER_MS;
    for (;;) {
      const leader = await this.options.statuses.leader();
      if (leader !== undefined) this.lastLeader = leader;
      if (leader !== undefined || performance.now() > giveUpAt) return this.lastLeader;
      await until(performance.now() + 50);
    }
  }

  private member(at: number): Member {
    return this.options.cluster.member(at);
  }
}

export function until(time: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, Math.max(0, time - performance.now()));
  });
}
