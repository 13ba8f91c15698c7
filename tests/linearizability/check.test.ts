import { checkLinearizable } from './check';
import { simulate } from './testing/histories';
import type { History, Kv, Operation, Outcome, Request, Result } from './types';

const START: History['start'] = { revision: 1, kvs: [] };
let nextId = 0;

function operation(client: string, call: number, end: number, request: Request, outcome: Outcome): Operation {
  nextId += 1;
  return { id: nextId, client, call, return: end, request, outcome };
}
function ok(revision: number, result: Result): Outcome {
  return { kind: 'ok', revision, result };
}
const put = (client: string, call: number, end: number, key: string, value: string, revision: number): Operation =>
  operation(client, call, end, { kind: 'put', key, value }, ok(revision, { kind: 'put' }));
const lostPut = (client: string, call: number, key: string, value: string): Operation =>
  operation(client, call, Infinity, { kind: 'put', key, value }, { kind: 'unknown' });
const lostDelete = (client: string, call: number, key: string): Operation =>
  operation(client, call, Infinity, { kind: 'delete', key }, { kind: 'unknown' });
const kv = (key: string, value: string, mod: number, create = mod, version = 1, lease = ''): Kv => ({
  key,
  value,
  create,
  mod,
  version,
  lease,
});
function get(client: string, call: number, end: number, key: string, revision: number, found?: Kv): Operation {
  const kvs = found === undefined ? [] : [found];
  return operation(
    client,
    call,
    end,
    { kind: 'range', key },
    ok(revision, { kind: 'range', kvs, count: kvs.length, more: false }),
  );
}
const verdict = (operations: readonly Operation[]): string => checkLinearizable({ start: START, operations }).kind;
const report = (operations: readonly Operation[]): string => {
  const result = checkLinearizable({ start: START, operations });
  return 'report' in result ? result.report : result.kind;
};

describe('linearizable', () => {
  test.each<[string, Operation[]]>([
    ['nothing at all', []],
    ['a write and a read of it', [put('a', 0, 1, 'k', 'x', 2), get('b', 2, 3, 'k', 2, kv('k', 'x', 2))]],
    ['a read that overlaps a write and comes before it', [put('a', 0, 10, 'k', 'x', 2), get('b', 1, 2, 'k', 1)]],
    [
      'writes that overlap, in the order of their revisions',
      [put('a', 0, 10, 'k', 'x', 3), put('b', 1, 2, 'k', 'y', 2), get('c', 11, 12, 'k', 3, kv('k', 'x', 3, 2, 2))],
    ],
    ['an unanswered write that was never seen', [lostPut('a', 0, 'k', 'x'), put('b', 1, 2, 'k', 'y', 2)]],
    [
      'an unanswered write that took effect much later',
      [lostPut('a', 0, 'k', 'x'), put('b', 1, 2, 'k', 'y', 2), get('b', 3, 4, 'k', 3, kv('k', 'x', 3, 2, 2))],
    ],
    [
      'an unanswered delete that made the next write a creation',
      [
        put('a', 0, 1, 'k', 'x', 2),
        lostDelete('b', 2, 'k'),
        put('a', 3, 4, 'k', 'y', 4),
        get('a', 5, 6, 'k', 4, kv('k', 'y', 4)),
      ],
    ],
    [
      'two unanswered writes of which only the later one fits what was read',
      [
        lostPut('a', 0, 'k', 'x'),
        lostPut('b', 0, 'k', 'y'),
        put('c', 1, 2, 'other', 'z', 4),
        get('c', 3, 4, 'k', 4, kv('k', 'y', 3, 2, 2)),
      ],
    ],
    [
      'a lease that expired and took its key along',
      [
        operation('a', 0, 1, { kind: 'put', key: 'k', value: 'x', lease: '7' }, ok(2, { kind: 'put' })),
        operation('system', 2, Infinity, { kind: 'revoke', lease: '7' }, { kind: 'unknown' }),
        get('b', 5, 6, 'k', 3),
      ],
    ],
    [
      'a revoke that says which revision it made',
      [
        operation('a', 0, 1, { kind: 'put', key: 'k', value: 'x', lease: '7' }, ok(2, { kind: 'put' })),
        operation('b', 2, 3, { kind: 'revoke', lease: '7' }, ok(3, { kind: 'done' })),
        operation('b', 4, 5, { kind: 'revoke', lease: '8' }, ok(3, { kind: 'done' })),
        get('b', 5, 6, 'k', 3),
      ],
    ],
    [
      'a serializable read of an old state',
      [
        put('a', 0, 1, 'k', 'x', 2),
        operation(
          'b',
          2,
          3,
          { kind: 'range', key: 'k', serializable: true },
          ok(1, { kind: 'range', kvs: [], count: 0, more: false }),
        ),
      ],
    ],
  ])('%s', (_, operations) => {
    expect(report(operations)).toBe('linearizable');
  });
});

describe('not linearizable', () => {
  test.each<[string, Operation[]]>([
    ['a stale read', [put('a', 0, 1, 'k', 'x', 2), get('b', 2, 3, 'k', 1)]],
    ['an acknowledged write that is gone', [put('a', 0, 1, 'k', 'x', 2), get('b', 2, 3, 'k', 2)]],
    [
      'two reads that go back in time',
      [lostPut('a', 0, 'k', 'x'), get('b', 1, 2, 'k', 2, kv('k', 'x', 2)), get('c', 3, 4, 'k', 1)],
    ],
    ['two writes with one revision', [put('a', 0, 1, 'k', 'x', 2), put('b', 0, 1, 'k', 'y', 2)]],
    ['a value that nobody wrote', [put('a', 0, 1, 'k', 'x', 2), get('b', 2, 3, 'k', 2, kv('k', 'z', 2))]],
    ['a revision that nobody made', [put('a', 0, 1, 'k', 'x', 3)]],
    [
      'an unanswered write that took effect before it was called',
      [put('a', 0, 1, 'k', 'x', 3), lostPut('b', 2, 'k', 'y')],
    ],
    [
      'an unanswered write that took effect twice',
      [
        lostPut('a', 0, 'k', 'x'),
        get('b', 1, 2, 'k', 2, kv('k', 'x', 2)),
        put('b', 3, 4, 'k', 'y', 3),
        get('b', 5, 6, 'k', 4, kv('k', 'x', 4, 2, 3)),
      ],
    ],
    ['a wrong version', [put('a', 0, 1, 'k', 'x', 2), get('b', 2, 3, 'k', 2, kv('k', 'x', 2, 2, 2))]],
    [
      'a transaction that succeeded though its comparison was false',
      [
        put('a', 0, 1, 'k', 'x', 2),
        operation(
          'b',
          2,
          3,
          {
            kind: 'txn',
            compares: [{ key: 'k', target: 'mod', relation: '=', operand: 0 }],
            success: [{ kind: 'put', key: 'k', value: 'y' }],
            failure: [],
          },
          ok(3, { kind: 'txn', succeeded: true, results: [{ kind: 'put' }] }),
        ),
      ],
    ],
    [
      'a key that outlived the revoke of its lease',
      [
        operation('a', 0, 1, { kind: 'put', key: 'k', value: 'x', lease: '7' }, ok(2, { kind: 'put' })),
        operation('b', 2, 3, { kind: 'revoke', lease: '7' }, ok(2, { kind: 'done' })),
      ],
    ],
    [
      'a lease that expired too early',
      [
        operation('a', 0, 1, { kind: 'put', key: 'k', value: 'x', lease: '7' }, ok(2, { kind: 'put' })),
        get('b', 2, 3, 'k', 3),
        operation('system', 10, Infinity, { kind: 'revoke', lease: '7' }, { kind: 'unknown' }),
      ],
    ],
    [
      'a read of a compacted revision',
      [
        put('a', 0, 1, 'k', 'x', 2),
        put('a', 2, 3, 'k', 'y', 3),
        operation('a', 4, 5, { kind: 'compact', revision: 3 }, ok(3, { kind: 'done' })),
        operation(
          'b',
          6,
          7,
          { kind: 'range', key: 'k', revision: 2 },
          ok(3, { kind: 'range', kvs: [kv('k', 'x', 2)], count: 1, more: false }),
        ),
      ],
    ],
    [
      'a refusal as compacted though nobody compacted',
      [
        put('a', 0, 1, 'k', 'x', 2),
        operation('b', 2, 3, { kind: 'range', key: 'k', revision: 1 }, { kind: 'compacted' }),
      ],
    ],
    [
      'a refusal as future of a revision that had been seen',
      [put('a', 0, 1, 'k', 'x', 2), operation('b', 2, 3, { kind: 'range', key: 'k', revision: 2 }, { kind: 'future' })],
    ],
    [
      'a serializable read from the future',
      [
        operation(
          'b',
          0,
          1,
          { kind: 'range', key: 'k', serializable: true },
          ok(2, { kind: 'range', kvs: [kv('k', 'x', 2)], count: 1, more: false }),
        ),
        put('a', 2, 3, 'k', 'x', 2),
      ],
    ],
  ])('%s', (_, operations) => {
    expect(verdict(operations)).toBe('not linearizable');
  });
});

test('a counterexample names the operations that contradict, and what the answer should have been', () => {
  nextId = 0;
  const noise = Array.from({ length: 50 }, (_, at) => put('n', 10 + at, 10.5 + at, `n${at}`, 'v', 3 + at));
  expect(report([put('a', 0, 1, 'k', 'x', 2), ...noise, get('b', 100, 101, 'k', 52)])).toBe(
    [
      'not linearizable: the answer is not what the state gives (revision 52)',
      '  #51 a [0.000 – 1.000]  put k = x → revision 2',
      '  #52 b [100.000 – 101.000]  get k → revision 52, count 0: ',
      'expected, count 1: k = x (mod 2, create 2, version 1)',
    ].join('\n'),
  );
});

test('what a watch saw decides which unanswered request made a revision', () => {
  const operations = [lostPut('a', 0, 'k', 'x'), lostPut('b', 0, 'j', 'y'), put('c', 1, 2, 'other', 'z', 3)];
  const seen = (key: string, value: string): ReturnType<typeof checkLinearizable> =>
    checkLinearizable({ start: START, operations }, new Map([[2, [{ key, kv: kv(key, value, 2) }]]]));
  for (const [key, value] of [
    ['k', 'x'],
    ['j', 'y'],
  ] as const) {
    const result = seen(key, value);
    expect(result.kind === 'linearizable' && result.model.get(key, 2)?.value).toBe(value);
  }
  expect(seen('k', 'other').kind).toBe('not linearizable');
});

test('100,000 operations, a hundredth of them unanswered, are decided in seconds', () => {
  let state = 7;
  const random = (): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) / (1 << 24);
  };
  const history = simulate({ operations: 100_000, clients: 16, keys: 100, unknown: 0.01, random });
  const from = performance.now();
  const result = checkLinearizable(history);
  expect('report' in result ? result.report : result.kind).toBe('linearizable');
  expect(performance.now() - from).toBeLessThan(15_000);
}, 60_000);
