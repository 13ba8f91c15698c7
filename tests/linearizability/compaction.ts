import type { Clash } from './placement';
import type { Operation } from './types';

interface Compacted {
  readonly operation: Operation;
  readonly revision: number;
}

/**
 * What compaction allows, by real time: a read of a revision below a compaction that had returned must be refused, one
 * may be refused only below a compaction that had been called, and only a revision that nobody had seen yet may be
 * called a future one.
 */
export function checkCompactions(operations: readonly Operation[]): Clash | undefined {
  const compactions: Compacted[] = [];
  for (const operation of operations) {
    if (operation.request.kind === 'compact' && operation.outcome.kind !== 'future') {
      compactions.push({ operation, revision: operation.request.revision });
    }
  }
  // Only an acknowledged one is done; one that was refused because another had gone as far is neither done nor under way.
  const done = new Frontier(
    compactions.filter(({ operation }) => operation.outcome.kind === 'ok'),
    'return',
  );
  const begun = new Frontier(
    compactions.filter(({ operation }) => operation.outcome.kind !== 'compacted'),
    'call',
  );
  const seen = new Frontier(
    operations.flatMap((operation) =>
      operation.outcome.kind === 'ok' ? [{ operation, revision: operation.outcome.revision }] : [],
    ),
    'return',
  );
  for (const operation of operations) {
    const clash = checkRead(operation, done, begun, seen);
    if (clash !== undefined) return clash;
  }
  return undefined;
}

function checkRead(operation: Operation, done: Frontier, begun: Frontier, seen: Frontier): Clash | undefined {
  const { request, outcome } = operation;
  if (request.kind === 'compact') {
    if (outcome.kind !== 'compacted' || begun.before(operation.return, request.revision, operation) !== undefined)
      return undefined;
    return {
      what: 'a compaction was refused as done already, but nobody had compacted as far',
      operations: [operation],
    };
  }
  if (request.kind !== 'range' || request.revision === undefined) return undefined;
  const { revision } = request;
  if (outcome.kind === 'ok') {
    const over = done.before(operation.call, revision + 1);
    if (over === undefined || request.serializable === true) return undefined;
    return { what: 'a revision was read after it had been compacted', operations: [over, operation] };
  }
  if (outcome.kind === 'compacted') {
    if (begun.before(operation.return, revision + 1) !== undefined) return undefined;
    return { what: 'a revision was called compacted, but nobody had compacted that far', operations: [operation] };
  }
  if (outcome.kind !== 'future' || request.serializable === true) return undefined;
  const witness = seen.before(operation.call, revision);
  if (witness === undefined) return undefined;
  return { what: 'a revision that had been seen was called a future one', operations: [witness, operation] };
}

/** The highest revision reached before a moment. */
class Frontier {
  private readonly sorted: readonly { readonly time: number; readonly best: Compacted }[];

  constructor(items: readonly Compacted[], by: 'call' | 'return') {
    let best: Compacted | undefined;
    this.sorted = [...items]
      .sort((a, b) => a.operation[by] - b.operation[by])
      .map((item) => {
        if (best === undefined || item.revision > best.revision) best = item;
        return { time: item.operation[by], best };
      });
  }

  /** An operation that had reached `revision` strictly before `time`. */
  before(time: number, revision: number, except?: Operation): Operation | undefined {
    let low = 0;
    let high = this.sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.sorted[middle] as { time: number }).time < time) low = middle + 1;
      else high = middle;
    }
    const found = this.sorted[low - 1]?.best;
    return found === undefined || found.revision < revision || found.operation === except ? undefined : found.operation;
  }
}
