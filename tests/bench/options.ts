import { ATTRIBUTION_COST } from './attribution-cost';
import { type BenchCase, CASES, chosenCases } from './cases';

export const USAGE = `Usage: npm run bench -- [--case NAME]… [--rounds N] [--seconds S] [--warm-up S] [--rate R]
                     [--etcd PATH | --no-etcd] [--out DIR] [--check]

Runs each case on Hexad and on a real etcd in turn, round by round, on this machine, and prints medians and ratios.
  --case NAME    only this case; a trailing * matches all that begin so; may be repeated
  --case attribution-cost
                 what stage stamps cost: Hexad with them on and off in pairs of rounds (default 10); with --out DIR
                 pairs are kept there and those of earlier runs count too: --rounds 2, five times, is ten pairs
  --rounds N     rounds (default 3)
  --seconds S    measured time of a case (default 5)
  --warm-up S    time of load before it, the same for both (default 5)
  --rate R       open loop: requests (or watched puts) are due R times a second, whatever was answered
  --etcd PATH    the etcd to compare with (default: ETCD_BIN, else etcd on PATH)
  --no-etcd      Hexad alone
  --out DIR      writes result.json and chart.svg there
  --check        exit code 1 when a required ratio is missed
  --list         prints the names of the cases`;

export interface Options {
  readonly cases: readonly BenchCase[];
  readonly rounds: number;
  readonly seconds: number;
  readonly warmUp: number;
  readonly rate: number | undefined;
  /** Undefined: Hexad alone. */
  readonly etcd: string | undefined;
  readonly out: string | undefined;
  readonly check: boolean;
  /** Instead of the cases: what stage stamps cost. */
  readonly attributionCost: boolean;
}

/** A mistake in the arguments; the message says which. */
export class UsageError extends Error {}

/** What to do instead of measuring. */
export type Command = { readonly run: Options } | { readonly print: string };

export function parseOptions(argv: readonly string[], etcdBinary: string | undefined): Command {
  const {
    values,
    cases: patterns,
    rest,
  } = readArguments(argv, WITH_VALUE, ['--check', '--no-etcd', '--help', '--list']);
  if (rest.length > 0) throw new UsageError(`unknown argument ${rest.join(' ')}`);
  if (values.has('--help')) return { print: USAGE };
  if (values.has('--list')) return { print: [...CASES.map(({ name }) => name), ATTRIBUTION_COST].join('\n') };
  if (values.has('--etcd') && values.has('--no-etcd')) throw new UsageError('--etcd and --no-etcd exclude each other');
  const attributionCost = patterns.includes(ATTRIBUTION_COST);
  if (attributionCost && patterns.length > 1) throw new UsageError(`${ATTRIBUTION_COST} runs alone`);
  for (const pattern of attributionCost ? [] : patterns) {
    if (chosenCases([pattern]).length === 0) throw new UsageError(`no case ${pattern}; --list prints all`);
  }
  const rounds = positive(values, '--rounds') ?? (attributionCost ? 10 : 3);
  if (!Number.isInteger(rounds)) throw new UsageError('--rounds must be a whole number');
  const run: Options = {
    cases: chosenCases(attributionCost ? [] : patterns),
    rounds,
    seconds: positive(values, '--seconds') ?? 5,
    warmUp: positive(values, '--warm-up') ?? WARM_UP_SECONDS,
    rate: positive(values, '--rate'),
    etcd: values.has('--no-etcd') ? undefined : (values.get('--etcd') ?? etcdBinary ?? 'etcd'),
    out: values.get('--out'),
    check: values.has('--check'),
    attributionCost,
  };
  return { run };
}

const WITH_VALUE = ['--case', '--rounds', '--seconds', '--warm-up', '--rate', '--etcd', '--out'];

export interface Arguments {
  /** By flag; the last one counts, those without a value have an empty one. */
  readonly values: ReadonlyMap<string, string>;
  /** All values of `--case`. */
  readonly cases: readonly string[];
  /** What is no flag. */
  readonly rest: readonly string[];
}

export function readArguments(
  argv: readonly string[],
  withValue: readonly string[],
  withoutValue: readonly string[],
): Arguments {
  const values = new Map<string, string>();
  const cases: string[] = [];
  const rest: string[] = [];
  for (let at = 0; at < argv.length; at++) {
    const argument = argv[at] ?? '';
    if (withoutValue.includes(argument)) values.set(argument, '');
    else if (withValue.includes(argument)) {
      const value = argv[++at];
      if (value === undefined || value.startsWith('--')) throw new UsageError(`${argument} needs a value`);
      if (argument === '--case') cases.push(value);
      else values.set(argument, value);
    } else if (argument.startsWith('-')) throw new UsageError(`unknown flag ${argument}`);
    else rest.push(argument);
  }
  return { values, cases, rest };
}

/** The value of `flag` as a positive number; undefined: it was not given. */
export function positive(values: ReadonlyMap<string, string>, flag: string): number | undefined {
  const text = values.get(flag);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!(value > 0 && Number.isFinite(value))) throw new UsageError(`${flag} must be a positive number`);
  return value;
}

/** Seconds of load before measuring. All processes have compiled their hot paths after two or three. */
export const WARM_UP_SECONDS = 5;
