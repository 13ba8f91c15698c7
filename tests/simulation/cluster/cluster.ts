import { substituteEngine } from '../../../libs/rpc';
import { AcknowledgedWrites } from '../checkers/acknowledged-writes';
import { CommittedEntries } from '../checkers/committed-entries';
import { ElectionSafety } from '../checkers/election-safety';
import { FreshReads } from '../checkers/fresh-reads';
import { LeaderCompleteness } from '../checkers/leader-completeness';
import { LogMatching } from '../checkers/log-matching';
import { MonotonicRevisions } from '../checkers/monotonic-revisions';
import { StateEquality } from '../checkers/state-equality';
import { SimEngine } from '../world/engine';
import { Network } from '../world/network';
import type { World } from '../world/world';
import type { Defect } from './defects';
import { Member, type ProcessName } from './member';
import { type Checker, Observer } from './observer';
import { type ClusterSettings, MEMBERS_MAX } from './settings';
import { Truth } from './truth';

/** Members, the network between them, and everything that watches them. */
export class Cluster {
  readonly network: Network;
  readonly engine: SimEngine;
  readonly members: readonly Member[];
  readonly truth = new Truth();
  readonly observer: Observer;
  readonly equality = new StateEquality(this.truth);
  /** Log lines, the last ones. */
  readonly lines: string[] = [];
  onFatal: (member: Member, process: ProcessName, error: unknown) => boolean = () => false;

  constructor(
    readonly world: World,
    readonly settings: ClusterSettings,
    defect: Defect,
    moreCheckers: readonly Checker[],
  ) {
    this.network = new Network(world);
    this.engine = new SimEngine(this.network);
    substituteEngine(this.engine);
    const committed = new CommittedEntries();
    this.observer = new Observer([
      new ElectionSafety(),
      committed,
      new LeaderCompleteness(committed),
      new LogMatching(),
      this.equality,
      new FreshReads(this.truth),
      new AcknowledgedWrites(this.truth),
      new MonotonicRevisions(this.truth),
      ...moreCheckers,
    ]);
    const options = {
      engine: this.engine,
      settings,
      observer: this.observer,
      truth: this.truth,
      defect,
      log: (...line: readonly [string, string, string, unknown, string]) => this.log(...line),
      onFatal: (member: Member, process: ProcessName, error: unknown) => this.onFatal(member, process, error),
    };
    this.members = Array.from({ length: MEMBERS_MAX }, (_, i) => new Member(`m${i + 1}`, i, options));
  }

  get leader(): Member | undefined {
    let leader: Member | undefined;
    for (const member of this.members) {
      if (member.isLeader && (leader === undefined || (member.core?.term ?? 0) > (leader.core?.term ?? 0)))
        leader = member;
    }
    return leader;
  }

  private log(member: string, process: string, level: string, detail: unknown, message: string): void {
    const text = JSON.stringify(detail, (_, value: unknown) =>
      typeof value === 'bigint' ? value.toString(16) : value,
    );
    this.lines.push(`${this.world.now.toFixed(2)} ${member} ${process} ${level} ${message} ${text}`);
    if (this.lines.length > 2_000) this.lines.splice(0, 1_000);
  }
}
