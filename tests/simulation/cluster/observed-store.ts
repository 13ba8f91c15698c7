import { crc32 } from 'node:zlib';
import type { Applied as AppliedWrite, Outcome, RevisionChanges, SmallTable, Store } from '../../../libs/mvcc';

export interface StoreObserver {
  /** An entry has been applied: hash of all effects so far, and the revisions it made. */
  applied(index: number, term: number, hash: number, made: readonly RevisionChanges[]): void;
}

/** Says whose store it is: the one row that differs between members. */
const OWN_ROW = 'identity';

/**
 * Watches everything that apply writes to the store, without changing any of it. `hash` continues over all effects: rows of
 * the small tables as well as keys.
 */
export function observeStore(store: Store, startHash: number, observer: StoreObserver): void {
  let hash = startHash;
  let made: RevisionChanges[] = [];
  const note = (changes: RevisionChanges | undefined): void => {
    if (changes === undefined) return;
    made.push(changes);
    for (const { version } of changes.changes) {
      hash = crc32(version.kv, mix(hash, version.isDelete ? 1 : 2));
      hash = crc32(version.key, hash);
    }
  };
  const noteOutcome = <T>(outcome: Outcome<AppliedWrite<T>>): Outcome<AppliedWrite<T>> => {
    if (outcome.ok) note(outcome.value.made);
    else hash = mix(hash, outcome.error.length);
    return outcome;
  };
  const { put, deleteRange, txn, deleteKeys, compact, setApplied, table } = bound(store);
  store.put = (request, hooks) => noteOutcome(put(request, hooks));
  store.deleteRange = (request) => noteOutcome(deleteRange(request));
  store.txn = (request, hooks) => {
    const before = store.revision;
    const outcome = txn(request, hooks);
    // A read served by a transaction is no effect of an entry.
    return store.revision === before ? outcome : noteOutcome(outcome);
  };
  store.deleteKeys = (keys) => {
    const changes = deleteKeys(keys);
    note(changes);
    return changes;
  };
  store.compact = (revision) => {
    hash = mix(hash, revision);
    return compact(revision);
  };
  store.table = (name) =>
    observedTable(table(name), (key, value) => {
      if (Buffer.from(key).toString() === OWN_ROW) return;
      hash = crc32(key, mix(hash, 3));
      if (value !== undefined) hash = crc32(value, hash);
    });
  store.setApplied = (index, term) => {
    setApplied(index, term);
    hash = mix(hash, index);
    const before = made;
    made = [];
    observer.applied(index, term, hash, before);
  };
}

type Bound = Pick<Store, 'put' | 'deleteRange' | 'txn' | 'deleteKeys' | 'compact' | 'setApplied' | 'table'>;

function bound(store: Store): Bound {
  return {
    put: store.put.bind(store),
    deleteRange: store.deleteRange.bind(store),
    txn: store.txn.bind(store),
    deleteKeys: store.deleteKeys.bind(store),
    compact: store.compact.bind(store),
    setApplied: store.setApplied.bind(store),
    table: store.table.bind(store),
  };
}

function observedTable(table: SmallTable, note: (key: Uint8Array, value: Uint8Array | undefined) => void): SmallTable {
  return {
    get: (key) => table.get(key),
    scan: (start, end) => table.scan(start, end),
    put: (key, value) => {
      note(key, value);
      table.put(key, value);
    },
    delete: (key) => {
      note(key, undefined);
      table.delete(key);
    },
  };
}

function mix(hash: number, value: number): number {
  return (Math.imul(hash ^ value, 0x9e3779b1) ^ (hash >>> 15)) >>> 0;
}
