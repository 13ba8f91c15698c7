import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { measureCost } from './attribution-cost';
import type { BenchCase } from './cases';
import { chart } from './chart';
import { machineFacts } from './machine';
import type { Measurement } from './measurement';
import { Meeting } from './meeting';
import { type Options, parseOptions, USAGE, UsageError } from './options';
import { cpuTable, notes, progressLine, rowsOf, table } from './report';
import { runCase, type RunOptions } from './run-case';
import { ServerCluster, type ServerKind } from './servers';
import { misses } from './targets';

async function bench(options: Options): Promise<void> {
  const machine = machineFacts(options.etcd);
  print(Object.entries(machine).map(([key, value]) => `${key}: ${value}`));
  if (options.attributionCost) {
    const { lines, exceeded } = await measureCost(options);
    print(lines);
    if (options.check && exceeded) process.exitCode = 1;
    return;
  }
  const measurements = await measureAll(options);
  const rows = rowsOf(options.cases, measurements);
  const missed = misses(rows);
  print(['', table(rows), '', cpuTable(rows), '', ...notes(rows)]);
  print(missed.length === 0 ? ['all required ratios that were measured are reached'] : missed);
  if (options.out !== undefined) {
    mkdirSync(options.out, { recursive: true });
    const { rounds, seconds, warmUp, rate } = options;
    const result = { machine, options: { rounds, seconds, warmUp, rate }, rows, missed, measurements };
    writeFileSync(join(options.out, 'result.json'), `${JSON.stringify(result, undefined, 2)}\n`);
    writeFileSync(join(options.out, 'chart.svg'), chart(rows, `${machine['cpu']}, ${machine['commit']}`));
  }
  if (options.check && missed.length > 0) process.exitCode = 1;
}

/** The servers take turns in going first, since what runs later finds another machine (caches, the host's other guests). */
async function measureAll(options: Options): Promise<Measurement[]> {
  const measurements: Measurement[] = [];
  const { seconds, rate, etcd = '' } = options;
  const keep = (measured: readonly Measurement[]): void => {
    measurements.push(...measured);
    for (const one of measured) process.stderr.write(`${progressLine(one)}\n`);
  };
  for (let round = 1; round <= options.rounds; round++) {
    for (const bench of options.cases) {
      const run = { seconds, rate, etcd, warmUpSeconds: options.warmUp * (bench.warmUps ?? 1) };
      if (bench.without !== undefined) {
        keep(await runPair(bench, bench.without, round, run));
        continue;
      }
      const servers: ServerKind[] = options.etcd === undefined ? ['hexad'] : ['hexad', 'etcd'];
      if (round % 2 === 0) servers.reverse();
      for (const server of servers) {
        if (server === 'etcd' && bench.kind === 'hub') continue;
        keep([await runCase(bench, server, round, run)]);
      }
    }
  }
  return measurements;
}

/**
 * Both at the same time, under the same load: a difference of a few per cent is less than what the machine is slower or faster
 * from one minute to the next.
 */
async function runPair(
  bench: BenchCase,
  without: Readonly<Record<string, string>>,
  round: number,
  run: RunOptions,
): Promise<Measurement[]> {
  const servers: ServerKind[] = ['hexad', 'without'];
  if (round % 2 === 0) servers.reverse();
  const meeting = new Meeting(servers.length);
  const started = (): Promise<void> => meeting.arrive();
  const runs = await Promise.allSettled(
    servers.map(async (server) => {
      try {
        const environment = server === 'without' ? without : {};
        return await runCase(bench, server, round, { ...run, environment, started });
      } finally {
        meeting.callOff();
      }
    }),
  );
  return runs.map((one) => {
    if (one.status === 'rejected') throw one.reason;
    return one.value;
  });
}

function print(lines: readonly string[]): void {
  process.stdout.write(`${lines.join('\n')}\n`);
}

async function main(): Promise<void> {
  const command = parseOptions(process.argv.slice(2), process.env['ETCD_BIN']);
  ServerCluster.stopAtSignals();
  if ('print' in command) print([command.print]);
  else await bench(command.run);
}

main().catch((error: unknown) => {
  const usage = error instanceof UsageError;
  process.stderr.write(
    `bench: ${error instanceof Error ? error.message : String(error)}\n${usage ? `${USAGE}\n` : ''}`,
  );
  process.exit(usage ? 2 : 1);
});
