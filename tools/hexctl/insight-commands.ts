import type { Command } from 'commander';
import type { Client, SlowestDocument, StageSummary, TopDocument } from '../../libs/client';
import { chosenClients } from './cluster-commands';
import { diagnose } from './diagnose/checks';
import { samplesOf, sumOf, takeSnapshot } from './diagnose/snapshot';
import { ExitCode, Failure } from './failure';
import { integer } from './key-commands';
import { say, table } from './output';
import { globalOf } from './session';
import { breakdownWaterfall, millis } from './waterfall';

const BARS = ' ▁▂▃▄▅▆▇█';
const CLEAR = '\x1b[2J\x1b[H';

interface LiveFlags {
  readonly live?: boolean;
  readonly interval: number;
  readonly count: number;
  readonly seconds: number;
}

/** trace, top, diagnose and log-level: what etcdctl does not have. */
export function addInsightCommands(program: Command): void {
  program
    .command('trace [id]')
    .description(
      'The slowest requests that the members remember, or one request (by request id or trace id) as a waterfall',
    )
    .option('--count <n>', 'how many requests', integer, 20)
    .option('--seconds <n>', 'only requests of the last seconds; 0: all that are remembered', integer, 60)
    .option('--live', 'again and again, until interrupted')
    .option('--interval <seconds>', 'between two looks', integer, 2)
    .action((id: string | undefined, flags: LiveFlags) =>
      id === undefined ? live(flags, () => slowest(program, flags)) : one(program, id),
    );
  program
    .command('top')
    .description('What the members do: requests, prefixes, clients, stages, processes, disks, followers')
    .option('--live', 'again and again, until interrupted')
    .option('--interval <seconds>', 'between two looks', integer, 2)
    .action((flags: LiveFlags) => live(flags, () => top(program)));
  program
    .command('diagnose')
    .description('Runs the checks that an expert would, and prints findings with evidence and advice')
    .option('--cluster', 'use all endpoints from the cluster member list')
    .action((flags: { readonly cluster?: boolean }) => diagnosis(program, flags.cluster === true));
  program
    .command('log-level [level]')
    .description('Prints the log level of the processes of the members, or changes it')
    .action((level: string | undefined) =>
      onAll(program, async (client, endpoint) =>
        say(`${endpoint}: ${JSON.stringify(await client.logLevel(level ?? ''))}\n`),
      ),
    );
}

/** Every endpoint in turn; one that does not answer is told of, and the exit code is not 0. */
async function onAll(program: Command, use: (client: Client, endpoint: string) => Promise<void>): Promise<void> {
  let failed = false;
  for (const { endpoint, client } of await chosenClients(program, false)) {
    try {
      await use(client, endpoint);
    } catch (error) {
      failed = true;
      process.stderr.write(`Error: ${endpoint}: ${error instanceof Error ? error.message : String(error)}\n`);
    } finally {
      client.close();
    }
  }
  if (failed) throw new Failure('', ExitCode.ERROR);
}

async function live({ live: again, interval }: LiveFlags, show: () => Promise<void>): Promise<void> {
  if (again !== true) return show();
  for (;;) {
    say(CLEAR);
    await show();
    await new Promise((resolve) => setTimeout(resolve, interval * 1000));
  }
}

async function slowest(program: Command, { count, seconds }: LiveFlags): Promise<void> {
  const documents: SlowestDocument[] = [];
  await onAll(program, async (client) => void documents.push(await client.slowest(count, seconds)));
  const requests = documents
    .flatMap((document) => document.requests)
    .sort((a, b) => b.totalMicros - a.totalMicros)
    .slice(0, count);
  if (globalOf(program).writeOut === 'json') {
    say(`${JSON.stringify({ requests, members: documents.map(({ member, ops }) => ({ member, ops })) })}\n`);
    return;
  }
  const rows = requests.map(({ id, op, member, totalMicros, cause, error }) => [
    id,
    op,
    member,
    millis(totalMicros),
    cause.stage,
    cause.process,
    error || cause.reason,
  ]);
  say(table(['REQUEST', 'OP', 'MEMBER', 'MS', 'STAGE', 'WHERE', 'WHY'], rows));
  for (const { member, ops } of documents) {
    for (const { op, count: times, stages } of ops) {
      say(`\n${member} ${op}: ${times} requests; histogram of 10 µs × 2^i\n`);
      for (const stage of stages) say(stageLine(stage));
    }
  }
}

function stageLine({ stage, p50Micros, p99Micros, buckets }: StageSummary): string {
  const most = Math.max(1, ...buckets);
  const bars = buckets
    .map((count) => BARS[count === 0 ? 0 : Math.max(1, Math.round((8 * count) / most))] ?? '')
    .join('');
  return `  ${stage.padEnd(13)} |${bars}| p50 ${millis(p50Micros)} ms, p99 ${millis(p99Micros)} ms\n`;
}

async function one(program: Command, id: string): Promise<void> {
  let found = false;
  await onAll(program, async (client) => {
    const request = await client.trace(id);
    if (request === undefined || found) return;
    found = true;
    say(globalOf(program).writeOut === 'json' ? `${JSON.stringify(request)}\n` : breakdownWaterfall(request));
  });
  if (!found) throw new Failure(`no member remembers a request ${id}`, ExitCode.ERROR);
}

async function top(program: Command): Promise<void> {
  const documents: TopDocument[] = [];
  await onAll(program, async (client) => void documents.push(await client.top()));
  if (globalOf(program).writeOut === 'json') say(`${JSON.stringify(documents)}\n`);
  else for (const document of documents) say(topText(document));
}

export function topText(document: TopDocument): string {
  const { member, memberId, leaderId, term, ops, prefixes, clients, fsyncP99Micros } = document;
  const role = memberId === leaderId ? 'leader' : 'follower';
  const lines = [`${member} (${memberId}), ${role} in term ${term}\n`];
  lines.push(
    table(
      ['OP', 'REQUESTS', 'P50 MS', 'P99 MS'],
      ops.map((one) => [one.op, String(one.count), millis(one.p50Micros), millis(one.p99Micros)]),
    ),
  );
  const stages = ops.flatMap(({ op, stages: all }) =>
    all.map(({ stage, p50Micros, p99Micros }) => [op, stage, millis(p50Micros), millis(p99Micros)]),
  );
  lines.push(table(['OP', 'STAGE', 'P50 MS', 'P99 MS'], stages));
  const named = (name: string, head: string): string =>
    table(
      [head, 'REQUESTS'],
      (name === 'prefix' ? prefixes : clients).map((entry) => [entry.name, String(entry.count)]),
    );
  lines.push(named('prefix', 'HOT PREFIX'), named('client', 'HOT CLIENT'));
  const processes = samplesOf(document, 'hexad_process_up').map(({ labels }) => labels['process'] ?? '');
  const rows = processes.map((process) => {
    const delay = sumOf(document, 'hexad_event_loop_delay_seconds', { process, quantile: '0.99' });
    const cpu = sumOf(document, 'hexad_process_cpu_seconds_total', { process }).toFixed(2);
    const memory = (sumOf(document, 'hexad_process_resident_memory_bytes', { process }) / 1024 ** 2).toFixed(0);
    return [process, cpu, memory, (delay * 1000).toFixed(1)];
  });
  lines.push(table(['PROCESS', 'CPU S', 'MEMORY MIB', 'LOOP DELAY P99 MS'], rows));
  lines.push(
    table(
      ['DISK OF', 'FSYNC P99 MS'],
      Object.entries(fsyncP99Micros).map(([name, micros]) => [name, millis(micros)]),
    ),
  );
  const lags = samplesOf(document, 'hexad_raft_follower_lag_entries').map(({ labels, value }) => [
    labels['To'] ?? '',
    String(value),
  ]);
  if (lags.length > 0) lines.push(table(['FOLLOWER', 'ENTRIES BEHIND'], lags));
  return lines.join('');
}

async function diagnosis(program: Command, cluster: boolean): Promise<void> {
  const members = await chosenClients(program, cluster);
  try {
    const findings = diagnose(await takeSnapshot(members));
    if (globalOf(program).writeOut === 'json') say(`${JSON.stringify(findings)}\n`);
    else if (findings.length === 0) say('no findings\n');
    else {
      for (const { severity, id, member, evidence, advice } of findings) {
        say(`${severity.toUpperCase()} ${id}${member === '' ? '' : ` (${member})`}: ${evidence}\n    ${advice}\n`);
      }
    }
    if (findings.some(({ severity }) => severity === 'critical')) throw new Failure('', ExitCode.ERROR);
  } finally {
    for (const { client } of members) client.close();
  }
}
