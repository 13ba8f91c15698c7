import fc from 'fast-check';
import { WireError } from '../libs/wire';
import * as authpb from './gen/authpb';
import * as etcdserverpb from './gen/etcdserverpb';
import * as health from './gen/grpc_health_v1';
import * as hexad from './gen/hexad';
import * as v3electionpb from './gen/v3electionpb';
import * as v3lockpb from './gen/v3lockpb';

type Decode = (bytes: Uint8Array) => unknown;

const modules: Record<string, object> = { etcdserverpb, v3lockpb, v3electionpb, authpb, health, hexad };
const decoders = Object.entries(modules).flatMap(([pkg, exports]) =>
  Object.entries(exports)
    .filter(([name, value]) => name.startsWith('decode') && typeof value === 'function')
    .map(([name, value]) => [`${pkg}.${name}`, value as Decode] as const),
);

/** Bytes that look like messages: tags of small fields, lengths that fit or do not, nested to some depth. */
const varint = fc.bigInt(0n, 2n ** 64n - 1n).map((value) => {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  bytes.push(Number(rest));
  return Buffer.from(bytes);
});
const { message } = fc.letrec<{ message: Buffer; field: Buffer }>((tie) => ({
  message: fc.array(tie('field'), { maxLength: 6 }).map((fields) => Buffer.concat(fields)),
  field: fc.oneof(
    { depthSize: 'medium' },
    fc
      .tuple(fc.integer({ min: 1, max: 15 }), varint)
      .map(([n, value]) => Buffer.concat([Buffer.from([n << 3]), value])),
    fc
      .tuple(fc.integer({ min: 1, max: 15 }), fc.uint8Array({ maxLength: 12 }), fc.integer({ min: -2, max: 2 }))
      .map(([n, bytes, lie]) => Buffer.concat([Buffer.from([(n << 3) | 2, Math.max(0, bytes.length + lie)]), bytes])),
    fc.uint8Array({ maxLength: 8 }).map((bytes) => Buffer.from(bytes)),
    fc
      .tuple(fc.integer({ min: 1, max: 15 }), tie('message'))
      .map(([n, inner]) => Buffer.concat([Buffer.from([(n << 3) | 2]), lengthOf(inner), inner])),
  ),
}));
function lengthOf(bytes: Uint8Array): Buffer {
  const low = bytes.length & 127;
  return bytes.length > 127 ? Buffer.from([low | 128, bytes.length >> 7]) : Buffer.from([low]);
}

/** Objects, arrays' items and bytes that a decoded message holds, in multiples of what no message is without. */
function weightOf(value: unknown): number {
  if (value instanceof Uint8Array) return value.length;
  if (typeof value === 'string') return value.length;
  if (Array.isArray(value)) return value.reduce<number>((sum, each) => sum + 1 + weightOf(each), 0);
  if (typeof value !== 'object' || value === null) return 0;
  return Object.values(value).reduce<number>((sum, each) => sum + weightOf(each), 0);
}

function tryDecode(decode: Decode, bytes: Uint8Array): 'refused' | { readonly weight: number } {
  try {
    return { weight: weightOf(decode(bytes)) };
  } catch (error) {
    if (error instanceof WireError) return 'refused';
    throw error;
  }
}

test('there are decoders to feed, of every package', () => {
  expect(decoders.length).toBeGreaterThan(150);
  for (const pkg of Object.keys(modules)) expect(decoders.some(([name]) => name.startsWith(`${pkg}.`))).toBe(true);
});

test.each(decoders)('%s refuses garbage or decodes it to no more than its bytes', (_, decode) => {
  fc.assert(
    fc.property(fc.oneof(message, fc.uint8Array({ maxLength: 60 })), (bytes) => {
      const outcome = tryDecode(decode, bytes);
      if (outcome !== 'refused') expect(outcome.weight).toBeLessThanOrEqual(2 * bytes.length);
    }),
    { numRuns: 60 },
  );
});

test('the generator makes messages that are decoded, and such that are refused', () => {
  const outcomes = fc.sample(message, 400).map((bytes) => tryDecode(etcdserverpb.decodePutRequest, bytes));
  const refused = outcomes.filter((outcome) => outcome === 'refused').length;
  expect(refused).toBeGreaterThan(40);
  expect(refused).toBeLessThan(360);
  expect(outcomes.some((outcome) => outcome !== 'refused' && outcome.weight > 4)).toBe(true);
});

test.each([0, 1, 2, 5])('transactions nested too deeply are refused, cut at depth %i of thousands or not', (cut) => {
  let bytes: Buffer = Buffer.alloc(0);
  for (let depth = 0; depth < 4000; depth++) {
    for (const tag of [0x22, 0x12]) {
      const length: number[] = [];
      let rest = bytes.length;
      for (; rest > 127; rest >>>= 7) length.push((rest & 127) | 128);
      bytes = Buffer.concat([Buffer.from([tag, ...length, rest]), bytes]);
    }
  }
  expect(tryDecode(etcdserverpb.decodeTxnRequest, bytes.subarray(0, bytes.length - cut))).toBe('refused');
});
