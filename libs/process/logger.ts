import { basename, dirname } from 'node:path';
import pino from 'pino';
import { type LogSink, textWithoutSecrets, withoutSecrets } from './logging';

export type Logger = pino.Logger;

/** etcd's level names; pino has no panic, and its fatal does not end the process by itself. */
const LEVELS: Readonly<Record<string, string>> = {
  dpanic: 'fatal',
  panic: 'fatal',
  fatal: 'fatal',
  error: 'error',
  warn: 'warn',
  info: 'info',
  debug: 'debug',
};

/** etcd's names of levels. */
export function isLogLevel(name: string): boolean {
  return Object.hasOwn(LEVELS, name);
}

/** Takes effect at once. */
export function setLogLevel(logger: Logger, name: string): void {
  logger.level = LEVELS[name] ?? 'info';
}

const FATAL = 60;

/**
 * JSON lines with etcd's keys (`level` as text, `ts`, `caller`, `msg`) and without secrets, on standard error or where `sink` says.
 * A child of a supervisor has none: its lines leave through the supervisor.
 */
export function createLogger(process_: string, level: string, member: string, sink?: LogSink): Logger {
  return pino(
    {
      level: LEVELS[level] ?? 'info',
      base: { process: process_, member },
      messageKey: 'msg',
      timestamp: () => `,"ts":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }), log: withoutSecrets },
      hooks: { streamWrite: textWithoutSecrets },
      mixin: (_, level) => ({ caller: callerOf(new Error().stack, level === FATAL ? 4 : 3) }),
    },
    sink === undefined ? pino.destination({ fd: 2, sync: true }) : { write: (line) => sink.write(line.trimEnd()) },
  );
}

/**
 * `dir/file.js:line` of whoever logs. By depth, not by file: in a bundle pino and everything else is one file. Above the caller
 * are our mixin, pino's write and its level method, which for fatal is wrapped once more.
 */
function callerOf(stack: string | undefined, depth: number): string {
  const frame = (stack ?? '').split('\n')[1 + depth] ?? '';
  const [, file, row] = /\(?(\/[^()]+):(\d+):\d+\)?$/.exec(frame) ?? [];
  return file === undefined ? 'unknown' : `${basename(dirname(file))}/${basename(file)}:${row ?? ''}`;
}
