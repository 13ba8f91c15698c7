import type { Kv, Operation, Request, Result, TxnOperation, TxnOperationResult } from '../types';

/**
 * The obvious way to decide: every order that agrees with real time, with every choice of unanswered requests, against a
 * store that is copied for each step. For a handful of operations; shares no code with the checker. Knows no leases, no
 * compaction and no reads of old revisions.
 */
interface State {
  readonly revision: number;
  readonly kvs: ReadonlyMap<string, Kv>;
}

export function bruteForce(operations: readonly Operation[]): boolean {
  return search([{ revision: 1, kvs: new Map() }], operations);
}

/** `past`: every state so far, the present one last. */
function search(past: readonly State[], left: readonly Operation[]): boolean {
  const answered = left.filter(({ outcome }) => outcome.kind !== 'unknown');
  if (answered.length === 0) return true;
  const horizon = Math.min(...left.filter((one) => !isOld(one)).map((one) => one.return), Infinity);
  const now = past[past.length - 1] as State;
  return left.some((operation) => {
    const rest = left.filter((one) => one !== operation);
    if (isOld(operation)) {
      // A serializable read may show any state that had come about before it returned.
      return answers(past, operation) && search(past, rest);
    }
    if (operation.call > horizon) return false;
    const [next, result] = step(now, operation.request);
    const { outcome } = operation;
    if (outcome.kind === 'ok' && (outcome.revision !== next.revision || !same(outcome.result, result))) return false;
    // Serializable reads that had returned before this was called must have been answered from what was there by then.
    const tooLate = rest.some((one) => isOld(one) && one.return < operation.call);
    return !tooLate && search([...past, next], rest);
  });
}

function isOld({ request }: Operation): boolean {
  return request.kind === 'range' && request.serializable === true;
}

function answers(past: readonly State[], { request, outcome }: Operation): boolean {
  if (outcome.kind !== 'ok') return false;
  return past.some((state) => state.revision === outcome.revision && same(outcome.result, step(state, request)[1]));
}

export function step(state: State, request: Request): [State, Result] {
  const kvs = new Map(state.kvs);
  let wrote = false;
  const revision = state.revision + 1;
  const run = (operation: TxnOperation): TxnOperationResult => {
    if (operation.kind === 'put') {
      wrote = true;
      const { key, value } = operation;
      const prev = kvs.get(key);
      const create = prev?.create ?? revision;
      kvs.set(key, { key, value, create, mod: revision, version: (prev?.version ?? 0) + 1, lease: '' });
      return operation.prevKv === true ? { kind: 'put', prev } : { kind: 'put' };
    }
    const matching = [...kvs.values()]
      .filter(({ key }) =>
        operation.end === undefined ? key === operation.key : key >= operation.key && key < operation.end,
      )
      .sort((a, b) => (a.key < b.key ? -1 : 1));
    if (operation.kind === 'range') return { kind: 'range', kvs: matching, count: matching.length, more: false };
    for (const { key } of matching) kvs.delete(key);
    wrote ||= matching.length > 0;
    return { kind: 'delete', deleted: matching.length };
  };
  let result: Result;
  if (request.kind === 'txn') {
    const succeeded = request.compares.every(({ key, operand }) => (kvs.get(key)?.mod ?? 0) === operand);
    result = { kind: 'txn', succeeded, results: (succeeded ? request.success : request.failure).map(run) };
  } else if (request.kind === 'compact' || request.kind === 'revoke') throw new Error(`not for ${request.kind}`);
  else result = run(request);
  return [wrote ? { revision, kvs } : state, result];
}

function same(a: Result, b: Result): boolean {
  return JSON.stringify(canonical(a)) === JSON.stringify(canonical(b));
}

function canonical(result: Result): unknown {
  if (result.kind === 'txn') return [result.succeeded, result.results.map(canonical)];
  if (result.kind === 'put') return ['put', result.prev ?? null];
  return result.kind === 'range'
    ? ['range', result.kvs, result.count]
    : [result.kind, result.kind === 'delete' && result.deleted];
}
