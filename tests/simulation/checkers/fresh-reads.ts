import type { Checker } from '../cluster/observer';
import type { Truth } from '../cluster/truth';
import { Violation } from '../cluster/violation';
import type { Operation } from '../workload/operation';

/**
 * Linearizability, which revisions make simple to check: an operation's revision is at least that of every operation
 * completed before it began, and what a read shows is what the log had made of the store at its revision.
 */
export class FreshReads implements Checker {
  private completedRevision = 1;
  /** By operation: the least revision it must see. */
  private readonly floors = new Map<number, number>();

  constructor(private readonly truth: Truth) {}

  invoked(operation: Operation): void {
    if (operation.linearizable) this.floors.set(operation.id, this.completedRevision);
  }

  completed(operation: Operation): void {
    const { id, outcome, member } = operation;
    const floor = this.floors.get(id) ?? 0;
    this.floors.delete(id);
    if (outcome?.kind !== 'ok' || outcome.revision === 0) return;
    if (outcome.revision < floor) {
      const text = `operation ${id} (${operation.kind} at ${member}) saw revision ${outcome.revision}, ${floor} was completed before it`;
      throw new Violation('linearizable reads', text);
    }
    this.completedRevision = Math.max(this.completedRevision, outcome.revision);
    this.checkContent(operation);
  }

  private checkContent({ id, outcome, range, member }: Operation): void {
    if (outcome?.kind !== 'ok' || range === undefined || outcome.kvs === undefined) return;
    const revision = range.revision === 0 ? outcome.revision : range.revision;
    const expected = this.truth.stateAt(revision, range.key).filter(([key]) => range.isPrefix || key === range.key);
    if (JSON.stringify(expected) === JSON.stringify(outcome.kvs)) return;
    const text = `operation ${id} at ${member} read at ${revision}\n${JSON.stringify(outcome.kvs)}`;
    throw new Violation('linearizable reads', `${text}\nand not\n${JSON.stringify(expected)}`);
  }
}
