import { checkCompactions } from './compaction';
import { place, type Placement } from './placement';
import { formatOperations, formatResult } from './report';
import { type Contradiction, Search } from './search';
import type { StoreModel } from './store-model';
import { type Change, type History, inRange, type Operation, type Request } from './types';

export type Verdict =
  /** `model`: the store after all of it, with every version. */
  | { readonly kind: 'linearizable'; readonly model: StoreModel; readonly holes: number }
  /** `report`: a counterexample to read. */
  | { readonly kind: 'not linearizable'; readonly report: string; readonly operations: readonly Operation[] }
  /** Too many ways to fill what has no answer. Not a pass. */
  | { readonly kind: 'undecided'; readonly report: string };

const CONTEXT_OPERATIONS = 4;

/**
 * Whether a history of an etcd can be put in one order that agrees with real time and in which each answer is that of
 * the store.
 *
 * @param events what watches said of revisions, if known; it must be part of the same order
 */
export function checkLinearizable(
  history: History,
  events: ReadonlyMap<number, readonly Change[]> = new Map(),
): Verdict {
  const placement = place(history);
  if ('what' in placement) return refuse(placement.what, placement.operations);
  const clash = checkCompactions(history.operations);
  if (clash !== undefined) return refuse(clash.what, clash.operations);
  const found = new Search(history, placement, events).run();
  if (found.kind === 'undecided') {
    const report = `undecided: ${found.holes} revisions without an answer, ${placement.unanswered.length} requests without one`;
    return { kind: 'undecided', report };
  }
  if (found.kind === 'none') return explain(found.contradiction, placement, history);
  return { kind: 'linearizable', model: found.model, holes: placement.holes.length };
}

function refuse(what: string, operations: readonly Operation[], more = ''): Verdict {
  return {
    kind: 'not linearizable',
    report: `not linearizable: ${what}\n${formatOperations(operations)}${more}`,
    operations,
  };
}

/** The operation that contradicts, and those that its keys' state comes from. */
function explain(contradiction: Contradiction, placement: Placement, history: History): Verdict {
  const { what, operation, expected, keys, revision } = contradiction;
  const before = lastWriters(keys, revision, placement);
  const unanswered = placement.unanswered
    .filter(({ request, call }) => call <= placement.deadline(revision) && keys.some((key) => touches(request, key)))
    .slice(-CONTEXT_OPERATIONS);
  const around =
    operation !== undefined
      ? [operation]
      : history.operations.filter(({ outcome }) => outcome.kind === 'ok' && Math.abs(outcome.revision - revision) <= 1);
  const more = expected === undefined ? '' : `\nexpected${formatResult(expected, keys) || ' nothing but the revision'}`;
  return refuse(
    `${what} (revision ${revision})`,
    [...before, ...unanswered, ...around.slice(0, CONTEXT_OPERATIONS)],
    more,
  );
}

function lastWriters(keys: readonly string[], until: number, { writes, first }: Placement): Operation[] {
  const found: Operation[] = [];
  for (const key of keys.slice(0, CONTEXT_OPERATIONS)) {
    for (let revision = until; revision > first; revision--) {
      const write = writes.get(revision);
      if (write === undefined || !touches(write.request, key)) continue;
      found.push(write);
      break;
    }
  }
  return found;
}

function touches(request: Request, key: string): boolean {
  if (request.kind === 'txn')
    return [...request.success, ...request.failure].some((one) => one.kind !== 'range' && touches(one, key));
  if (request.kind === 'put') return request.key === key;
  if (request.kind === 'delete') return inRange(key, request.key, request.end);
  return request.kind === 'revoke';
}
