import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { ConfigError } from '../../libs/config';
import { type CertificateOptions, makeCertificates } from './certificates';
import { defragmentDirectory } from './defrag';
import { ExitCode, Failure } from './failure';
import { snapshotHashKv, snapshotStatus } from './inspect';
import { checkFormat, printHashKv, printStatus } from './printers';
import { restoreSnapshot, type RestoreOptions } from './restore';
import { versionText } from './version';

interface Global {
  readonly writeOut: string;
}

const NO_MIGRATION =
  'a data directory of Hexad has no storage version of etcd to migrate: take a snapshot of the running member (etcdctl snapshot save), which every etcd from 3.4 on can restore';

/** etcdutl's commands and flags. */
function createProgram(): Command {
  const program = new Command('hexutl')
    .description('An administrative command line tool for Hexad: works on files, without a running member.')
    .option('-w, --write-out <format>', 'set the output format (fields, json, simple, table)', 'simple')
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'Error: ')) });
  program.addCommand(snapshotCommand(program));
  const child = (name: string, description: string): Command =>
    program.command(name).description(description).exitOverride().copyInheritedSettings(program);
  child('hashkv <filename>', 'Prints the KV history hash of a given file')
    .option('--rev <revision>', 'maximum revision to hash (default: latest revision)', integer, 0)
    .action(async (path: string, { rev }: { rev: number }) => {
      const { writeOut } = formatOf(program);
      say(printHashKv(await snapshotHashKv(path, rev), writeOut));
    });
  child('defrag', 'Defragments the storage of a member that does not run')
    .requiredOption('--data-dir <dir>', 'data directory')
    .action(({ dataDir }: { dataDir: string }) => defragmentDirectory(dataDir));
  child('migrate', 'Not needed')
    .option('--data-dir <dir>', 'data directory')
    .option('--target-version <version>', 'X.Y')
    .option('--force', 'ignored')
    .action(() => refuse(NO_MIGRATION));
  child('certificates', 'Makes the certificates of a whole cluster, where they are missing or near their end')
    .requiredOption('--dir <dir>', 'folder that gets a folder for each role, and one for the authorities')
    .option('--members <names>', 'names of the members', names, ['m1', 'm2', 'm3'])
    .option('--member-host <host>', 'how the processes of a member are dialled', '{member}-{role}')
    .option('--client-hosts <hosts>', 'names and addresses by which clients reach the proxies', names, [])
    .option('--days <days>', 'how long certificates are good', days, 825)
    .action((options: CertificateOptions) => makeCertificates(options, say));
  child('version', 'Prints the version').action(() => say(versionText()));
  return program;
}

function snapshotCommand(program: Command): Command {
  const snapshot = new Command('snapshot').description('Manages snapshots').copyInheritedSettings(program);
  const child = (name: string, description: string): Command =>
    snapshot.command(name).description(description).exitOverride().copyInheritedSettings(program);
  child('save [filename]', 'Downloads a snapshot: see etcdctl').action(() =>
    refuse('In order to download snapshot use: `etcdctl snapshot save ...`', ExitCode.BAD_ARGS),
  );
  child('status <filename>', 'Gets the status of a snapshot file').action((path: string) => {
    const { writeOut } = formatOf(program);
    say(printStatus(snapshotStatus(path), writeOut));
  });
  child(
    'restore <filename>',
    "Makes a member's data directory from a snapshot or the database of an etcd data directory",
  )
    .requiredOption('--data-dir <dir>', 'path to the output data directory')
    .option('--wal-dir <dir>', 'path to the WAL directory (default: within --data-dir)', '')
    .option('--name <name>', 'human-readable name of this member', 'default')
    .option('--initial-cluster <members>', 'initial cluster configuration', 'default=http://localhost:2380')
    .option('--initial-cluster-token <token>', 'token of the new cluster', 'etcd-cluster')
    .option('--initial-advertise-peer-urls <urls>', "this member's peer URLs", 'http://localhost:2380')
    .option('--skip-hash-check', 'ignore the hash at the end of the snapshot, or that it has none', false)
    .option('--initial-memory-map-size <bytes>', 'has no effect', integer)
    .option('--bump-revision <number>', 'how much to increase the latest revision', integer, 0)
    .option('--mark-compacted', 'mark the latest revision as compacted (required with --bump-revision)', false)
    .action((path: string, options: RestoreOptions) => restoreSnapshot(path, options));
  return snapshot;
}

function formatOf(program: Command): Global {
  const options = program.opts<{ writeOut: string }>();
  checkFormat(options.writeOut);
  return options;
}

function names(text: string): string[] {
  return text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}

function days(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || value > 3_650) throw new InvalidArgumentError('Not a number from 1 to 3650.');
  return value;
}

/** From 0 to 2^53 − 1. */
function integer(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value))
    throw new InvalidArgumentError('Not a number from 0 to 2^53 - 1.');
  return value;
}

function refuse(reason: string, exitCode: number = ExitCode.ERROR): never {
  throw new Failure(reason, exitCode);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** One line for what the user can mend; a stack only for our own mistakes. */
function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode;
  if (!(error instanceof Failure) && !(error instanceof ConfigError)) throw error;
  process.stderr.write(`Error: ${error.message}\n`);
  return error instanceof Failure ? error.exitCode : ExitCode.ERROR;
}

createProgram()
  .parseAsync(process.argv)
  .catch((error: unknown) => {
    process.exitCode = exitCodeOf(error);
  });
