import { type BenchCase, CASES } from './cases';
import { positive, readArguments, UsageError, WARM_UP_SECONDS } from './options';

export const PROFILE_USAGE = `Usage: npm run profile -- CASE [--seconds S] [--warm-up S] [--rate R] [--out DIR]

Runs a case of the benchmark against Hexad and shows where each process spent its processor time: tables by file and by
function on standard output, and for each process a flame graph (SVG) and V8's profile in DIR.
  --seconds S   profiled time (default 5)
  --warm-up S   time of load before it (default ${WARM_UP_SECONDS})
  --rate R      open loop of R requests a second
  --out DIR     default dist/profile/CASE
  --list        prints the names of the cases`;

export interface ProfileOptions {
  readonly bench: BenchCase;
  readonly seconds: number;
  readonly warmUp: number;
  readonly rate: number | undefined;
  readonly out: string;
}

export function parseProfileOptions(
  argv: readonly string[],
): { readonly run: ProfileOptions } | { readonly print: string } {
  const { values, rest } = readArguments(argv, ['--seconds', '--warm-up', '--rate', '--out'], ['--help', '--list']);
  if (values.has('--help')) return { print: PROFILE_USAGE };
  if (values.has('--list')) return { print: CASES.map(({ name }) => name).join('\n') };
  const [name, ...more] = rest;
  if (name === undefined || more.length > 0) throw new UsageError('name one case; --list prints all');
  const bench = CASES.find((candidate) => candidate.name === name);
  if (bench === undefined) throw new UsageError(`no case ${name}; --list prints all`);
  const run: ProfileOptions = {
    bench,
    seconds: positive(values, '--seconds') ?? 5,
    warmUp: positive(values, '--warm-up') ?? WARM_UP_SECONDS,
    rate: positive(values, '--rate'),
    out: values.get('--out') ?? `dist/profile/${name}`,
  };
  return { run };
}
