import { basename, dirname } from 'node:path';
import pino from 'pino';

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

/** What must never reach a log line, wherever it stands in the logged object. */
const SECRETS = [
  'password',
  'token',
  'authorization',
  'hashedPassword',
  '*.password',
  '*.token',
  '*.authorization',
  '*.hashedPassword',
];

/** JSON lines on standard error with etcd's keys: `level` as text, `ts`, `caller`, `msg`. */
export function createLogger(process_: string, level: string, member: string): Logger {
  return pino(
    {
      level: LEVELS[level] ?? 'info',
      base: { process: process_, member },
      messageKey: 'msg',
      timestamp: () => `,"ts":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      mixin: () => ({ caller: callerOf(new Error().stack) }),
      redact: { paths: SECRETS, censor: '[redacted]' },
    },
    pino.destination({ fd: 2, sync: true }),
  );
}

/** `dir/file.js:line` of the first frame outside this file and pino. */
function callerOf(stack: string | undefined): string {
  for (const line of (stack ?? '').split('\n').slice(1)) {
    if (line.includes('/node_modules/') || line.includes(__filename)) continue;
    const match = /\(?(\/[^()]+):(\d+):\d+\)?$/.exec(line);
    if (match === null) continue;
    const [, file = '', row = ''] = match;
    return `${basename(dirname(file))}/${basename(file)}:${row}`;
  }
  return 'unknown';
}
