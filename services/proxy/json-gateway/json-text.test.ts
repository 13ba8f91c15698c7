import * as fc from 'fast-check';
import { JsonInputError, JsonSplitter, parseJson, quoteLongIntegers } from './json-text';

const object = fc.dictionary(fc.string(), fc.jsonValue());
const space = fc.constantFrom('', ' ', '\n', '\r\n\t');

test('objects are cut out of a stream wherever it is cut itself', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(object, space)), fc.array(fc.nat()), (values, cuts) => {
      const stream = Buffer.from(values.map(([value, gap]) => JSON.stringify(value, null, gap.length) + gap).join(''));
      const ends = [...cuts.map((cut) => cut % (stream.length + 1)), stream.length].sort((a, b) => a - b);
      const splitter = new JsonSplitter(1_000_000);
      const found: string[] = [];
      let start = 0;
      for (const end of ends) {
        found.push(...splitter.push(stream.subarray(start, end)));
        start = end;
      }
      expect(splitter.unfinished).toBe(false);
      expect(found.map((text) => JSON.parse(text) as unknown)).toEqual(
        values.map(([value]) => JSON.parse(JSON.stringify(value)) as unknown),
      );
    }),
  );
});

test('an object that does not end is not held beyond the limit', () => {
  const splitter = new JsonSplitter(100);
  splitter.push(Buffer.from('{"a":"'));
  expect(() => splitter.push(Buffer.alloc(100, 'x'))).toThrow(JsonInputError);
});

test('anything but an object is refused', () => {
  expect(() => new JsonSplitter(100).push(Buffer.from(' [1]'))).toThrow(JsonInputError);
});

test.each([
  ['{"ID":7587861660702374417}', '{"ID":"7587861660702374417"}'],
  [
    '{"ID":-7587861660702374417,"x":[1234567890123456, 1]}',
    '{"ID":"-7587861660702374417","x":["1234567890123456", 1]}',
  ],
  ['{"k":"1234567890123456","b":":1234567890123456"}', '{"k":"1234567890123456","b":":1234567890123456"}'],
  ['{"k":"a\\"b\\\\","ID":1234567890123456}', '{"k":"a\\"b\\\\","ID":"1234567890123456"}'],
  ['{"x":1.1234567890123456,"y":1234567890123456e2}', '{"x":1.1234567890123456,"y":1234567890123456e2}'],
  ['{"ID":123456789012345}', '{"ID":123456789012345}'],
])('in %s only long integers become strings', (text, expected) => {
  expect(quoteLongIntegers(text)).toBe(expected);
});

test('JSON without long integers is left as it is', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = JSON.stringify(value);
      const parsed = quoteLongIntegers(text);
      if (!/\d{16}/.test(text)) expect(parsed).toBe(text);
      expect(() => JSON.parse(parsed) as unknown).not.toThrow();
    }),
  );
});

test('only the first value of a text counts', () => {
  expect(parseJson(' {"a":{"b":"}"}} {"a":2}')).toEqual({ a: { b: '}' } });
  for (const text of ['{"a":1', '{"a":"}', '{', '{x}', '1 2']) expect(() => parseJson(text)).toThrow(JsonInputError);
});
