import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';

const LOGGER = resolve(__dirname, '../../dist/libs/process/logger.js');

/** What a program of our own, in a file of its own, logs; needs a build. */
function logged(body: string): Record<string, unknown>[] {
  const directory = mkdtempSync(join(tmpdir(), 'hexad-logger-'));
  const program = join(directory, 'program.js');
  writeFileSync(
    program,
    `const logger = require(${JSON.stringify(LOGGER)}).createLogger('raft', 'debug', 'm1');\n${body}`,
  );
  const { stderr } = spawnSync(process.execPath, [program], { encoding: 'utf8' });
  rmSync(directory, { recursive: true });
  return stderr
    .trim()
    .split('\n')
    .map((line) => {
      const { caller, ...rest } = JSON.parse(line) as Record<string, unknown>;
      return { ...rest, caller: String(caller).replace(basename(directory), 'dir') };
    });
}

it('names the file and line that logs, at every level', () => {
  const lines = logged(
    ['debug', 'info', 'warn', 'error', 'fatal'].map((level) => `logger.${level}({}, 'x');`).join('\n'),
  );
  expect(lines.map(({ level, caller }) => `${String(level)} ${String(caller)}`)).toEqual([
    'debug dir/program.js:2',
    'info dir/program.js:3',
    'warn dir/program.js:4',
    'error dir/program.js:5',
    'fatal dir/program.js:6',
  ]);
});

it('never shows a secret', () => {
  const [line] = logged(`logger.info({ password: 'p', request: { token: 't' }, user: 'u' }, 'x');`);
  expect(line).toMatchObject({ password: '[redacted]', request: { token: '[redacted]' }, user: 'u', msg: 'x' });
});
