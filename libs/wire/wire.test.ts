import * as fc from 'fast-check';
import { acquireWriter, DEPTH_MAX, Reader, sizeInt64, sizeString, WireError, type Writer } from '.';

function written(write: (writer: Writer) => void): Uint8Array {
  const writer = acquireWriter();
  write(writer);
  return writer.finish();
}

const int64 = fc.oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.integer().map(BigInt));

test('64-bit integers come back in all their forms', () => {
  fc.assert(
    fc.property(int64, (value) => {
      const bytes = written((writer) => writer.int64(value));
      expect(bytes.length).toBe(sizeInt64(value));
      expect(new Reader(bytes).int64BigInt()).toBe(value);
      expect(new Reader(bytes).uint64BigInt()).toBe(BigInt.asUintN(64, value));
      const mixed = new Reader(bytes).int64Mixed();
      expect(BigInt(mixed)).toBe(value);
      expect(typeof mixed).toBe(
        Number.isSafeInteger(Number(value)) && BigInt(Number(value)) === value ? 'number' : 'bigint',
      );
    }),
  );
});

test('numbers are written as the bigints they equal', () => {
  fc.assert(
    fc.property(fc.maxSafeInteger(), (value) => {
      expect(written((writer) => writer.int64(value))).toEqual(written((writer) => writer.int64(BigInt(value))));
      expect(new Reader(written((writer) => writer.int64(value))).int64Number()).toBe(value);
      expect(new Reader(written((writer) => writer.fixed64(BigInt(value)))).fixed64BigInt()).toBe(
        BigInt.asUintN(64, BigInt(value)),
      );
    }),
  );
});

test.each([1.5, Number.NaN, 2 ** 53, -(2 ** 53), 2n ** 64n, -(2n ** 63n) - 1n])(
  '%s cannot be written as 64 bits',
  (value) => {
    expect(() => written((writer) => writer.int64(value))).toThrow(WireError);
    expect(() => sizeInt64(value)).toThrow(WireError);
  },
);

test('strings of any script come back, byte order mark included', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ maxLength: 100 }), fc.string({ unit: 'grapheme', maxLength: 100 })), (text) => {
      const marked = `\ufeff${text}`;
      for (const value of [text, marked]) {
        const bytes = written((writer) => writer.string(value));
        expect(bytes.length).toBe(sizeString(value));
        expect(Buffer.from(bytes).includes(Buffer.from(value, 'utf8'))).toBe(true);
        expect(new Reader(bytes).string()).toBe(value);
      }
    }),
  );
});

test('text that is not UTF-8 is refused', () => {
  expect(() => new Reader(Uint8Array.of(2, 0xc3, 0x28)).string()).toThrow(WireError);
});

test.each([
  ['eleven bytes', [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01]],
  ['a tenth byte above 1', [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02]],
  ['no last byte', [0x80, 0x80]],
])('a varint with %s is refused', (_, bytes) => {
  expect(() => new Reader(Uint8Array.from(bytes)).uint64BigInt()).toThrow(WireError);
});

test.each([
  ['field number 0', [0x00, 0x01]],
  ['a length beyond the end', [0x0a, 5, 1]],
  ['an end of a group that never began', [0x0c]],
  ['a group that never ends', [0x0b, 0x08, 1]],
  ['a group ended by another', [0x0b, 0x14]],
  ['wire type 7', [0x0f]],
  ['four bytes too few', [0x0d, 1, 2]],
])('%s is refused', (_, bytes) => {
  const reader = new Reader(Uint8Array.from(bytes));
  expect(() => {
    while (reader.pos < reader.end) reader.skip(reader.tag());
  }).toThrow(WireError);
});

test('nesting is refused only beyond the limit', () => {
  const nested = (depth: number): Uint8Array =>
    written((writer) => {
      for (let i = 0; i < depth; i++) writer.endMessage(0, 0x0a);
    });
  const descend = (bytes: Uint8Array): void => {
    const reader = new Reader(bytes);
    while (reader.pos < reader.end) {
      reader.tag();
      reader.enter();
    }
  };
  descend(nested(DEPTH_MAX));
  expect(() => descend(nested(DEPTH_MAX + 1))).toThrow(WireError);
  const groups = new Reader(new Uint8Array(1000).fill(0x0b));
  expect(() => groups.skip(groups.tag())).toThrow(WireError);
});

test('messages of all sizes stay as they were while others are written', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 40_000 }), { maxLength: 30 }), (sizes) => {
      const messages = sizes.map((size, i) => written((writer) => writer.raw(new Uint8Array(size).fill(i))));
      messages.forEach((bytes, i) => expect(bytes.length === sizes[i] && bytes.every((byte) => byte === i)).toBe(true));
    }),
    { numRuns: 30 },
  );
});

test('a message may be encoded while another is half written', () => {
  const bytes = written((writer) => {
    writer.bytes(Uint8Array.of(3));
    writer.bytes(written((inner) => inner.uint32(300)));
    writer.uint32(7);
  });
  expect([...bytes]).toEqual([7, 2, 0xac, 0x02, 1, 3]);
});

test('a writer that threw does not leak into the next message', () => {
  expect(() =>
    written((writer) => {
      writer.uint32(1);
      writer.int64(0.5);
    }),
  ).toThrow(WireError);
  expect([...written((writer) => writer.uint32(2))]).toEqual([2]);
});
