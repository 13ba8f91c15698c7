import { type Arguments, parseArguments } from './arguments';
import { checkCanaries } from './canary-run';
import type { Failure, Job } from './jobs';
import { runJobs } from './pool';
import { describeFailure, describeTotals, Summary } from './report';

const PROGRESS_MS = 5_000;

async function main(): Promise<void> {
  let given: Arguments;
  try {
    given = parseArguments(process.argv.slice(2));
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    process.exitCode = 2;
    return;
  }
  const isGood = given.canaries ? await checkCanaries(given.workers) : await simulate(given);
  if (!isGood) process.exitCode = 1;
}

/** Runs the seeds until one fails. */
async function simulate({ seeds, seed, workers, defect }: Arguments): Promise<boolean> {
  const summary = new Summary();
  const jobs = Array.from(
    { length: seeds },
    (_, i): Job => ({ seed: seed + i, ...(defect === undefined ? {} : { canary: defect }) }),
  );
  const started = Date.now();
  let failure: Failure | undefined;
  const progress = setInterval(() => console.error(`${summary.seeds} of ${seeds} seeds have passed`), PROGRESS_MS);
  await runJobs(jobs, Math.min(workers, seeds), (_, result) => {
    if (result.ok) {
      summary.add(result.totals);
      if (seeds === 1) console.log(describeTotals(result.totals));
      return true;
    }
    ({ failure } = result);
    return false;
  });
  clearInterval(progress);
  const seconds = ((Date.now() - started) / 1_000).toFixed(1);
  if (failure !== undefined) console.log(describeFailure(failure, defect));
  else if (seeds > 1) console.log(`${summary.text}\nall passed in ${seconds} s`);
  return failure === undefined;
}

void main();
