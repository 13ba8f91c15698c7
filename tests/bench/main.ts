import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { type BenchCase, CASES, fill } from './cases';
import { type LoadResult, runLoad } from './load';
import { chart, type Measurement, rows, table } from './report';
import { ServerCluster, type ServerKind, type Usage } from './servers';
import { runWatchLoad } from './watch-load';

/** Both servers run hot: V8 compiles the hot path within this time, etcd's caches fill. */
const WARM_UP_MS = 5_000;

const USAGE = `Usage: npm run bench -- [--case NAME]… [--rounds N] [--seconds S] [--etcd PATH | --no-etcd] [--out DIR] [--check]

Runs each case on Hexad and on a real etcd in turn, round by round, on this machine, and prints medians and ratios.
  --case NAME   only this case; a trailing * matches all that begin so; may be repeated
  --rounds N    rounds (default 3)
  --seconds S   measured time of a case (default 5)
  --etcd PATH   the etcd to compare with (default: ETCD_BIN, else etcd on PATH)
  --no-etcd     Hexad alone
  --out DIR     writes result.json and chart.svg there
  --check       exit code 1 when a required ratio is missed`;

interface Options {
  cases: BenchCase[];
  rounds: number;
  seconds: number;
  etcd: string | undefined;
  out: string | undefined;
  check: boolean;
}

function parse(argv: readonly string[]): Options {
  const options: Options = {
    cases: [],
    rounds: 3,
    seconds: 5,
    etcd: process.env['ETCD_BIN'] ?? 'etcd',
    out: undefined,
    check: false,
  };
  const names: string[] = [];
  for (let at = 0; at < argv.length; at++) {
    const flag = argv[at];
    const value = (): string => argv[++at] ?? fail(`${String(flag)} needs a value`);
    if (flag === '--case') names.push(value());
    else if (flag === '--rounds') options.rounds = Number(value());
    else if (flag === '--seconds') options.seconds = Number(value());
    else if (flag === '--etcd') options.etcd = value();
    else if (flag === '--no-etcd') options.etcd = undefined;
    else if (flag === '--out') options.out = value();
    else if (flag === '--check') options.check = true;
    else fail(flag === '--help' ? '' : `unknown flag ${String(flag)}`);
  }
  const matches = (name: string, pattern: string): boolean =>
    pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
  options.cases = CASES.filter(({ name }) => names.length === 0 || names.some((pattern) => matches(name, pattern)));
  if (options.cases.length === 0) fail(`no such case; there are: ${CASES.map(({ name }) => name).join(', ')}`);
  if (!(options.rounds > 0 && options.seconds > 0)) fail('--rounds and --seconds must be positive');
  return options;
}

function fail(message: string): never {
  process.stderr.write(`${message === '' ? '' : `bench: ${message}\n`}${USAGE}\n`);
  process.exit(message === '' ? 0 : 2);
}

async function measure(bench: BenchCase, server: ServerKind, options: Options): Promise<Measurement> {
  const cluster = await ServerCluster.start(server, bench.members, options.etcd ?? '');
  try {
    let before: Usage = cluster.usage();
    let after: Usage = before;
    const onMeasure = (): void => void (before = cluster.usage());
    const onDone = (): void => void (after = cluster.usage());
    const ms = options.seconds * 1_000;
    let result: LoadResult;
    if (bench.kind === 'watch') result = await runWatchLoad(cluster.ports, bench, WARM_UP_MS, ms, onMeasure, onDone);
    else {
      await fill(cluster.ports[0] ?? 0, bench.keysBefore);
      result = await runLoad(
        {
          ports: cluster.ports,
          clients: bench.clients,
          connections: bench.connections,
          warmUpMs: WARM_UP_MS,
          measureMs: ms,
        },
        bench.operation(),
        onMeasure,
        onDone,
      );
    }
    return summarise(bench, server, result, before, after);
  } finally {
    await cluster.stop();
  }
}

function summarise(bench: BenchCase, server: ServerKind, result: LoadResult, before: Usage, after: Usage): Measurement {
  const perOperation = (seconds: number): number => (seconds * 1e6) / Math.max(1, result.operations);
  const cpuByProcess = Object.fromEntries(
    [...after.cpu].map(([name, seconds]) => [name, perOperation(seconds - (before.cpu.get(name) ?? 0))]),
  );
  return {
    case: bench.name,
    server,
    perSecond: result.operations / result.seconds,
    p50: result.latencies.quantile(0.5),
    p99: result.latencies.quantile(0.99),
    cpuMicros: Object.values(cpuByProcess).reduce((sum, value) => sum + value, 0),
    cpuByProcess,
    anonymousKb: after.anonymousKb,
    errors: Object.fromEntries(result.errors),
  };
}

function machine(options: Options): Record<string, string> {
  const text = (file: string, ...args: string[]): string => {
    try {
      return execFileSync(file, args, { encoding: 'utf8' }).split('\n')[0] ?? '';
    } catch {
      return 'unknown';
    }
  };
  return {
    cpu: `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    node: process.version,
    etcd: options.etcd === undefined ? 'none' : text(options.etcd, '--version'),
    commit: text('git', 'rev-parse', '--short', 'HEAD'),
  };
}

async function main(): Promise<void> {
  const options = parse(process.argv.slice(2));
  const about = machine(options);
  process.stdout.write(
    `${Object.entries(about)
      .map(([key, value]) => `${key}: ${value}`)
      .join('\n')}\n`,
  );
  const servers: ServerKind[] = options.etcd === undefined ? ['hexad'] : ['hexad', 'etcd'];
  const measurements: Measurement[] = [];
  for (let round = 1; round <= options.rounds; round++) {
    for (const bench of options.cases) {
      for (const server of servers) {
        const measured = await measure(bench, server, options);
        measurements.push(measured);
        const cpu = Object.entries(measured.cpuByProcess)
          .map(([name, micros]) => `${name} ${micros.toFixed(1)}`)
          .join(', ');
        process.stderr.write(
          `round ${round} ${bench.name} ${server}: ${measured.perSecond.toFixed(0)}/s p50 ${measured.p50.toFixed(2)} p99 ${measured.p99.toFixed(2)} ms, CPU µs/op ${measured.cpuMicros.toFixed(1)} (${cpu})${Object.keys(measured.errors).length > 0 ? ` errors ${JSON.stringify(measured.errors)}` : ''}\n`,
        );
      }
    }
  }
  const result = rows(options.cases, measurements);
  process.stdout.write(`${table(result)}\n`);
  if (options.out !== undefined) {
    mkdirSync(options.out, { recursive: true });
    writeFileSync(
      join(options.out, 'result.json'),
      `${JSON.stringify({ machine: about, rows: result, measurements }, undefined, 2)}\n`,
    );
    writeFileSync(join(options.out, 'chart.svg'), chart(result));
  }
  if (options.check && result.some(({ missed }) => missed.length > 0)) process.exitCode = 1;
}

void main().catch((error: unknown) => {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
