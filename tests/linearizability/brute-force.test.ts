import * as fc from 'fast-check';
import { checkLinearizable } from './check';
import { bruteForce } from './testing/brute-force';
import { simulate } from './testing/histories';
import type { History, Operation, Outcome } from './types';

const histories = fc
  .record({
    seed: fc.integer({ min: 1, max: 2 ** 31 }),
    operations: fc.integer({ min: 1, max: 7 }),
    clients: fc.integer({ min: 1, max: 4 }),
    keys: fc.integer({ min: 1, max: 2 }),
    unknown: fc.constantFrom(0, 0.3, 0.6),
    damage: fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 2 }),
  })
  .map(({ seed, damage, ...options }) => {
    let state = seed;
    const random = (): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state / 2 ** 32;
    };
    const history = simulate({ ...options, random });
    return damage.reduce((damaged, [at, how]) => damageOne(damaged, at, how), history);
  });

/** Changes one operation a little: most results are wrong, some are right all the same. */
function damageOne(history: History, at: number, how: number): History {
  const operations = [...history.operations];
  const index = at % operations.length;
  const operation = operations[index] as Operation;
  operations[index] = damageOperation(operation, how);
  return { ...history, operations };
}

function damageOperation(operation: Operation, how: number): Operation {
  const { outcome } = operation;
  const kind = how % 5;
  if (kind === 0) return { ...operation, call: operation.call - (how % 7), return: operation.return };
  if (kind === 1 && operation.return !== Infinity)
    return { ...operation, return: Math.max(operation.call, operation.return - (how % 11)) };
  if (outcome.kind !== 'ok') return operation;
  if (kind === 2) return { ...operation, outcome: { kind: 'unknown' }, return: Infinity };
  if (kind === 3)
    return {
      ...operation,
      outcome: { ...outcome, revision: Math.max(1, outcome.revision + (how % 2 === 0 ? 1 : -1)) },
    };
  const { result } = outcome;
  const changed: Outcome =
    result.kind === 'range'
      ? { ...outcome, result: { ...result, kvs: result.kvs.slice(1), count: Math.max(0, result.count - 1) } }
      : result.kind === 'delete'
        ? { ...outcome, result: { ...result, deleted: 1 - result.deleted } }
        : outcome;
  return { ...operation, outcome: changed };
}

test('the checker and the obvious search of all orders decide alike', () => {
  const seen = { yes: 0, no: 0 };
  fc.assert(
    fc.property(histories, (history) => {
      const expected = bruteForce(history.operations);
      seen[expected ? 'yes' : 'no'] += 1;
      const verdict = checkLinearizable(history);
      expect('report' in verdict ? verdict.report : verdict.kind).toMatch(
        expected ? /^linearizable$/ : /^not linearizable: /,
      );
    }),
    { numRuns: 3_000 },
  );
  // Neither answer may be the rare one.
  expect(Math.min(seen.yes, seen.no)).toBeGreaterThan(300);
}, 120_000);

test('what a correct store answers is linearizable, however many requests stay unanswered', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 31 }), fc.constantFrom(0.02, 0.1, 0.3), (seed, unknown) => {
      let state = seed;
      const random = (): number => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return state / 2 ** 32;
      };
      const verdict = checkLinearizable(simulate({ operations: 300, clients: 5, keys: 4, unknown, random }));
      expect('report' in verdict ? verdict.report : verdict.kind).toBe('linearizable');
    }),
    { numRuns: 100 },
  );
}, 120_000);
