import type { Operation } from '../linearizability';
import { percentile95, recoveries } from './recovery';

const put = (call: number, end: number, ok = true): Operation => ({
  id: call,
  client: 'c',
  call,
  return: ok ? end : Infinity,
  request: { kind: 'put', key: 'k', value: 'v' },
  outcome: ok ? { kind: 'ok', revision: 2, result: { kind: 'put' } } : { kind: 'unknown' },
});
const times = (at: number, operations: readonly Operation[]): number[] =>
  recoveries([{ text: 'f', at, hasQuorum: true }], operations).map(({ ms }) => ms);

test('a write that was asked for before a fault says nothing about the service after it', () => {
  expect(times(100, [put(99, 101), put(150, 160)])).toEqual([60]);
});

test('the first acknowledgement counts, not the first question', () => {
  expect(times(100, [put(110, 900), put(120, 0, false), put(300, 310)])).toEqual([210]);
});

test('no write after a fault is no service', () => {
  expect(times(100, [put(10, 20)])).toEqual([Infinity]);
});

test('while there is no quorum nothing is expected', () => {
  expect(recoveries([{ text: 'f', at: 1, hasQuorum: false }], [])).toEqual([]);
});

test('95 of 100', () => {
  expect(percentile95(Array.from({ length: 100 }, (_, at) => at + 1))).toBe(95);
  expect(percentile95([1, 2, 3])).toBe(3);
  expect(percentile95([])).toBe(0);
});
