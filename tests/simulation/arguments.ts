import { availableParallelism } from 'node:os';

export interface Arguments {
  readonly seeds: number;
  readonly seed: number;
  readonly workers: number;
  readonly canaries: boolean;
  /** A canary whose defect is planted. */
  readonly defect?: string;
}

export const USAGE = `usage: npm run simulate -- [--seeds N] [--seed S] [--workers W] [--defect NAME] [--canaries]
  --seeds N    how many seeds to run (1)
  --seed S     the first of them (1)
  --workers W  how many at once (as many as there are processors)
  --defect NAME  plant one of the known defects (see canaries/)
  --canaries   plant each known defect and check that it is caught`;

/** Throws an Error with the usage when they make no sense. */
export function parseArguments(given: readonly string[]): Arguments {
  const numbers: Record<string, number> = { seeds: 1, seed: 1, workers: availableParallelism() };
  let canaries = false;
  let defect: string | undefined;
  for (let i = 0; i < given.length; i++) {
    const name = (given[i] as string).replace(/^--/, '');
    if (name === 'canaries') {
      canaries = true;
      continue;
    }
    if (name === 'defect') {
      defect = given[++i];
      continue;
    }
    const value = Number(given[++i]);
    if (!(name in numbers) || !Number.isInteger(value) || value < 1) throw new Error(USAGE);
    numbers[name] = value;
  }
  const { seeds = 1, seed = 1, workers = 1 } = numbers;
  return { seeds, seed, workers, canaries, ...(defect === undefined ? {} : { defect }) };
}
