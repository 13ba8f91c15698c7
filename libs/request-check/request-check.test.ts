import * as fc from 'fast-check';
import { type CatalogueError, Errors } from '../errors';
import {
  type CompareInput,
  decodeDeleteRangeRequest,
  decodePutRequest,
  decodeRangeRequest,
  decodeTxnRequest,
  encodeCompactionRequest,
  encodeDeleteRangeRequest,
  encodeLeaseGrantRequest,
  encodePutRequest,
  encodeRangeRequest,
  encodeTxnRequest,
  type PutRequest,
  type RangeRequest,
  type RequestOp,
  type RequestOpInput,
  type TxnRequest,
  type TxnRequestInput,
} from '../../proto/gen/etcdserverpb';
import {
  checkCompaction,
  checkDeleteRange,
  checkLeaseGrant,
  checkPut,
  checkRange,
  checkRangeStream,
  checkTxn,
} from '.';

// The slow twin: the same rules on decoded objects, written for obviousness.
function putError(put: PutRequest): CatalogueError | undefined {
  if (put.key.length === 0) return Errors.EmptyKey;
  if (put.ignoreValue && put.value.length > 0) return Errors.ValueProvided;
  return put.ignoreLease && put.lease !== 0n ? Errors.LeaseProvided : undefined;
}

function rangeError(range: RangeRequest): CatalogueError | undefined {
  if (range.key.length === 0) return Errors.EmptyKey;
  const known = [0, 1, 2].includes(range.sortOrder) && [0, 1, 2, 3, 4].includes(range.sortTarget);
  return known ? undefined : Errors.InvalidSortOption;
}

function opError(op: RequestOp, maxOps: number): CatalogueError | undefined {
  if (op.requestRange !== undefined) return rangeError(op.requestRange);
  if (op.requestPut !== undefined) return putError(op.requestPut);
  if (op.requestDeleteRange !== undefined) {
    return op.requestDeleteRange.key.length === 0 ? Errors.EmptyKey : undefined;
  }
  return op.requestTxn !== undefined ? txnError(op.requestTxn, maxOps) : Errors.KeyNotFound;
}

function txnError(txn: TxnRequest, maxOps: number): CatalogueError | undefined {
  const count = Math.max(txn.compare.length, txn.success.length, txn.failure.length);
  if (count > maxOps) return Errors.TooManyOps;
  const errors = [
    ...txn.compare.map((compare) => (compare.key.length === 0 ? Errors.EmptyKey : undefined)),
    ...[...txn.success, ...txn.failure].map((op) => opError(op, maxOps - count)),
  ];
  return errors.find((error) => error !== undefined);
}

interface Written {
  readonly puts: string[];
  readonly deletes: Array<readonly [string, string]>;
}
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const covers = (written: Written, key: string): boolean =>
  written.deletes.some(([from, to]) => key >= from && key < to);

function written(ops: readonly RequestOp[]): Written | 'conflict' {
  const all: Written = { puts: [], deletes: [] };
  for (const { requestDeleteRange: del } of ops) {
    if (del === undefined) continue;
    all.deletes.push([hex(del.key), del.rangeEnd.length === 0 ? `${hex(del.key)}00` : hex(del.rangeEnd)]);
  }
  for (const { requestTxn: txn } of ops) {
    if (txn === undefined) continue;
    const [yes, no] = [written(txn.success), written(txn.failure)];
    if (yes === 'conflict' || no === 'conflict') return 'conflict';
    const keys = new Set([...yes.puts, ...no.puts]);
    for (const key of keys) if (all.puts.includes(key) || covers(all, key)) return 'conflict';
    all.puts.push(...keys);
    all.deletes.push(...yes.deletes, ...no.deletes);
  }
  for (const { requestPut: put } of ops) {
    if (put === undefined) continue;
    if (all.puts.includes(hex(put.key)) || covers(all, hex(put.key))) return 'conflict';
    all.puts.push(hex(put.key));
  }
  return all;
}

function twinOfCheckTxn(bytes: Uint8Array, maxOps: number): ReturnType<typeof checkTxn> {
  let txn: TxnRequest;
  try {
    txn = decodeTxnRequest(bytes);
  } catch {
    return { error: Errors.MalformedRequest, readOnly: false, serializable: false };
  }
  const conflict = [txn.success, txn.failure].some((ops) => written(ops) === 'conflict');
  const error = txnError(txn, maxOps) ?? (conflict ? Errors.DuplicateKey : undefined);
  if (error !== undefined) return { error, readOnly: false, serializable: false };
  const ops = [...txn.success, ...txn.failure];
  const readOnly = ops.every((op) => op.requestRange !== undefined);
  return { error, readOnly, serializable: readOnly && ops.every((op) => op.requestRange?.serializable === true) };
}

function twinOf<Message>(
  decode: (bytes: Uint8Array) => Message,
  rule: (message: Message) => CatalogueError | undefined,
): (bytes: Uint8Array) => CatalogueError | undefined {
  return (bytes) => {
    let message: Message;
    try {
      message = decode(bytes);
    } catch {
      return Errors.MalformedRequest;
    }
    return rule(message);
  };
}

const mostly = <T>(usual: fc.Arbitrary<T>, rare: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.oneof({ weight: 30, arbitrary: usual }, { weight: 1, arbitrary: rare });
const someKey = fc.constantFrom('a', 'b', 'c', 'd', 'bb', '\xff').map((text) => Buffer.from(text, 'latin1'));
const key = mostly(someKey, fc.constant(Buffer.alloc(0)));
const rangeEnd = fc.oneof(key, fc.constant(Buffer.alloc(0)), fc.constant(Buffer.from('\0')));
const put = fc.record(
  {
    key,
    value: fc.uint8Array({ maxLength: 3 }),
    lease: fc.bigInt(0n, 2n),
    ignoreValue: mostly(fc.constant(false), fc.boolean()),
    ignoreLease: mostly(fc.constant(false), fc.boolean()),
  },
  { requiredKeys: ['key'] },
);
const range = fc.record(
  {
    key,
    rangeEnd,
    sortOrder: mostly(fc.integer({ min: 0, max: 2 }), fc.integer()),
    sortTarget: mostly(fc.integer({ min: 0, max: 4 }), fc.integer()),
    serializable: fc.boolean(),
    minModRevision: fc.nat({ max: 1 }),
    limit: fc.bigInt(0n, 1n << 62n),
  },
  { requiredKeys: ['key'] },
);
const deleteRange = fc.record({ key, rangeEnd, prevKv: fc.boolean() }, { requiredKeys: ['key'] });
const compare: fc.Arbitrary<CompareInput> = fc.record({ key, version: fc.nat() }, { requiredKeys: ['key'] });

function txnOf(depth: number): fc.Arbitrary<TxnRequestInput> {
  const kinds: Array<fc.Arbitrary<RequestOpInput>> = [
    range.map((requestRange) => ({ requestRange })),
    put.map((requestPut) => ({ requestPut })),
    deleteRange.map((requestDeleteRange) => ({ requestDeleteRange })),
  ];
  if (depth > 0) kinds.push(txnOf(depth - 1).map((requestTxn) => ({ requestTxn })));
  const op = mostly(fc.oneof(...kinds), fc.constant({}));
  const onlyReads = fc.array(kinds[0] as fc.Arbitrary<RequestOpInput>, { maxLength: 3 });
  const ops = fc.oneof({ weight: 4, arbitrary: fc.array(op, { maxLength: 4 }) }, { weight: 1, arbitrary: onlyReads });
  return fc.record({ compare: fc.array(compare, { maxLength: 3 }), success: ops, failure: ops }, { requiredKeys: [] });
}
const txn = txnOf(3);
const damage = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 3 });

function damaged(bytes: Uint8Array, hits: ReadonlyArray<readonly [number, number]>): Uint8Array {
  const copy = bytes.slice();
  for (const [at, byte] of hits) if (copy.length > 0) copy[at % copy.length] = byte;
  return copy;
}

test('transactions are judged as their decoded form is', () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(txn, fc.integer({ min: 2, max: 12 }), (request, maxOps) => {
      const bytes = encodeTxnRequest(request);
      const expected = twinOfCheckTxn(bytes, maxOps);
      expect(checkTxn(bytes, maxOps)).toEqual(expected);
      seen.add(expected.error?.message ?? `${expected.readOnly} ${expected.serializable}`);
    }),
    { numRuns: 3000 },
  );
  // The property is worth something only if it met every verdict.
  const verdicts = [
    'EmptyKey',
    'KeyNotFound',
    'TooManyOps',
    'DuplicateKey',
    'ValueProvided',
    'InvalidSortOption',
  ] as const;
  for (const name of verdicts) expect([...seen]).toContain(Errors[name].message);
  for (const shape of ['true true', 'true false', 'false false']) expect([...seen]).toContain(shape);
});

test('damaged transactions are judged as their decoded form is, or called malformed', () => {
  fc.assert(
    fc.property(txn, damage, (request, hits) => {
      const bytes = damaged(encodeTxnRequest(request), hits);
      expect(checkTxn(bytes, 128)).toEqual(twinOfCheckTxn(bytes, 128));
    }),
    { numRuns: 3000 },
  );
});

test('puts, deletes and ranges are judged as their decoded form is, damaged or not', () => {
  const twinPut = twinOf(decodePutRequest, putError);
  const twinRange = twinOf(decodeRangeRequest, rangeError);
  const twinDelete = twinOf(decodeDeleteRangeRequest, (request) =>
    request.key.length === 0 ? Errors.EmptyKey : undefined,
  );
  fc.assert(
    fc.property(put, range, deleteRange, damage, (aPut, aRange, aDelete, hits) => {
      const [putBytes, rangeBytes, deleteBytes] = [
        damaged(encodePutRequest(aPut), hits),
        damaged(encodeRangeRequest(aRange), hits),
        damaged(encodeDeleteRangeRequest(aDelete), hits),
      ];
      expect(checkPut(putBytes)).toBe(twinPut(putBytes));
      expect(checkRange(rangeBytes).error).toBe(twinRange(rangeBytes));
      expect(checkDeleteRange(deleteBytes)).toBe(twinDelete(deleteBytes));
      if (twinRange(rangeBytes) === undefined) {
        expect(checkRange(rangeBytes).serializable).toBe(decodeRangeRequest(rangeBytes).serializable);
      }
    }),
    { numRuns: 2000 },
  );
});

const A = Buffer.from('a');
const B = Buffer.from('b');
const C = Buffer.from('c');
const putOf = (name: Buffer): RequestOpInput => ({ requestPut: { key: name } });
const deleteOf = (name: Buffer, end?: Buffer): RequestOpInput => ({ requestDeleteRange: { key: name, rangeEnd: end } });
const nested = (success: RequestOpInput[], failure: RequestOpInput[] = []): RequestOpInput => ({
  requestTxn: { success, failure },
});

// Each was put to a real etcd 3.4.23.
test.each<[string, RequestOpInput[], CatalogueError | undefined]>([
  ['two puts of a key', [putOf(B), putOf(B)], Errors.DuplicateKey],
  ['a put inside a deleted range', [deleteOf(A, C), putOf(B)], Errors.DuplicateKey],
  ['a put after a delete to the end of the key space', [deleteOf(A, Buffer.from('\0')), putOf(B)], undefined],
  ['a put nested after a delete nested', [nested([deleteOf(B)]), nested([putOf(B)])], Errors.DuplicateKey],
  ['a delete nested after a put nested', [nested([putOf(B)]), nested([deleteOf(B)])], undefined],
  ['the same put in both branches of a nested transaction', [nested([putOf(B)], [putOf(B)])], undefined],
  ['a put here and in a nested branch', [putOf(B), nested([], [putOf(B)])], Errors.DuplicateKey],
  ['overlapping deletes', [deleteOf(A, C), deleteOf(B)], undefined],
  ['no operation', [{}], Errors.KeyNotFound],
])('etcd judges %s so', (_, success, error) => {
  expect(checkTxn(encodeTxnRequest({ success }), 128).error).toBe(error);
});

test("the error found first in etcd's order wins, whatever stands first in the bytes", () => {
  const emptyPut = { requestPut: {} };
  const compareLast = Buffer.concat([
    encodeTxnRequest({ success: [{}], failure: [emptyPut] }),
    encodeTxnRequest({ compare: [{}] }),
  ]);
  expect(checkTxn(compareLast, 128).error).toBe(Errors.EmptyKey);
  expect(checkTxn(encodeTxnRequest({ success: [{}], failure: [emptyPut] }), 128).error).toBe(Errors.KeyNotFound);
  expect(checkTxn(compareLast, 0).error).toBe(Errors.TooManyOps);
});

test('nested transactions have the operations that the outer ones leave', () => {
  const inner = (count: number): TxnRequestInput => ({
    success: [{ requestTxn: { success: Array.from({ length: count }, () => ({ requestRange: { key: A } })) } }],
  });
  expect(checkTxn(encodeTxnRequest(inner(127)), 128).error).toBeUndefined();
  expect(checkTxn(encodeTxnRequest(inner(128)), 128).error).toBe(Errors.TooManyOps);
});

test('malformed bytes outrank every other error', () => {
  const bytes = Buffer.concat([encodeTxnRequest({ success: [{}] }), Buffer.from([0x1a, 50])]);
  expect(checkTxn(bytes, 0).error).toBe(Errors.MalformedRequest);
});

test('RangeStream refuses orders and filters that it can not stream', () => {
  const of = (sortOrder: number, sortTarget: number, maxModRevision = 0): CatalogueError | undefined =>
    checkRangeStream(encodeRangeRequest({ key: A, sortOrder, sortTarget, maxModRevision })).error;
  expect([of(0, 0), of(1, 0), of(0, 3)]).toEqual([undefined, undefined, undefined]);
  expect([of(2, 0), of(1, 1), of(2, 0, 5)]).toEqual(Array(3).fill(Errors.RangeStreamSortOrder));
  expect([of(0, 0, 5), of(9, 0, 5)]).toEqual([Errors.RangeStreamRevisionFilters, Errors.InvalidSortOption]);
  expect(checkRangeStream(Buffer.from([9])).error).toBe(Errors.MalformedRequest);
});

test('lease TTLs are bounded above only', () => {
  const of = (TTL: number | bigint): CatalogueError | undefined => checkLeaseGrant(encodeLeaseGrantRequest({ TTL }));
  expect([of(-5), of(0), of(9_000_000_000)]).toEqual([undefined, undefined, undefined]);
  expect([of(9_000_000_001), of(2n ** 63n - 1n)]).toEqual(Array(2).fill(Errors.LeaseTTLTooLarge));
  expect(checkLeaseGrant(Buffer.from([0x08]))).toBe(Errors.MalformedRequest);
});

test('a compaction is only read', () => {
  expect(checkCompaction(encodeCompactionRequest({ revision: 2n ** 63n - 1n }))).toBeUndefined();
  expect(checkCompaction(Buffer.from([0x0f]))).toBe(Errors.MalformedRequest);
});
