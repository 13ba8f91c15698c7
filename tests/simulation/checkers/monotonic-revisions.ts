import type { Checker, MemberState } from '../cluster/observer';
import type { Truth } from '../cluster/truth';
import { Violation } from '../cluster/violation';
import type { Operation } from '../workload/operation';

/**
 * A member never answers from an older state than it has answered from before, whichever of its processes is restarted. Only
 * when none that knew is left (both killed, or the whole member) may it begin behind: the commit index need not be on disk.
 */
export class MonotonicRevisions implements Checker {
  private readonly highest = new Map<string, number>();
  private readonly floors = new Map<number, number>();

  constructor(private readonly truth: Truth) {}

  processEnded({ name, core, store }: MemberState): void {
    const revision = this.highest.get(name);
    if (revision === undefined) return;
    const index = this.truth.indexOf(revision);
    const isKnown = (core?.commit ?? 0) >= index || (store?.applied.index ?? 0) >= index;
    if (!isKnown) this.highest.delete(name);
  }

  invoked({ id, member }: Operation): void {
    this.floors.set(id, this.highest.get(member) ?? 0);
  }

  completed({ id, kind, member, outcome }: Operation): void {
    const floor = Math.min(this.floors.get(id) ?? 0, this.highest.get(member) ?? 0);
    this.floors.delete(id);
    if (outcome?.kind !== 'ok' || outcome.revision === 0) return;
    if (outcome.revision < floor) {
      const text = `${member} answered operation ${id} (${kind}) at revision ${outcome.revision} after it had shown ${floor}`;
      throw new Violation('monotonic revisions', text);
    }
    this.highest.set(member, Math.max(outcome.revision, this.highest.get(member) ?? 0));
  }
}
