import { spawnSync } from 'node:child_process';
import { closeSync, fstatSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { consoleLine } from './console-line';

const LIBRARY = resolve(__dirname, '../../../dist/libs/process/index.js');
const LINE = `{"level":"warn","ts":"2026-01-02T03:04:05.006Z","caller":"a/b.js:7","msg":"slow","ms":3}`;

/** Runs a program of its own, since outputs are descriptors; needs a build. */
function logging(config: object, directory: string, env: NodeJS.ProcessEnv = {}, stderr: 'pipe' | number = 'pipe') {
  const program = `
    const { openLogSink } = require(${JSON.stringify(LIBRARY)});
    const sink = openLogSink(${JSON.stringify({ level: 'info', format: 'json', rotation: null, ...config })});
    sink.write(${JSON.stringify(LINE)});
    sink.write('words of a child that dies');`;
  return spawnSync(process.execPath, ['-e', program], {
    cwd: directory,
    env: { ...process.env, ...env },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', stderr],
  });
}

describe('the outputs of log lines', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'hexad-sink-'));
  });
  afterEach(() => rmSync(directory, { recursive: true }));
  const both = `${LINE}\nwords of a child that dies\n`;

  test('are standard error by default, and all of those that are named', () => {
    expect(logging({ outputs: ['default'] }, directory)).toMatchObject({ stdout: '', stderr: both });
    expect(logging({ outputs: ['stdout', 'stderr', 'a.log'] }, directory)).toMatchObject({
      stdout: both,
      stderr: both,
    });
    logging({ outputs: [`file://${join(directory, 'a.log')}`] }, directory);
    expect(readFileSync(join(directory, 'a.log'), 'utf8')).toBe(both + both);
  });

  test('have lines for people when told so; what is no JSON line stays as it is', () => {
    const { stderr } = logging({ outputs: ['stderr'], format: 'console' }, directory);
    expect(stderr).toBe('2026-01-02T03:04:05.006Z\twarn\ta/b.js:7\tslow\t{"ms":3}\nwords of a child that dies\n');
    expect(consoleLine('{"cut off')).toBe('{"cut off');
  });

  test('tell the journal the priority of each line, where standard error is the journal', () => {
    const fd = openSync(join(directory, 'journal'), 'w');
    const { dev, ino } = fstatSync(fd);
    logging({ outputs: ['systemd/journal'] }, directory, { JOURNAL_STREAM: `${dev}:${ino}` }, fd);
    closeSync(fd);
    expect(readFileSync(join(directory, 'journal'), 'utf8')).toBe(`<4>${LINE}\n<6>words of a child that dies\n`);
  });

  test('are refused in words when they can not be opened', () => {
    expect(logging({ outputs: ['systemd/journal'] }, directory, { JOURNAL_STREAM: '' }).stderr).toContain(
      "can't find journal",
    );
    const missing = logging({ outputs: [join(directory, 'no', 'such', 'file')] }, directory);
    expect(missing.stderr).toContain('cannot open the log file of --log-outputs: ENOENT');
    expect(missing.status).not.toBe(0);
  });

  test('that fail cost their lines, not the process', () => {
    const full = logging({ outputs: ['/dev/full', 'a.log'] }, directory);
    expect(full.status).toBe(0);
    expect(full.stderr.match(/a log file can not be written/g)).toHaveLength(1);
    expect(readFileSync(join(directory, 'a.log'), 'utf8')).toBe(both);
  });
});
