import { fstatSync, openSync, writeSync } from 'node:fs';
import type { LogConfig } from '../../config/process-config';
import { StartError } from '../start-error';
import { consoleLine } from './console-line';
import { RotatingFile } from './rotating-file';

const STDOUT = 1;
const STDERR = 2;

/** Where whole log lines go. */
export interface LogSink {
  /** A line without its end. Never throws. */
  write(line: string): void;
}

/** What can be written to, and may throw. */
interface Output {
  write(text: string): void;
}

/**
 * Opens the outputs of `--log-outputs`. The supervisor has the one sink of a member, for its own lines and those of its children;
 * a process that runs alone has its own.
 *
 * @throws StartError
 */
export function openLogSink(config: LogConfig, env: NodeJS.ProcessEnv = process.env): LogSink {
  const outputs = config.outputs.map((name) => new Guarded(name, openOutput(name, config, env)));
  const form = config.format === 'console' ? consoleLine : (line: string) => line;
  return {
    write: (line) => {
      const text = `${form(line)}\n`;
      for (const output of outputs) output.write(text);
    },
  };
}

function openOutput(name: string, { rotation }: LogConfig, env: NodeJS.ProcessEnv): Output {
  if (name === 'default' || name === 'stderr') return stream(STDERR);
  if (name === 'stdout') return stream(STDOUT);
  if (name === 'systemd/journal') return journal(env);
  const path = name.replace(/^file:\/\//, '');
  const onProblem = (error: unknown): void => complain(path, error);
  try {
    if (rotation !== null) return new RotatingFile(path, rotation, onProblem);
    const fd = openSync(path, 'a', 0o644);
    return { write: (text) => void writeSync(fd, text) };
  } catch (error) {
    throw new StartError(`cannot open the log file of --log-outputs: ${(error as Error).message}`);
  }
}

function stream(fd: number): Output {
  return { write: (text) => void writeSync(fd, text) };
}

/** syslog's numbers, which the journal reads before a line. */
const PRIORITIES: Readonly<Record<string, number>> = { fatal: 2, error: 3, warn: 4, info: 6, debug: 7 };

/** Standard error, which systemd says is the journal, with the priority of each line. */
function journal(env: NodeJS.ProcessEnv): Output {
  const { dev, ino } = fstatSync(STDERR);
  if (env['JOURNAL_STREAM'] !== `${dev}:${ino}`) {
    throw new StartError("can't find journal (standard error is not connected to systemd's journal)");
  }
  return {
    write: (text) => {
      const level = /"level":"(\w+)"/.exec(text)?.[1] ?? /^\S+\t(\w+)\t/.exec(text)?.[1] ?? '';
      writeSync(STDERR, `<${PRIORITIES[level] ?? PRIORITIES['info']}>${text}`);
    },
  };
}

/** An output that fails costs its lines, not the member: a full disk, or a reader that is slow (EAGAIN) or gone (EPIPE). */
class Guarded {
  private lost = 0;

  constructor(
    private readonly name: string,
    private readonly output: Output,
  ) {}

  write(text: string): void {
    try {
      if (this.lost > 0) this.tellLoss();
      this.output.write(text);
    } catch (error) {
      if (this.lost++ === 0 && !isStream(this.name)) complain(this.name, error);
    }
  }

  private tellLoss(): void {
    const [ts, msg] = [new Date().toISOString(), 'log lines were lost: this output could not be written'];
    this.output.write(`${JSON.stringify({ level: 'warn', ts, msg, output: this.name, lines: this.lost })}\n`);
    this.lost = 0;
  }
}

function isStream(name: string): boolean {
  return ['default', 'stderr', 'stdout', 'systemd/journal'].includes(name);
}

/** The last resort is standard error. */
function complain(path: string, error: unknown): void {
  const line = { level: 'error', ts: new Date().toISOString(), msg: 'a log file can not be written', path };
  try {
    writeSync(STDERR, `${JSON.stringify({ ...line, error: String(error) })}\n`);
  } catch {
    // There is nobody left to tell.
  }
}
