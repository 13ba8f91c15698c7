/** The generated codecs against protobufjs's reflection, an implementation that shares nothing with them but the .proto files. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import * as protobuf from 'protobufjs';
import { WireError } from '../../libs/wire';
import { moduleName } from './emit-module';
import { int64FormOf } from './int64-policy';
import { type FieldModel, loadSchema, type MessageModel } from './schema';

type Plain = Record<string, unknown>;
type Codec = Record<string, (value: unknown) => unknown>;

const protoDir = join(__dirname, '..');
const files = readdirSync(protoDir, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.proto'));
const oracle = new protobuf.Root();
for (const file of files) protobuf.parse(readFileSync(join(protoDir, file), 'utf8'), oracle, { keepCase: true });
oracle.resolveAll();

const packages = loadSchema(protoDir, files);
const all = packages.flatMap((model) => model.messages.map((message) => ({ packageName: model.name, message })));
const byName = new Map(all.map((item) => [item.message.protoName, item]));
const modules = new Map<string, Codec>(
  packages.map((model) => [model.name, require(`../gen/${moduleName(model.name)}`) as Codec]),
);

function call(fullName: string, verb: 'encode' | 'decode' | 'size', value: unknown): unknown {
  const { packageName, message } = itemOf(fullName);
  const run = modules.get(packageName)?.[verb + message.name];
  if (run === undefined) throw new Error(`no ${verb} of ${fullName}`);
  return run(value);
}

function itemOf(fullName: string): (typeof all)[number] {
  const item = byName.get(fullName);
  if (item === undefined) throw new Error(`unknown message ${fullName}`);
  return item;
}

const is64 = (type: string): boolean => type.endsWith('64');

function integer64(packageName: string, message: MessageModel, field: FieldModel): fc.Arbitrary<unknown> {
  const signed = field.type === 'int64';
  const form = int64FormOf(packageName, message.name, field.protoName, field.type);
  const wide = signed
    ? fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
    : fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
  if (form === 'bigint') return wide;
  const edges = signed
    ? [0, 127, 128, -1, 2 ** 31, 2 ** 32, -(2 ** 53) + 1]
    : [0, 127, 128, 2 ** 31, 2 ** 32, 2 ** 53 - 1];
  const safe = fc.oneof(fc.maxSafeNat(), fc.constantFrom(...edges), ...(signed ? [fc.maxSafeInteger()] : []));
  return form === 'number' ? safe : fc.oneof(safe, wide);
}

function scalar(packageName: string, message: MessageModel, field: FieldModel): fc.Arbitrary<unknown> {
  if (field.kind === 'enum') return fc.constantFrom(0, 1, 2, 77, -1);
  if (is64(field.type)) return integer64(packageName, message, field);
  switch (field.type) {
    case 'bool':
      return fc.boolean();
    case 'string':
      return fc.oneof(fc.string({ maxLength: 60 }), fc.string({ unit: 'grapheme', maxLength: 60 }));
    case 'bytes':
      return fc.uint8Array({ maxLength: 200 });
    case 'uint32':
      return fc.nat({ max: 2 ** 32 - 1 });
    default:
      throw new Error(`no arbitrary for ${field.type}`);
  }
}

function messageArbitrary(fullName: string, depth: number): fc.Arbitrary<Plain> {
  const { packageName, message } = itemOf(fullName);
  const shape: Record<string, fc.Arbitrary<unknown>> = {};
  const oneofs: string[][] = [];
  for (const field of message.fields) {
    if (field.kind === 'message' && depth === 0) continue;
    const one =
      field.kind === 'message' ? messageArbitrary(field.type, depth - 1) : scalar(packageName, message, field);
    shape[field.name] = field.repeated ? fc.array(one, { maxLength: 3 }) : one;
    if (field.oneofSiblings !== undefined) oneofs.push([field.name, ...field.oneofSiblings]);
  }
  return fc.record(shape, { requiredKeys: [] }).map((value: Plain) => {
    const kept = { ...value };
    for (const [first, ...others] of oneofs) {
      if (first !== undefined && first in kept) for (const other of others) delete kept[other];
    }
    return kept;
  });
}

/** One form for both sides: proto names, hex, decimal strings, defaults filled in. */
function canonical(fullName: string, value: Plain, nameOf: (field: FieldModel) => string): Plain {
  const result: Plain = {};
  for (const field of itemOf(fullName).message.fields) {
    const given = value[nameOf(field)];
    if (field.repeated) {
      result[field.protoName] = ((given ?? []) as unknown[]).map((item) => canonicalValue(field, item, nameOf));
    } else if (given !== undefined && given !== null) {
      result[field.protoName] = canonicalValue(field, given, nameOf);
    } else if (field.kind !== 'message' && field.oneofSiblings === undefined) {
      result[field.protoName] = canonicalValue(field, undefined, nameOf);
    }
  }
  return result;
}

function canonicalValue(field: FieldModel, value: unknown, nameOf: (field: FieldModel) => string): unknown {
  if (field.kind === 'message') return canonical(field.type, value as Plain, nameOf);
  if (field.kind === 'enum') return value ?? 0;
  if (field.type === 'bytes') return Buffer.from((value ?? []) as Uint8Array).toString('hex');
  if (is64(field.type)) return String((value ?? 0) as number | bigint | string);
  return value ?? (field.type === 'string' ? '' : field.type === 'bool' ? false : 0);
}

const ours = (fullName: string, value: unknown): Plain => canonical(fullName, value as Plain, (field) => field.name);

function oracleDecode(fullName: string, bytes: Uint8Array): Plain {
  const type = oracle.lookupType(fullName);
  const object = type.toObject(type.decode(bytes), { longs: String, bytes: Array });
  return canonical(fullName, object, (field) => field.protoName);
}

function oracleEncode(fullName: string, value: Plain): Uint8Array {
  const type = oracle.lookupType(fullName);
  const plain = canonical(fullName, value, (field) => field.name);
  return type.encode(type.fromObject(withBytes(fullName, plain))).finish();
}

function withBytes(fullName: string, value: Plain): Plain {
  const result: Plain = {};
  for (const field of itemOf(fullName).message.fields) {
    const convert = (item: unknown): unknown =>
      field.kind === 'message'
        ? withBytes(field.type, item as Plain)
        : field.type === 'bytes'
          ? Buffer.from(item as string, 'hex')
          : item;
    const given = value[field.protoName];
    if (given !== undefined)
      result[field.protoName] = field.repeated ? (given as unknown[]).map(convert) : convert(given);
  }
  return result;
}

describe.each(all.map(({ message }) => message.protoName))('%s', (fullName) => {
  const message = messageArbitrary(fullName, 3);

  test('what we write is what protobufjs reads, in exactly the size announced', () => {
    fc.assert(
      fc.property(message, (value) => {
        const bytes = call(fullName, 'encode', value) as Uint8Array;
        expect(bytes.length).toBe(call(fullName, 'size', value));
        expect(oracleDecode(fullName, bytes)).toEqual(ours(fullName, value));
        expect(ours(fullName, call(fullName, 'decode', bytes))).toEqual(ours(fullName, value));
      }),
      { numRuns: 30 },
    );
  });

  test('what protobufjs writes is what we read', () => {
    fc.assert(
      fc.property(message, (value) => {
        expect(ours(fullName, call(fullName, 'decode', oracleEncode(fullName, value)))).toEqual(ours(fullName, value));
      }),
      { numRuns: 30 },
    );
  });

  test('damaged bytes are read or refused with a WireError, and nothing else', () => {
    fc.assert(
      fc.property(
        message,
        fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 4 }),
        fc.nat(),
        (value, hits, cut) => {
          const bytes = (call(fullName, 'encode', value) as Uint8Array).slice();
          for (const [at, byte] of hits) if (bytes.length > 0) bytes[at % bytes.length] = byte;
          try {
            call(fullName, 'decode', bytes.subarray(0, bytes.length - (cut % 3)));
          } catch (error) {
            expect(error).toBeInstanceOf(WireError);
          }
        },
      ),
      { numRuns: 30 },
    );
  });
});

test('unknown fields of every wire type are passed over', () => {
  const put = modules.get('etcdserverpb') as Codec;
  const known = put['encodePutRequest']?.({ key: Buffer.from('k'), lease: 5n }) as Uint8Array;
  const group = [0xa3, 0x06, 0x08, 0x01, 0xa4, 0x06];
  const unknown = [
    0xa0,
    0x06,
    0x96,
    0x01,
    0xa1,
    0x06,
    ...Array<number>(8).fill(1),
    0xa2,
    0x06,
    2,
    9,
    9,
    0xa5,
    0x06,
    1,
    2,
    3,
    4,
  ];
  const bytes = Uint8Array.from([...unknown, ...group, ...known, ...unknown]);
  expect(put['decodePutRequest']?.(bytes)).toEqual(put['decodePutRequest']?.(known));
});

test('numbers in a repeated field may be packed or not, in one message', () => {
  const hexad = modules.get('hexad') as Codec;
  const topics = hexad['decodeFeedRequest']?.(Uint8Array.from([0x08, 1, 0x0a, 2, 2, 3, 0x08, 1]));
  expect(topics).toEqual({ topics: [1, 2, 3, 1] });
});

test('of a scalar given twice and of a oneof the last one counts', () => {
  const etcd = modules.get('etcdserverpb') as Codec;
  expect(etcd['decodeCompactionRequest']?.(Uint8Array.from([0x08, 1, 0x08, 2]))).toEqual({
    revision: 2,
    physical: false,
  });
  const compare = etcd['decodeCompare']?.(Uint8Array.from([0x20, 7, 0x3a, 1, 65])) as Plain;
  expect([compare['version'], compare['value']]).toEqual([undefined, Uint8Array.of(65)]);
});

test('a field with another wire type than its own is an unknown field', () => {
  const etcd = modules.get('etcdserverpb') as Codec;
  expect(etcd['decodeCompactionRequest']?.(Uint8Array.from([0x0a, 1, 7, 0x10, 1]))).toEqual({
    revision: 0,
    physical: true,
  });
});

test('an internal counter beyond 2^53 is refused, a client number is kept exactly', () => {
  const big = Uint8Array.from([0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]);
  expect(() => modules.get('hexad')?.['decodeReadIndexBatch']?.(big)).toThrow(WireError);
  expect(modules.get('etcdserverpb')?.['decodeHashKVRequest']?.(big)).toEqual({ revision: 2n ** 63n - 1n });
});
