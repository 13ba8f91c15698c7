import { bytesOf, op, putRequest, rangeQuery, StoreFixture, textOf } from './store-fixture';
import { checkTxn } from './txn-check';
import type { CompareRequest, RequestOp, TxnRequest, TxnResult } from './types';

const Result = { Equal: 0, Greater: 1, Less: 2, NotEqual: 3 } as const;
const Target = { Version: 0, Create: 1, Mod: 2, Value: 3, Lease: 4 } as const;

function compare(key: string, result: number, target: number, more: Partial<CompareRequest> = {}): CompareRequest {
  const operands = {
    version: undefined,
    createRevision: undefined,
    modRevision: undefined,
    value: undefined,
    lease: undefined,
  };
  return { key: bytesOf(key), rangeEnd: bytesOf(''), result, target, ...operands, ...more };
}

function request(
  compares: readonly CompareRequest[],
  success: readonly RequestOp[] = [],
  failure: readonly RequestOp[] = [],
): TxnRequest {
  return { compare: compares, success, failure };
}

function run(fixture: StoreFixture, txn: TxnRequest): TxnResult {
  const outcome = fixture.applied(fixture.store.txn(txn, fixture.hooks));
  if (!outcome.ok) throw new Error(outcome.error);
  return outcome.value.response;
}

describe('comparisons', () => {
  const fixture = new StoreFixture();
  fixture.put('a', 'x', { lease: 7n }); // 2
  fixture.put('b', 'x'); // 3
  fixture.put('a', 'y', { lease: 7n }); // 4: version 2, created 2
  const big = 2n ** 62n;

  test.each<[string, CompareRequest, boolean]>([
    ['version equal', compare('a', Result.Equal, Target.Version, { version: 2 }), true],
    ['create less', compare('a', Result.Less, Target.Create, { createRevision: 3 }), true],
    ['mod greater', compare('a', Result.Greater, Target.Mod, { modRevision: 3 }), true],
    ['mod greater than a number beyond 2^53', compare('a', Result.Greater, Target.Mod, { modRevision: big }), false],
    ['value equal', compare('a', Result.Equal, Target.Value, { value: bytesOf('y') }), true],
    ['value less', compare('a', Result.Less, Target.Value, { value: bytesOf('yy') }), true],
    ['lease equal', compare('a', Result.Equal, Target.Lease, { lease: 7n }), true],
    ['lease of a key without one', compare('b', Result.Equal, Target.Lease, { lease: 0n }), true],
    ['missing key: version 0', compare('none', Result.Equal, Target.Version, { version: 0 }), true],
    ['missing key: no operand is 0', compare('none', Result.Equal, Target.Mod), true],
    [
      'missing key: value is never anything',
      compare('none', Result.NotEqual, Target.Value, { value: bytesOf('x') }),
      false,
    ],
    [
      'an operand of another target counts as 0',
      compare('a', Result.Greater, Target.Version, { modRevision: 99 }),
      true,
    ],
    [
      'every key of a range',
      compare('a', Result.Equal, Target.Value, { rangeEnd: bytesOf('c'), value: bytesOf('x') }),
      false,
    ],
    [
      'every key of a range, true',
      compare('a', Result.Greater, Target.Create, { rangeEnd: bytesOf('c'), createRevision: 1 }),
      true,
    ],
    ['an empty range is one absent key', compare('p', Result.Equal, Target.Create, { rangeEnd: bytesOf('q') }), true],
    ['an empty range has no value', compare('p', Result.Equal, Target.Value, { rangeEnd: bytesOf('q') }), false],
  ])('%s', (_name, one, expected) => {
    expect(run(fixture, request([one])).succeeded).toBe(expected);
  });
});

describe('transactions', () => {
  test('later operations see what earlier ones wrote, in one revision', () => {
    const fixture = new StoreFixture();
    fixture.put('a', '1');
    const { header, responses } = run(
      fixture,
      request(
        [],
        [
          op.range({ key: 'a' }),
          op.put('a', '2', { prevKv: true }),
          op.range({ key: 'a' }),
          op.delete('a'),
          op.range({ key: 'a' }),
        ],
      ),
    );
    const kvs = responses.map(({ responseRange }) => responseRange?.kvs.map((kv) => textOf(kv.value)).join());
    expect(kvs).toEqual(['1', undefined, '2', undefined, '']);
    expect(responses.map((response) => Object.values(response).map((inner) => inner.header))).toEqual(
      [2, 3, 3, 3, 3].map((revision) => [{ revision }]),
    );
    expect(textOf(responses[1]?.responsePut?.prevKv?.value ?? bytesOf(''))).toBe('1');
    expect(header).toEqual({ revision: 3 });
    expect(fixture.history(3)).toEqual(['3 a=2', '3 a deleted']);
  });

  test('without a change there is no new revision', () => {
    const fixture = new StoreFixture();
    fixture.put('a', '1');
    const outcome = fixture.store.txn(request([], [op.range({ key: 'a' }), op.delete('b')]), fixture.hooks);
    expect(outcome).toMatchObject({ ok: true, value: { made: undefined, response: { header: { revision: 2 } } } });
  });

  test('nested branches are chosen by the state before the transaction', () => {
    const fixture = new StoreFixture();
    const exists = compare('a', Result.Greater, Target.Create, { createRevision: 0 });
    const inner = request([exists], [op.put('b', 'yes')], [op.put('b', 'no')]);
    const { responses } = run(fixture, request([], [op.put('a', '1'), op.txn(inner)]));
    expect(responses[1]?.responseTxn).toMatchObject({ header: {}, succeeded: false });
    expect(fixture.at(0)).toBe('a=1 b=no');
  });

  test.each<[string, RequestOp, string]>([
    ['a future revision', op.range({ key: 'a', revision: 9 }), 'future-revision'],
    ['a lease that does not exist', op.put('b', '1', { lease: 100n }), 'lease-not-found'],
    ['ignore_value on a missing key', op.put('b', '', { ignoreValue: true }), 'key-not-found'],
    ['ignore_lease on a missing key', op.put('b', '1', { ignoreLease: true }), 'key-not-found'],
    ['an operation of no kind', op.none, 'key-not-found'],
    ['an unknown sort order', op.range({ key: 'a', sortOrder: 3 }), 'invalid-sort-option'],
  ])('%s refuses all of it, nested too', (_name, bad, error) => {
    const fixture = new StoreFixture();
    fixture.put('a', '1');
    for (const last of [bad, op.txn(request([], [bad]))]) {
      expect(fixture.store.txn(request([], [op.put('z', '1'), last]), fixture.hooks)).toEqual({ ok: false, error });
      expect([fixture.store.revision, fixture.at(0)]).toEqual([2, 'a=1']);
    }
  });
});

describe('puts', () => {
  test('ignore_value and ignore_lease keep what the key had', () => {
    const fixture = new StoreFixture();
    fixture.put('a', '1', { lease: 7n });
    fixture.put('a', '', { ignoreValue: true, lease: 8n });
    expect(fixture.store.latest(bytesOf('a'))).toMatchObject({ value: bytesOf('1'), lease: 8n, version: 2 });
    fixture.put('a', '2', { ignoreLease: true });
    expect(fixture.store.latest(bytesOf('a'))).toMatchObject({ value: bytesOf('2'), lease: 8n, version: 3 });
    fixture.put('a', '3');
    expect(fixture.store.latest(bytesOf('a'))).toMatchObject({ lease: 0n });
  });

  test('a change says what it replaced, with the lease to detach', () => {
    const fixture = new StoreFixture();
    fixture.put('a', '1', { lease: 7n });
    const outcome = fixture.put('a', '2');
    expect(outcome.ok && outcome.value.made).toMatchObject({
      revision: 3,
      changes: [{ previous: { lease: 7n, modRevision: 2 }, version: { previousRevision: 2, lease: 0n } }],
    });
  });

  test('a lease id with the sign bit comes back as it was', () => {
    const fixture = new StoreFixture();
    fixture.put('a', '1', { lease: -2n });
    expect(fixture.store.latest(bytesOf('a'))?.lease).toBe(-2n);
  });

  test('an identical value makes a new revision, a key deleted and made again starts at version 1', () => {
    const fixture = new StoreFixture();
    fixture.put('a', '1');
    fixture.put('a', '1');
    expect(fixture.store.latest(bytesOf('a'))).toMatchObject({ version: 2, createRevision: 2, modRevision: 3 });
    fixture.delete('a');
    fixture.put('a', '1');
    expect(fixture.store.latest(bytesOf('a'))).toMatchObject({ version: 1, createRevision: 5, modRevision: 5 });
  });

  test('deleteKeys deletes in the order given, in one revision, and passes over missing keys', () => {
    const fixture = new StoreFixture();
    fixture.put('a', '1');
    fixture.put('b', '1');
    const made = fixture.applied(fixture.store.deleteKeys([bytesOf('b'), bytesOf('x'), bytesOf('a')]));
    expect(made?.changes.map(({ version }) => [textOf(version.key), version.modRevision, version.sub])).toEqual([
      ['b', 4, 0],
      ['a', 4, 1],
    ]);
    expect(fixture.store.deleteKeys([bytesOf('a')])).toBeUndefined();
  });
});

describe('checks without state', () => {
  const nested = (success: readonly RequestOp[], failure: readonly RequestOp[] = []): RequestOp =>
    op.txn(request([], success, failure));

  test.each<[string, TxnRequest, string | undefined]>([
    ['as many operations as allowed', request([], [op.put('a', '1'), op.put('b', '1'), op.put('c', '1')]), undefined],
    ['one too many', request([], [op.put('a', ''), op.put('b', ''), op.put('c', ''), op.put('d', '')]), 'too-many-ops'],
    ['a nested one has what is left', request([], [nested([op.put('a', ''), op.put('b', '')])]), undefined],
    ['more than is left', request([], [nested([op.put('a', ''), op.put('b', ''), op.put('c', '')])]), 'too-many-ops'],
    ['an empty key', request([], [op.put('', '')]), 'empty-key'],
    ['an empty key compared', request([compare('', Result.Equal, Target.Mod)]), 'empty-key'],
    ['ignore_value with a value', request([], [op.put('a', '1', { ignoreValue: true })]), 'value-provided'],
    ['ignore_lease with a lease', request([], [op.put('a', '', { ignoreLease: true, lease: 1n })]), 'lease-provided'],
    ['an operation of no kind', request([], [], [op.none]), 'key-not-found'],
    ['two puts of a key', request([], [op.put('a', ''), op.put('a', '')]), 'duplicate-key'],
    ['a put of a deleted key', request([], [op.delete('a', 'c'), op.put('b', '')]), 'duplicate-key'],
    ['a put before the delete', request([], [op.put('b', ''), op.delete('b')]), 'duplicate-key'],
    ['a put at the end of a deleted range', request([], [op.delete('a', 'b'), op.put('b', '')]), undefined],
    ['a put in a range without end', request([], [op.delete('a', '\0'), op.put('zz', '')]), 'duplicate-key'],
    ['overlapping deletes', request([], [op.delete('a', 'c'), op.delete('b', 'd')]), undefined],
    ['the same key in both branches', request([], [op.put('a', '')], [op.put('a', '')]), undefined],
    [
      'the same key in both branches of a nested one',
      request([], [nested([op.put('a', '')], [op.put('a', '')])]),
      undefined,
    ],
    ['a nested put against its parent', request([], [op.put('a', ''), nested([], [op.put('a', '')])]), 'duplicate-key'],
    ['a nested delete against its parent', request([], [op.put('a', ''), nested([op.delete('a')])]), 'duplicate-key'],
  ])('%s', (_name, txn, expected) => {
    expect(checkTxn(txn, 3)).toBe(expected);
  });
});

test('the fixture reads what it writes', () => {
  const fixture = new StoreFixture();
  expect(fixture.store.put(putRequest('', ''), fixture.hooks)).toEqual({ ok: false, error: 'empty-key' });
  expect(fixture.store.range(rangeQuery({ key: 'a' }))).toMatchObject({ ok: true, value: { count: 0 } });
});
