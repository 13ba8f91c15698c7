import { type ChildProcess, fork } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ConfigError } from '../../libs/config';
import type { ProcessRow } from './supervisor';

const USAGE = `Usage: npm start -- [--members N] [--data-dir DIR]

  --members N      members on this machine: 1 (default), or 3, 5, … (client ports 2379, 22379, 32379, …)
  --data-dir DIR   where m1, m2, … keep their data (default: ./data)

Any other flag is handed to every member; see bin/hexad --help.`;

interface Options {
  readonly members: number;
  readonly dataDir: string;
  readonly rest: readonly string[];
}

/** What a member tells the process that forked it (see `run-forked.ts`). */
type Report = { readonly ready: readonly ProcessRow[] } | { readonly error: string };

function parse(argv: readonly string[]): Options {
  let members = 1;
  let dataDir = 'data';
  const rest: string[] = [];
  for (let at = 0; at < argv.length; at++) {
    const argument = argv[at] ?? '';
    const [, name = '', , inline] = /^--?([^=]+)(=(.*))?$/.exec(argument) ?? [];
    if (name === 'h' || name === 'help') return finish(USAGE, 0);
    if (name !== 'members' && name !== 'data-dir') {
      rest.push(argument);
      continue;
    }
    const value = inline ?? argv[++at] ?? '';
    if (name === 'data-dir') dataDir = value;
    else members = Number(value);
  }
  if (!Number.isInteger(members) || members < 1 || members > 6)
    throw new ConfigError('--members must be a number from 1 to 6');
  if (dataDir === '') throw new ConfigError('--data-dir needs a directory');
  return { members, dataDir: resolve(dataDir), rest };
}

function finish(text: string, code: number): never {
  process.stdout.write(`${text}\n`);
  process.exit(code);
}

/** Data of another number of members would start as something else than what the user left. */
function checkMembers({ members, dataDir }: Options): void {
  if (!existsSync(dataDir)) return;
  const found = readdirSync(dataDir).filter(
    (name) => /^m\d+$/.test(name) && existsSync(join(dataDir, name, 'member')),
  ).length;
  if (found > 0 && found !== members) {
    throw new ConfigError(
      `${dataDir} has the data of ${found} member${found === 1 ? '' : 's'}: start it with --members ${found}, or choose another --data-dir`,
    );
  }
}

function clientPort(member: number): number {
  return member === 1 ? 2379 : member * 10_000 + 2379;
}

function memberFlags(options: Options, member: number): string[] {
  const peer = (m: number): string => `http://127.0.0.1:${clientPort(m) + 1}`;
  const client = `http://127.0.0.1:${clientPort(member)}`;
  const all = Array.from({ length: options.members }, (_, at) => at + 1);
  return [
    `--name=m${member}`,
    `--data-dir=${join(options.dataDir, `m${member}`)}`,
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer(member)}`,
    `--initial-advertise-peer-urls=${peer(member)}`,
    `--initial-cluster=${all.map((m) => `m${m}=${peer(m)}`).join(',')}`,
    ...options.rest,
  ];
}

/** Runs the members, each a process of its own with its six below it, and stops all of them when one ends or on a signal. */
class Cluster {
  private readonly members = new Map<number, ChildProcess>();
  private readonly tables = new Map<number, readonly ProcessRow[]>();
  private exitCode = 0;
  private stopping = false;

  constructor(private readonly options: Options) {}

  start(): void {
    for (let member = 1; member <= this.options.members; member++) this.fork(member);
    process.on('SIGINT', () => this.stop(0));
    process.on('SIGTERM', () => this.stop(0));
  }

  private fork(member: number): void {
    const child = fork(join(__dirname, 'run-forked.js'), memberFlags(this.options, member), { detached: true });
    this.members.set(member, child);
    child.on('message', (report: Report) => this.hear(member, report));
    child.once('exit', (code) => this.ended(member, code ?? 1));
  }

  private hear(member: number, report: Report): void {
    if ('error' in report) {
      if (!this.stopping) process.stderr.write(`hexad m${member}: ${report.error}\n`);
      return;
    }
    this.tables.set(member, report.ready);
    if (this.tables.size === this.options.members && !this.stopping) this.printReady();
  }

  private printReady(): void {
    const rows = [...this.tables]
      .sort(([a], [b]) => a - b)
      .flatMap(([member, table]) => table.map((row) => ({ member, ...row })));
    const lines = rows.map(
      (row) => `m${row.member}  ${row.name.padEnd(8)}${String(row.pid).padStart(8)}  ${row.address}`,
    );
    const endpoints = Array.from({ length: this.options.members }, (_, at) => `127.0.0.1:${clientPort(at + 1)}`).join(
      ',',
    );
    process.stdout.write(
      `    process      pid  address\n${lines.join('\n')}\nready: etcdctl --endpoints ${endpoints}\n`,
    );
  }

  private ended(member: number, code: number): void {
    this.members.delete(member);
    this.stop(code);
    if (this.members.size === 0) process.exit(this.exitCode);
  }

  private stop(code: number): void {
    if (this.exitCode === 0) this.exitCode = code;
    if (this.stopping) return;
    this.stopping = true;
    for (const child of this.members.values()) child.kill('SIGTERM');
  }
}

function main(): void {
  try {
    const options = parse(process.argv.slice(2));
    checkMembers(options);
    if (options.members > 1 && (process.env['GOFAIL_HTTP'] ?? '') !== '')
      throw new ConfigError('GOFAIL_HTTP is the address of one member: start each with bin/hexad to give each its own');
    new Cluster(options).start();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`hexad: ${error.message}\n`);
    process.exit(1);
  }
}

main();
