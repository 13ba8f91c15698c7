import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { percentile95 } from './recovery';
import { parseScenario } from './scenario';
import { runTrial } from './trial';

const GATE = join(__dirname, 'scenarios', 'gate.txt');

test('three members under fire and load: linearizable, watches complete, equal hashes, and back in time after each fault', async () => {
  const scenario = parseScenario(readFileSync(GATE, 'utf8'));
  const result = await runTrial({ members: 3, seed: Date.now() % 1e6, scenario, rate: 800 });
  expect([result.problems, result.artefacts]).toEqual([[], undefined]);
  const times = result.recoveries.map(({ ms }) => Math.round(ms));
  expect(Math.max(...times)).toBeLessThan(4_000);
  expect(percentile95(times)).toBeLessThan(3_000); // of a dozen faults that is about the worst; the long runs ask for 2 s
  expect(result.answered / result.seconds).toBeGreaterThan(100); // there was load; how much depends on who shares the machine
  expect(result.watchEvents).toBeGreaterThan(1_000);
}, 150_000);

test('a follower that answers reads from what it has, while it is cut off, is found out', async () => {
  const scenario = parseScenario('wait 1s\nisolate follower\nwait 2s\nheal\nwait 500ms');
  const result = await runTrial({ members: 3, seed: 1, scenario, rate: 500, staleReads: true });
  expect(result.problems.join('\n')).toContain('not linearizable: an operation was called after another had returned');
  if (result.artefacts !== undefined) rmSync(result.artefacts, { recursive: true });
}, 100_000);
