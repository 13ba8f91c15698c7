import { Failure } from './failure';
import { checkFormat, humanBytes, printStatus } from './printers';

test.each([
  [0, '0 B'],
  [9, '9 B'],
  [999, '999 B'],
  [1_000, '1.0 kB'],
  [1_049, '1.0 kB'],
  [9_949, '9.9 kB'],
  [20_480, '20 kB'],
  [25_500, '26 kB'],
  [999_999, '1000 kB'],
  [2_147_483_648, '2.1 GB'],
])('%d bytes are %s, rounded as etcd’s tools do', (bytes, text) => {
  expect(humanBytes(bytes)).toBe(text);
});

test('a status is shown in four forms', () => {
  const status = { hash: 0xfdea5c5a, revision: 33, totalKey: 7, totalSize: 20_480, version: '3.6.0' };
  expect(printStatus(status, 'simple')).toBe('fdea5c5a, 33, 7, 20 kB, 3.6.0');
  expect(printStatus(status, 'json')).toBe(
    '{"hash":4259994714,"revision":33,"totalKey":7,"totalSize":20480,"version":"3.6.0"}',
  );
  expect(printStatus(status, 'fields').split('\n')).toEqual([
    '"Hash" : 4259994714',
    '"Revision" : 33',
    '"Keys" : 7',
    '"Size" : 20480',
    '"Version" : 3.6.0',
  ]);
  expect(printStatus(status, 'table').split('\n')).toEqual([
    '+----------+----------+------------+------------+---------+',
    '|   HASH   | REVISION | TOTAL KEYS | TOTAL SIZE | VERSION |',
    '+----------+----------+------------+------------+---------+',
    '| fdea5c5a |       33 |          7 |      20 kB |   3.6.0 |',
    '+----------+----------+------------+------------+---------+',
  ]);
});

test('another form is refused before any work', () => {
  expect(() => checkFormat('yaml')).toThrow(new Failure('unsupported output format'));
  expect(() => checkFormat('protobuf')).toThrow('protobuf not supported as output format');
});
