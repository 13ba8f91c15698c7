import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Random } from './disk/random';
import { randomScenario } from './random-scenario';
import { parseScenario, parseStatement } from './scenario';

const FOLDER = join(__dirname, 'scenarios');

test('statements are read', () => {
  const text = (line: string): string => JSON.stringify({ ...parseStatement(line), text: undefined });
  expect(
    [
      'kill leader',
      'pause raft of follower',
      'cut m1 -> m2',
      'delay leader <-> other 50ms',
      'disk it sync 0.3s',
      'wait 2s',
    ].map(text),
  ).toEqual([
    '{"verb":"kill","target":"leader"}',
    '{"verb":"pause","target":"follower","process":"raft"}',
    '{"verb":"cut","from":{"member":0},"to":{"member":1},"isBoth":false,"ms":0}',
    '{"verb":"delay","from":"leader","to":"other","isBoth":true,"ms":50}',
    '{"verb":"disk","target":"it","syncDelayMs":300,"isFull":false}',
    '{"verb":"wait","ms":2000}',
  ]);
});

test.each([
  'kill',
  'kill nobody',
  'kill leader now',
  'kill shell of leader',
  'pause raft of',
  'cut m1 m2',
  'cut m1 => m2',
  'cut m1 -> m0',
  'delay m1 -> m2',
  'delay m1 -> m2 50',
  'disk leader sync',
  'disk leader broken',
  'wait',
  'wait 3',
  'heal leader',
  'expect same',
  'end',
  'repeat 0',
  'repeat 2',
])('"%s" is refused with the number of its line', (line) => {
  expect(() => parseScenario(`# a comment\nwait 1s\n${line}`)).toThrow('line 3');
});

test('a block is repeated, also within another', () => {
  const texts = parseScenario('repeat 2\nheal\nrepeat 2\ncompact\nend\nend').map(({ text }) => text);
  expect(texts).toEqual(['heal', 'compact', 'compact', 'heal', 'compact', 'compact']);
});

test.each(readdirSync(FOLDER))('the scenario %s can be read', (name) => {
  expect(parseScenario(readFileSync(join(FOLDER, name), 'utf8')).length).toBeGreaterThan(3);
});

test('a random scenario is the same for the same seed, lasts as long as asked, and has a fault every 5 to 10 s', () => {
  const texts = (seed: number): string[] => randomScenario(new Random(seed), 120_000).map(({ text }) => text);
  expect(texts(5)).toEqual(texts(5));
  expect(texts(5)).not.toEqual(texts(6));
  const statements = randomScenario(new Random(7), 120_000);
  const waits = statements.reduce((sum, one) => sum + (one.verb === 'wait' ? one.ms : 0), 0);
  expect(waits).toBeGreaterThan(110_000);
  expect(waits).toBeLessThanOrEqual(120_000);
  const faults = statements.filter(({ verb }) => ['kill', 'pause', 'cut', 'isolate', 'delay', 'disk'].includes(verb));
  expect(faults.length).toBeGreaterThanOrEqual(12);
});
