import { join } from 'node:path';
import { ConfigError, UsageError } from '../../libs/config';
import { StartError } from '../../libs/process';
import { type MemberEvents, readConfig, startMember } from './member';
import { checkHealth } from './health';
import { runSingleProcess } from './single-process';
import { usageText, versionText } from './usage';

/** `bin/hexad`: a member, with `process NAME` one of its processes, or what `gateway` and `health` say. */
async function main(argv: readonly string[]): Promise<void> {
  const [command = '', ...rest] = argv;
  if (command === 'gateway') return becomeGateway();
  if (command === 'health') return checkHealth(rest);
  if (command === 'process') return runSingleProcess(rest);
  if (argv.some((argument) => /^--?(h|help)$/.test(argument))) return print(usageText());
  if (argv.some((argument) => /^--?version(=true)?$/.test(argument))) return print(versionText());
  if (command !== '' && !command.startsWith('-')) throw new UsageError(`unknown command "${command}"`);
  await runMember(argv);
}

/** Its `main.ts` reads the command line itself. */
function becomeGateway(): void {
  require(join(__dirname, '..', 'gateway', 'main.js'));
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function runMember(argv: readonly string[]): Promise<void> {
  const events: MemberEvents = {
    onReady: () => undefined,
    onEnd: (code, reason) => {
      if (reason !== undefined) process.stderr.write(`hexad: ${reason}\n`);
      process.exit(code);
    },
  };
  const supervisor = await startMember(readConfig(argv, process.env), events, process.env);
  let signals = 0;
  const stop = (): void => {
    signals += 1;
    if (signals > 1) process.exit(1);
    void supervisor.stop();
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

/** One clear line for every mistake of the user; a stack only for ours. */
function report(error: unknown): void {
  if (error instanceof UsageError) {
    process.stderr.write(`hexad: ${error.message}\n${usageText()}\n`);
    process.exit(2);
  }
  if (error instanceof ConfigError || error instanceof StartError) {
    process.stderr.write(`hexad: ${error.message}\n`);
    process.exit(1);
  }
  throw error;
}

main(process.argv.slice(2)).catch(report);
