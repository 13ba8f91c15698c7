import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { FailpointName } from '../../libs/failpoints';
import { buildDiskLibrary } from './disk/library';
import { Random } from './disk/random';
import { runFailpoints } from './failpoints/trial';
import { runPowerCuts } from './power-cuts';
import { randomScenario } from './random-scenario';
import { percentile95 } from './recovery';
import { parseScenario } from './scenario';
import { runTrial, type TrialResult } from './trial';

const USAGE = `npm run faults -- [--minutes N] [--members 3|5] [--seed S] [--rate R] [--scenario FILE]
npm run faults -- --power-cuts N [--members 1|3] [--seed S]
npm run faults -- --failpoints all|NAME,NAME… [--seed S]`;
const RECOVERY_MS_MAX = 4_000;
const RECOVERY_MS_P95 = 2_000;

function log(line: string): void {
  process.stderr.write(`${line}\n`);
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '5' },
      members: { type: 'string' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      rate: { type: 'string', default: '800' },
      scenario: { type: 'string' },
      'power-cuts': { type: 'string' },
      failpoints: { type: 'string' },
    },
  });
  const seed = Number(values.seed);
  if (values['power-cuts'] !== undefined) {
    return powerCuts(Number(values['power-cuts']), seed, Number(values.members ?? 1));
  }
  if (values.failpoints !== undefined) return failpoints(values.failpoints, seed);
  const members = Number(values.members ?? 3);
  const scenario =
    values.scenario === undefined
      ? randomScenario(new Random(seed), Number(values.minutes) * 60_000)
      : parseScenario(readFileSync(values.scenario, 'utf8'));
  log(`seed ${seed}, ${members} members`);
  const result = await runTrial({ members, seed, scenario, rate: Number(values.rate), onProgress: log });
  return report(result, `--seed ${seed} --members ${members}`);
}

function report(result: TrialResult, again: string): number {
  const times = result.recoveries.map(({ ms }) => ms);
  const [p95, worst] = [percentile95(times), Math.max(0, ...times)];
  const problems = [...result.problems];
  for (const { text, ms } of result.recoveries)
    if (ms > RECOVERY_MS_MAX) problems.push(`no service for ${Math.round(ms)} ms after "${text}"`);
  if (p95 > RECOVERY_MS_P95) problems.push(`service is back after ${Math.round(p95)} ms (95 of 100)`);
  for (const [message, count] of result.errors) log(`${String(count).padStart(7)} × ${message}`);
  for (const reason of result.skipped) log(`skipped: ${reason}`);
  for (const problem of problems) log(problem);
  if (result.artefacts !== undefined) log(`kept in ${result.artefacts}`);
  const figures = [
    `${result.seconds.toFixed(0)} s`,
    `${result.faults} disturbances`,
    `${result.answered} answered (${Math.round(result.answered / result.seconds)}/s)`,
    `${result.unanswered} not`,
    `${result.holes} of them found in the history`,
    `${result.watchEvents} watch events`,
    `back after ${Math.round(p95)} ms (95 of 100), ${Math.round(worst)} ms at most`,
  ];
  process.stdout.write(`${problems.length === 0 ? 'passed' : 'FAILED'} (${again}): ${figures.join(', ')}\n`);
  return problems.length === 0 ? 0 : 1;
}

async function powerCuts(kills: number, seed: number, members: number): Promise<number> {
  const library = buildDiskLibrary();
  if (library === undefined) {
    process.stdout.write('skipped: power cuts need a C compiler\n');
    return 0;
  }
  const result = await runPowerCuts({ library, seed, kills, members, onProgress: log });
  for (const problem of result.problems) log(problem);
  if (result.artefacts !== undefined) log(`kept in ${result.artefacts}*`);
  const figures = `${result.kills} kills, ${result.cuts} with the power cut, ${result.duringStart} during a start, ${result.processKills} after the death of a process; ${result.acknowledged} writes acknowledged; dropped: ${result.changesDropped} writes, ${result.changesTorn} torn, ${result.namesDropped} names`;
  process.stdout.write(
    `${result.problems.length === 0 ? 'passed' : 'FAILED'} (--power-cuts ${kills} --members ${members} --seed ${seed}): ${figures}\n`,
  );
  return result.problems.length === 0 ? 0 : 1;
}

async function failpoints(names: string, seed: number): Promise<number> {
  const points = names === 'all' ? {} : { points: names.split(',') as FailpointName[] };
  const result = await runFailpoints({ ...points, seed, onProgress: log });
  for (const problem of result.problems) log(problem);
  process.stdout.write(
    `${result.problems.length === 0 ? 'passed' : 'FAILED'} (--failpoints ${names} --seed ${seed}): a member died at ${result.passed.length} points, came back and had everything; ${result.acknowledged} writes acknowledged\n`,
  );
  return result.problems.length === 0 ? 0 : 1;
}

void main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    log(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
    process.exit(2);
  },
);
