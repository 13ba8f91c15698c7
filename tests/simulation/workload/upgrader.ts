import type { Member } from '../cluster/member';
import { NEXT_RELEASE } from '../cluster/settings';
import type { FaultSite } from '../faults/fault';

const FIRST_MS = [30_000, 240_000] as const;
const BETWEEN_MS = [5_000, 40_000] as const;
const DOWN_MS = [300, 5_000] as const;

/**
 * Upgrades the members to the next release, one after another, in the midst of everything: each is stopped and started with the
 * other programs. So for minutes two releases are in one cluster, and no entry may be proposed that the older one does not
 * understand. Members that have not been started yet begin with the next release from then on.
 */
export class Upgrader {
  upgraded = 0;

  constructor(private readonly site: FaultSite) {}

  start(): void {
    const { site } = this;
    site.world.after(site.between(...FIRST_MS), undefined, () => this.next());
  }

  get isDone(): boolean {
    return this.site.cluster.members.every(({ release }) => release === NEXT_RELEASE);
  }

  private next(): void {
    const { site } = this;
    for (const member of site.cluster.members) if (!member.hasStarted) member.release = NEXT_RELEASE;
    const old = site.cluster.members.filter(({ release }) => release !== NEXT_RELEASE);
    if (old.length === 0) return;
    this.upgrade(site.random.pick(old));
    site.world.after(site.between(...BETWEEN_MS), undefined, () => this.next());
  }

  private upgrade(member: Member): void {
    const { site } = this;
    const wasUp = !member.isDown;
    if (wasUp) member.goDown(false);
    member.release = NEXT_RELEASE;
    this.upgraded += 1;
    if (wasUp) site.later(site.between(...DOWN_MS), () => member.startAll());
  }
}
