import type { Store } from '../../../libs/mvcc';
import type { Checker } from '../cluster/observer';
import { stateHashOf } from '../cluster/observed-store';
import { type Applied, latin1, type Truth } from '../cluster/truth';
import { Violation } from '../cluster/violation';

const EVERYTHING = Uint8Array.of(0);

/** Members that have applied the same entries have done the same, and what a store opens with is what that gave. */
export class StateEquality implements Checker {
  constructor(private readonly truth: Truth) {}

  applied(applied: Applied): void {
    const { member, index, hash } = applied;
    const known = this.truth.applied[index];
    if (known === undefined) {
      this.truth.add(applied);
    } else if (known.hash !== hash || known.term !== applied.term) {
      const text = `${member} differs from ${known.member} after entry ${index}: ${hash} and ${known.hash}`;
      throw new Violation('state machine equality', text);
    }
  }

  storeOpened(member: string, store: Store): void {
    this.compare(member, store);
    const { index } = store.applied;
    const known = this.truth.applied[index]?.hash;
    const hash = stateHashOf(store);
    if (known === undefined || known === hash) return;
    throw new Violation(
      'state machine equality',
      `${member} opens entry ${index} with the hash ${hash}, it was ${known}`,
    );
  }

  /** The whole store, key by key. */
  compare(member: string, store: Store): void {
    const { index } = store.applied;
    const known = this.truth.applied[index];
    if (known === undefined) {
      if (index === 0) return;
      throw new Violation('state machine equality', `${member} opens at entry ${index}, which nobody has applied`);
    }
    if (known.revision !== store.revision || known.compactRevision !== store.compactRevision) {
      const text = `${member} opens entry ${index} at revision ${store.revision}, it was ${known.revision}`;
      throw new Violation('state machine equality', text);
    }
    const expected = JSON.stringify(this.truth.stateAt(known.revision));
    const found = JSON.stringify(contentOf(store));
    if (expected === found) return;
    throw new Violation('state machine equality', `${member} holds at entry ${index}\n${found}\nand not\n${expected}`);
  }
}

export function contentOf(store: Store): (readonly [string, string])[] {
  const nothing = { limit: 0, revision: 0, sortOrder: 0, sortTarget: 0, keysOnly: false, countOnly: false };
  const bounds = { minModRevision: 0, maxModRevision: 0, minCreateRevision: 0, maxCreateRevision: 0 };
  const outcome = store.range({ key: EVERYTHING, rangeEnd: EVERYTHING, ...nothing, ...bounds });
  if (!outcome.ok) throw new Error(outcome.error);
  return outcome.value.kvs.map(({ key, value }) => [latin1(key), latin1(value)] as const);
}
