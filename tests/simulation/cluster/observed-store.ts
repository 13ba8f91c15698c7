import {
  type Applied as AppliedWrite,
  hashText,
  type Outcome,
  type RevisionChanges,
  type Store,
} from '../../../libs/mvcc';

export interface StoreObserver {
  /** An entry has been applied: the store's rolling hash of all effects so far, and the revisions the entry made. */
  applied(index: number, term: number, hash: string, made: readonly RevisionChanges[]): void;
}

/** Watches everything that apply does to the keys, without changing any of it. */
export function observeStore(store: Store, observer: StoreObserver): void {
  let made: RevisionChanges[] = [];
  const note = (changes: RevisionChanges | undefined): void => {
    if (changes !== undefined) made.push(changes);
  };
  const noteOutcome = <T>(outcome: Outcome<AppliedWrite<T>>): Outcome<AppliedWrite<T>> => {
    if (outcome.ok) note(outcome.value.made);
    return outcome;
  };
  const { put, deleteRange, txn, deleteKeys, setApplied } = bound(store);
  store.put = (request, hooks) => noteOutcome(put(request, hooks));
  store.deleteRange = (request) => noteOutcome(deleteRange(request));
  store.txn = (request, hooks) => noteOutcome(txn(request, hooks));
  store.deleteKeys = (keys) => {
    const changes = deleteKeys(keys);
    note(changes);
    return changes;
  };
  store.setApplied = (index, term) => {
    setApplied(index, term);
    const before = made;
    made = [];
    observer.applied(index, term, stateHashOf(store), before);
  };
}

/** After the entry that was applied last. */
export function stateHashOf({ stateHash, applied }: Store): string {
  const value = stateHash.at(applied.index);
  return value === undefined ? 'unknown' : hashText(value);
}

type Bound = Pick<Store, 'put' | 'deleteRange' | 'txn' | 'deleteKeys' | 'setApplied'>;

function bound(store: Store): Bound {
  return {
    put: store.put.bind(store),
    deleteRange: store.deleteRange.bind(store),
    txn: store.txn.bind(store),
    deleteKeys: store.deleteKeys.bind(store),
    setApplied: store.setApplied.bind(store),
  };
}
