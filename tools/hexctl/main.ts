import { Command, CommanderError } from 'commander';
import { RequestError } from '../../libs/client';
import { ETCD_VERSION } from '../../libs/limits';
import { addClusterCommands } from './cluster-commands';
import { ExitCode, Failure } from './failure';
import { addInsightCommands } from './insight-commands';
import { addKeyCommands } from './key-commands';
import { say } from './output';

/** gRPC code Unavailable. */
const UNAVAILABLE = 14;

/** etcdctl's commands and flags as far as they are built, and Hexad's own. */
export function createProgram(env: NodeJS.ProcessEnv): Command {
  const variable = (name: string): string | undefined => env[`ETCDCTL_${name}`];
  const program = new Command('hexctl')
    .description(
      'A command line client for Hexad and etcd: the commands of etcdctl, and where the time of requests goes.',
    )
    .option('--endpoints <list>', 'gRPC endpoints', variable('ENDPOINTS') ?? '127.0.0.1:2379')
    .option(
      '-w, --write-out <format>',
      'set the output format (json, simple, table)',
      variable('WRITE_OUT') ?? 'simple',
    )
    .option('--hex', 'print byte strings as hex encoded strings')
    .option('--dial-timeout <duration>', 'dial timeout for client connections', variable('DIAL_TIMEOUT') ?? '2s')
    .option('--command-timeout <duration>', 'timeout for short running command', variable('COMMAND_TIMEOUT') ?? '5s')
    .option(
      '--cacert <file>',
      'verify certificates of TLS-enabled secure servers using this CA bundle',
      variable('CACERT'),
    )
    .option('--cert <file>', 'identify secure client using this TLS certificate file', variable('CERT'))
    .option('--key <file>', 'identify secure client using this TLS key file', variable('KEY'))
    .option('--insecure-skip-tls-verify', 'skip server certificate verification')
    .option('--user <name[:password]>', 'username[:password] for authentication', variable('USER'))
    .option('--password <password>', 'password for authentication', variable('PASSWORD'))
    .option('--auth-jwt-token <token>', 'JWT token used for authentication', variable('AUTH_JWT_TOKEN'))
    .option('--timing', 'print where the time of the request went, as a waterfall on standard error')
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'Error: ')) });
  addKeyCommands(program);
  addClusterCommands(program);
  addInsightCommands(program);
  program
    .command('version')
    .description('Prints the version of hexctl')
    .action(() => say(`hexctl version: ${ETCD_VERSION}\nAPI version: 3.7\n`));
  for (const command of commandsOf(program)) command.exitOverride().copyInheritedSettings(program);
  return program;
}

function commandsOf(command: Command): Command[] {
  return command.commands.flatMap((child) => [child, ...commandsOf(child)]);
}

function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : ExitCode.ERROR;
  if (error instanceof Failure) return error.exitCode;
  if (error instanceof RequestError) return error.code === UNAVAILABLE ? ExitCode.BAD_CONNECTION : ExitCode.ERROR;
  return ExitCode.ERROR;
}

createProgram(process.env)
  .parseAsync(process.argv)
  .catch((error: unknown) => {
    const message = error instanceof Error ? error.message : String(error);
    if (!(error instanceof CommanderError) && message !== '') process.stderr.write(`Error: ${message}\n`);
    process.exitCode = exitCodeOf(error);
  });
