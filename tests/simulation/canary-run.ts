import { CANARIES } from './canaries';
import type { Job } from './jobs';
import { runJobs } from './pool';

/**
 * Plants each defect in turn and runs seeds until it is caught. Prints a line for each: its name, the property that caught it
 * and the seed, or that nothing did. A defect caught by anything but one of the expected properties is not caught.
 */
export async function checkCanaries(workers: number): Promise<boolean> {
  const caught = new Map<string, string>();
  await runJobs(jobs(caught), workers, ({ seed, canary = '' }, result) => {
    const expected = CANARIES[canary]?.caughtBy ?? [];
    if (result.ok || caught.has(canary)) return true;
    const { property = 'process', message } = result.failure;
    if (expected.includes(property)) {
      caught.set(canary, property);
      console.log(`caught: ${canary}: ${property} (seed ${seed})`);
    } else console.log(`other: ${canary}: ${property}: ${message.slice(0, 200)} (seed ${seed})`);
    return true;
  });
  const missed = Object.keys(CANARIES).filter((name) => !caught.has(name));
  for (const name of missed) console.log(`missed: ${name}`);
  return missed.length === 0;
}

function* jobs(caught: ReadonlyMap<string, string>): Generator<Job> {
  for (const [canary, { seedsMax }] of Object.entries(CANARIES)) {
    for (let seed = 1; seed <= seedsMax && !caught.has(canary); seed++) yield { seed, canary };
  }
}
