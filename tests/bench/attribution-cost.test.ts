import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CostPair, costReport, earlierPairs, keepPair } from './attribution-cost';

const pair = (on: number, off = 100): CostPair => ({
  on: { cpuMicros: on, perSecond: 900 },
  off: { cpuMicros: off, perSecond: 1000 },
});

test('pairs of several runs are kept together, whole or not at all', () => {
  const directory = mkdtempSync(join(tmpdir(), 'hexad-cost-'));
  const out = join(directory, 'out');
  try {
    expect(earlierPairs(out)).toEqual([]);
    keepPair(undefined, pair(1));
    const pairs = [pair(101), pair(103)];
    for (const one of pairs) keepPair(out, one);
    appendFileSync(join(out, 'attribution-cost.jsonl'), '{"on":{"cpuMi');
    expect(earlierPairs(out)).toEqual(pairs);
    keepPair(out, pair(105));
    expect(earlierPairs(out)).toEqual([...pairs, pair(105)]);
    expect(earlierPairs(undefined)).toEqual([]);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('the median of the ratios decides, and fewer than ten pairs are told to be too few', () => {
  const few = costReport([pair(100), pair(100.5), pair(150)]);
  expect(few.exceeded).toBe(false);
  expect(few.lines).toContain('median ratio of CPU per operation, pair by pair: 1.0050 (allowed: 1.01)');
  expect(few.lines.at(-1)).toBe('fewer than 10 pairs: too few to tell');
  const many = costReport(Array.from({ length: 11 }, (_, at) => pair(100 + at)));
  expect(many.exceeded).toBe(true);
  expect(many.lines.at(-1)).not.toContain('too few');
});
