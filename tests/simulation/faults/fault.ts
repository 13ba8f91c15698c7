import type { Cluster } from '../cluster/cluster';
import type { Member } from '../cluster/member';
import type { World } from '../world/world';

/** One kind of thing that goes wrong. */
export interface Fault {
  readonly name: string;
  /** How often, against the others. */
  readonly weight: number;
  /** Lets it happen; what ends by itself ends later. False: not possible just now. */
  inject(): boolean;
}

/** What all faults act on. */
export class FaultSite {
  readonly world: World;
  /** No more faults: what is under way ends at once. */
  isHealed = false;
  private readonly undo = new Set<() => void>();

  constructor(readonly cluster: Cluster) {
    this.world = cluster.world;
  }

  get random(): World['random'] {
    return this.world.random;
  }

  /** Members that are part of the cluster, up or down. */
  get members(): readonly Member[] {
    return this.cluster.members.filter((member) => member.hasStarted && !member.isRemoved);
  }

  get up(): readonly Member[] {
    return this.members.filter(({ isDown }) => !isDown);
  }

  between(low: number, high: number): number {
    return low + this.random.next() * (high - low);
  }

  /** Undoes a fault after `ms`, or when everything is healed. */
  later(ms: number, undo: () => void): void {
    const once = (): void => {
      if (this.undo.delete(once)) undo();
    };
    if (this.isHealed) return undo();
    this.undo.add(once);
    this.world.after(ms, undefined, once);
  }

  heal(): void {
    this.isHealed = true;
    for (const undo of this.undo) undo();
    for (const { machine } of this.members) machine.onIo = () => undefined; // a crash that waits for its point
    for (const member of this.members) if (member.isDown) member.startAll();
  }
}
