import { madeRevision } from './store-model';
import type { History, Kv, Operation, Result } from './types';

/**
 * The order that answers name by themselves. etcd gives each write a revision of its own, and each answer the revision of
 * the state it was made from; so an answered write stands at its revision, and everything else right after it. What is
 * left to find is which unanswered request made a revision that no answer claims: a hole.
 */
export interface Placement {
  readonly first: number;
  readonly last: number;
  readonly writes: ReadonlyMap<number, Operation>;
  /** Answered requests that wrote nothing, by revision. Those that may have (a revoke) are among them. */
  readonly readers: ReadonlyMap<number, readonly Operation[]>;
  /** Revisions that nobody's answer claims, ascending. */
  readonly holes: readonly number[];
  readonly unanswered: readonly Operation[];
  /** For each revision: what takes effect there must have been called before this time. */
  deadline(revision: number): number;
}

export interface Clash {
  readonly what: string;
  readonly operations: readonly Operation[];
}

/** The placement, or what contradicts it: two writes at one revision, or an order against real time. */
export function place(history: History): Placement | Clash {
  const writes = new Map<number, Operation>();
  const readers = new Map<number, Operation[]>();
  const unanswered: Operation[] = [];
  const first = history.start.revision;
  let last = first;
  for (const operation of history.operations) {
    const { outcome } = operation;
    if (outcome.kind === 'unknown') {
      if (operation.request.kind !== 'range' && operation.request.kind !== 'compact') unanswered.push(operation);
      continue;
    }
    if (outcome.kind !== 'ok') continue;
    const { revision } = outcome;
    last = Math.max(last, revision);
    const wrote = madeRevision(outcome.result, operation.request) === true;
    if (revision < first || (wrote && revision === first)) {
      return {
        what: `an answer names revision ${revision}, but the history begins after ${first}`,
        operations: [operation],
      };
    }
    if (!wrote) {
      const list = readers.get(revision);
      if (list === undefined) readers.set(revision, [operation]);
      else list.push(operation);
      continue;
    }
    const other = writes.get(revision);
    if (other !== undefined) return { what: `two writes have revision ${revision}`, operations: [other, operation] };
    writes.set(revision, operation);
  }
  const holes: number[] = [];
  for (let revision = first + 1; revision <= last; revision++) if (!writes.has(revision)) holes.push(revision);
  const sweep = sweepRealTime(first, last, writes, readers);
  if (sweep.clash !== undefined) return sweep.clash;
  const { deadlines } = sweep;
  const deadline = (revision: number): number => deadlines[revision - first] ?? Infinity;
  return { first, last, writes, readers, holes, unanswered, deadline };
}

/**
 * From the last revision to the first: an operation that is placed before another may not have been called after that
 * one had returned. A serializable read may be old, but not from the future.
 */
function sweepRealTime(
  first: number,
  last: number,
  writes: ReadonlyMap<number, Operation>,
  readers: ReadonlyMap<number, readonly Operation[]>,
): { readonly clash: Clash | undefined; readonly deadlines: readonly number[] } {
  const deadlines: number[] = [];
  let earliest: Operation | undefined;
  const late = (operation: Operation): Clash | undefined =>
    earliest === undefined || earliest.return >= operation.call
      ? undefined
      : {
          what: 'an operation was called after another had returned, but took effect before it',
          operations: [earliest, operation],
        };
  const pass = (operation: Operation): void => {
    if (earliest === undefined || operation.return < earliest.return) earliest = operation;
  };
  for (let revision = last; revision >= first; revision--) {
    const here = readers.get(revision) ?? [];
    for (const reader of here) {
      const clash = isSerializable(reader) ? undefined : late(reader);
      if (clash !== undefined) return { clash, deadlines };
    }
    for (const reader of here) pass(reader);
    const write = writes.get(revision);
    if (write !== undefined) {
      const clash = late(write);
      if (clash !== undefined) return { clash, deadlines };
      pass(write);
    }
    deadlines[revision - first] = earliest?.return ?? Infinity;
  }
  return { clash: undefined, deadlines };
}

function isSerializable({ request }: Operation): boolean {
  return request.kind === 'range' && request.serializable === true;
}

/** Every key-value that an answer shows. */
export function shown(result: Result): readonly Kv[] {
  if (result.kind === 'range') return result.kvs;
  if (result.kind === 'put') return result.prev === undefined ? [] : [result.prev];
  if (result.kind === 'delete') return result.prevs ?? [];
  return result.kind === 'txn' ? result.results.flatMap(shown) : [];
}
