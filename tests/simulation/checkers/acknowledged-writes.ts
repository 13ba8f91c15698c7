import type { Checker } from '../cluster/observer';
import type { Truth } from '../cluster/truth';
import { Violation } from '../cluster/violation';
import type { Operation } from '../workload/operation';

/** An acknowledged write is there, at the revision it was told; one that is said to have had no effect has none. */
export class AcknowledgedWrites implements Checker {
  private readonly refused: Operation[] = [];
  private readonly acknowledged: Operation[] = [];

  constructor(private readonly truth: Truth) {}

  completed(operation: Operation): void {
    const { outcome, writes } = operation;
    if (outcome === undefined || writes === undefined) return;
    if (outcome.kind === 'error' && outcome.definite) this.refused.push(operation);
    if (outcome.kind !== 'ok' || outcome.changed === false) return;
    this.acknowledged.push(operation);
    this.checkThere(operation);
  }

  finish(): void {
    for (const operation of this.acknowledged) this.checkThere(operation);
    for (const { id, writes = [], outcome } of this.refused) {
      for (const { value } of writes) {
        if (value === undefined || this.truth.revisionOf(value) === undefined) continue;
        const why = outcome?.kind === 'error' ? outcome.error.message : '';
        throw new Violation('definite errors', `operation ${id} was refused ("${why}") and took effect`);
      }
    }
  }

  private checkThere({ id, outcome, writes = [], member }: Operation): void {
    if (outcome?.kind !== 'ok') return;
    const changes = this.truth.changesOf(outcome.revision);
    for (const { key, value } of writes) {
      if (changes.some((change) => change.key === key && change.value === value)) continue;
      const text = `operation ${id}, ${key}=${value ?? 'deleted'}, was acknowledged by ${member} at ${outcome.revision}`;
      throw new Violation('acknowledged writes', `${text}, which holds ${JSON.stringify(changes)}`);
    }
  }
}
