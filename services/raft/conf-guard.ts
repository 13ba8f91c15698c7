import { type CatalogueError, Errors } from '../../libs/errors';
import type { NodeId, RaftCore } from '../../libs/raft';
import { type ConfChange, ConfChangeType } from '../../proto/gen/hexad';
import { type MemberBook, readConfChange } from './conf-changes';

/** etcd's HealthInterval: a member counts as healthy once its links have been up for so long. */
export const HEALTH_INTERVAL_MS = 5_000;
/** A learner may vote when it has this share of what the leader has. */
const READY_SHARE = 0.9;

export interface ConfGuardOptions {
  readonly core: RaftCore;
  readonly book: MemberBook;
  /** `--strict-reconfig-check` */
  readonly isStrict: boolean;
  readonly now: () => number;
  /** Since when a member's links have been up; undefined: they are not. */
  readonly connectedSince: (id: NodeId) => number | undefined;
}

/** What etcd refuses of changes of the members for the state of the cluster as it is now; the rest is decided elsewhere. */
export class ConfGuard {
  constructor(private readonly options: ConfGuardOptions) {}

  /** `isOwn`: asked of this member, not passed on to it by another one, which has looked at its own links. */
  refusalOf(entry: Uint8Array, isOwn: boolean): CatalogueError | undefined {
    const change = readConfChange(entry);
    if (change === undefined) return undefined;
    if (change.type === ConfChangeType.CONF_PROMOTE) return this.refusalOfPromotion(change.nodeId);
    if (!isOwn || !this.options.isStrict) return undefined;
    return this.isHealthyEnough(change) ? undefined : Errors.Unhealthy;
  }

  private isHealthyEnough({ type, nodeId }: ConfChange): boolean {
    if (type === ConfChangeType.CONF_ADD_VOTER || type === ConfChangeType.CONF_ADD_LEARNER) {
      return this.healthy() === this.voters().length;
    }
    return type !== ConfChangeType.CONF_REMOVE || this.mayRemove(nodeId);
  }

  private mayRemove(id: NodeId): boolean {
    const { core, connectedSince } = this.options;
    const voters = this.voters();
    if (!voters.includes(id)) return true;
    // One that is down is no part of the active quorum.
    if (id !== core.id && connectedSince(id) === undefined) return true;
    return this.healthy() - 1 >= 1 + Math.floor((voters.length - 1) / 2);
  }

  /** Only the leader knows how far a learner is. */
  private refusalOfPromotion(id: NodeId): CatalogueError | undefined {
    const progress = this.options.core.progress();
    const learner = progress.find((one) => one.id === id);
    const own = progress.find((one) => one.id === this.options.core.id);
    if (learner === undefined || own === undefined || !learner.isLearner) return undefined;
    return learner.match < own.match * READY_SHARE ? Errors.LearnerNotReady : undefined;
  }

  private voters(): NodeId[] {
    return this.options.book.members.filter(({ isLearner }) => !isLearner).map(({ id }) => id);
  }

  /** Voters whose links have been up long enough, this member included. */
  private healthy(): number {
    const { core, now, connectedSince } = this.options;
    const before = now() - HEALTH_INTERVAL_MS;
    return this.voters().filter((id) => id === core.id || (connectedSince(id) ?? Number.POSITIVE_INFINITY) <= before)
      .length;
  }
}
