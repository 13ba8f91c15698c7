import { decodeTrace, encodeTrace, formatTraceparent, parseTraceparent } from './trace-context';

const TEXT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

test('a traceparent survives parsing, the binary form and formatting', () => {
  const context = parseTraceparent(TEXT);
  expect(context).toEqual({ traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7', sampled: true });
  if (context === undefined) return;
  expect(decodeTrace(encodeTrace(context))).toEqual(context);
  expect(formatTraceparent(context)).toBe(TEXT);
});

test('a later version may carry more fields, version 00 may not', () => {
  expect(parseTraceparent(`01${TEXT.slice(2)}-more`)?.sampled).toBe(true);
  expect(parseTraceparent(`${TEXT}-more`)).toBeUndefined();
});

test.each([
  [undefined],
  [''],
  ['nonsense'],
  [`ff${TEXT.slice(2)}`],
  ['00-00000000000000000000000000000000-00f067aa0ba902b7-01'],
  ['00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01'],
  [TEXT.toUpperCase()],
])('%p is not a context', (text) => {
  expect(parseTraceparent(text)).toBeUndefined();
});

test('the empty field of an unsampled request is no context', () => {
  expect(decodeTrace(new Uint8Array(0))).toBeUndefined();
});
