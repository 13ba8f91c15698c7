import type { Position, RevisionChanges } from '../../libs/mvcc';
import type { ApplyOutcome } from './apply/applier';
import { isDataChange } from './apply/alarm-guard';
import type { ApplySink } from './apply/machine';
import type { Compactor } from './compactor';
import type { EventsFeed } from './feeds/events';
import type { StateFeed } from './feeds/feed';
import type { ResultsFeed } from './feeds/results';
import type { RaisedAlarm } from './state/alarms';
import type { Lease } from './state/leases';
import type { MemberRecord } from './state/members';
import type { AssignedToken } from './state/tokens';

/** Hands what apply says to the feeds. Nothing leaves before `flush`, which ends each slice of apply. */
export class Outputs implements ApplySink {
  constructor(
    private readonly results: ResultsFeed,
    private readonly events: EventsFeed,
    private readonly feed: StateFeed,
    private readonly compactor: Compactor,
    /** What this member makes of keys is not to be told. */
    private readonly isOutOfService: () => boolean,
  ) {}

  flush(appliedIndex: number): void {
    this.results.flush(appliedIndex);
    this.events.flush();
    this.feed.flush();
  }

  result(origin: number, sequence: number, outcome: ApplyOutcome, position: Position, kind?: number): void {
    // Who waits for it is told that it took too long: the others' state has the answer, this one's may be another.
    if (kind !== undefined && isDataChange(kind) && outcome.error === undefined && this.isOutOfService()) return;
    if (!outcome.afterCompaction) {
      this.results.add(origin, sequence, outcome, position);
      return;
    }
    const { index, term } = position;
    this.compactor.afterwards(() => {
      this.results.add(origin, sequence, outcome, { index, term });
      this.results.flush(index);
    });
  }

  revisionMade(made: RevisionChanges, trace: Uint8Array): void {
    this.events.add(made, trace);
  }

  compactionLogged(): void {
    this.compactor.start();
  }

  termStarted(term: number): void {
    this.results.termStarted(term);
    this.feed.termStarted();
  }

  leaseChanged(lease: Lease): void {
    this.feed.leaseChanged(lease);
  }

  leaseRevoked(id: bigint): void {
    this.feed.leaseRevoked(id);
  }

  authChanged(enabled: boolean, revision: number): void {
    this.feed.authChanged(enabled, revision);
  }

  tokenAssigned(token: AssignedToken): void {
    this.feed.tokenAssigned(token);
  }

  tokensRevoked(user: string | undefined): void {
    this.feed.tokensRevoked(user);
  }

  memberChanged(member: MemberRecord): void {
    this.feed.memberChanged(member);
  }

  memberRemoved(id: bigint): void {
    this.feed.memberRemoved(id);
  }

  alarmsChanged(alarms: readonly RaisedAlarm[]): void {
    this.feed.alarmsChanged(alarms);
  }

  clusterVersionChanged(version: string): void {
    this.feed.clusterVersionChanged(version);
  }
}
