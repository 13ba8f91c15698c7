import * as fc from 'fast-check';
import { type CatalogueError, Errors } from '../errors';
import {
  decodeCompactionRequest,
  decodeDeleteRangeRequest,
  decodeLeaseGrantRequest,
  decodePutRequest,
  decodeRangeRequest,
  decodeTxnRequest,
  encodePutRequest,
  encodeRangeRequest,
  encodeTxnRequest,
} from '../../proto/gen/etcdserverpb';
import { WireError } from '../wire';
import {
  checkCompaction,
  checkDeleteRange,
  checkLeaseGrant,
  checkPut,
  checkRange,
  checkRangeStream,
  checkTxn,
} from '.';

const seeds = [
  encodePutRequest({ key: Buffer.from('k'), value: Buffer.from('value'), lease: 7n }),
  encodeRangeRequest({ key: Buffer.from('k'), rangeEnd: Buffer.from('l'), limit: 5n, sortOrder: 1 }),
  encodeTxnRequest({
    compare: [{ key: Buffer.from('c'), target: 1, createRevision: 0n }],
    success: [
      { requestPut: { key: Buffer.from('p'), value: Buffer.from('v') } },
      { requestTxn: { success: [{ requestDeleteRange: { key: Buffer.from('d') } }] } },
    ],
    failure: [{ requestRange: { key: Buffer.from('r') } }],
  }),
];

/** A request with octets changed, left out, added or cut off. */
const damaged = fc
  .tuple(
    fc.constantFrom(...seeds),
    fc.array(fc.tuple(fc.nat(80), fc.nat(255), fc.constantFrom('set', 'insert', 'remove', 'cut')), { maxLength: 4 }),
  )
  .map(([seed, changes]) => {
    let bytes = [...seed];
    for (const [position, octet, how] of changes) {
      const at = bytes.length === 0 ? 0 : position % bytes.length;
      if (how === 'set') bytes[at] = octet;
      else if (how === 'insert') bytes.splice(at, 0, octet);
      else if (how === 'remove') bytes.splice(at, 1);
      else bytes = bytes.slice(0, at);
    }
    return Uint8Array.from(bytes);
  });
const anyBytes = fc.oneof(damaged, fc.uint8Array({ maxLength: 80 }));

interface Check {
  readonly name: string;
  readonly check: (bytes: Uint8Array) => CatalogueError | undefined;
  readonly decode: (bytes: Uint8Array) => unknown;
}

/** Each check beside the decoder of what it checks. */
const checks: readonly Check[] = [
  { name: 'Put', check: checkPut, decode: decodePutRequest },
  { name: 'Range', check: (bytes) => checkRange(bytes).error, decode: decodeRangeRequest },
  { name: 'RangeStream', check: (bytes) => checkRangeStream(bytes).error, decode: decodeRangeRequest },
  { name: 'DeleteRange', check: checkDeleteRange, decode: decodeDeleteRangeRequest },
  { name: 'Txn', check: (bytes) => checkTxn(bytes, 128).error, decode: decodeTxnRequest },
  { name: 'Compaction', check: checkCompaction, decode: decodeCompactionRequest },
  { name: 'LeaseGrant', check: checkLeaseGrant, decode: decodeLeaseGrantRequest },
];

test.each(checks)(
  'the check of $name never throws, and passes nothing that its decoder refuses',
  ({ check, decode }) => {
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        const error = check(bytes);
        if (error === Errors.MalformedRequest) return;
        try {
          decode(bytes);
        } catch (thrown) {
          if (!(thrown instanceof WireError)) throw thrown;
          // Another mistake may have been found first; what passed must be readable.
          expect(error).toBeDefined();
        }
      }),
      { numRuns: 2000 },
    );
  },
);
