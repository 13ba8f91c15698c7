import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { LogRotation } from '../../config/process-config';
import { RotatingFile } from './rotating-file';

const KEEP_ALL: LogRotation = { bytesMax: 20, daysMax: 0, backupsMax: 0, localTime: false, compress: false };
const DAY_MS = 24 * 3600 * 1000;
const START = Date.parse('2026-03-04T05:06:07.008Z');

describe('a rotating log file', () => {
  let directory: string;
  let now: number;
  const problems: unknown[] = [];
  const open = (rotation: Partial<LogRotation>): RotatingFile =>
    new RotatingFile(
      join(directory, 'logs', 'hexad.log'),
      { ...KEEP_ALL, ...rotation },
      (error) => problems.push(error),
      () => now,
    );
  const files = (): string[] => readdirSync(join(directory, 'logs')).sort();
  const text = (file: string): string => readFileSync(join(directory, 'logs', file), 'utf8');

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'hexad-rotation-'));
    now = START;
    problems.length = 0;
  });
  afterEach(() => {
    rmSync(directory, { recursive: true });
    expect(problems).toEqual([]);
  });

  test('is set aside before it grows beyond its size, under the time, and no line is lost or cut', async () => {
    const log = open({});
    for (const line of ['first 6789\n', 'second 89\n', 'third 789\n', 'a line that is larger than a file\n'])
      log.write(line);
    await log.settled();
    log.close();
    expect(files()).toEqual(['hexad-2026-03-04T05-06-07.008.log', 'hexad-2026-03-04T05-06-07.009.log', 'hexad.log']);
    const all = files().map(text).join('');
    expect(all).toBe('first 6789\nsecond 89\nthird 789\na line that is larger than a file\n');
  });

  test('goes on with the file that it finds', async () => {
    const before = open({});
    before.write('ten bytes\n');
    before.close();
    const log = open({});
    log.write('ten bytes\n');
    expect(text('hexad.log')).toBe('ten bytes\nten bytes\n');
    log.write('more\n');
    await log.settled();
    log.close();
    expect(files()).toHaveLength(2);
    expect(text('hexad.log')).toBe('more\n');
  });

  test('keeps as many of those set aside as it is told, the newest, and nothing else is touched', async () => {
    const log = open({ backupsMax: 2 });
    writeFileSync(join(directory, 'logs', 'hexad-notes.log'), 'not ours');
    for (let line = 0; line < 6; line++, now += 1000) log.write(`line number ${line} ...\n`);
    await log.settled();
    log.close();
    expect(files()).toEqual([
      'hexad-2026-03-04T05-06-11.008.log',
      'hexad-2026-03-04T05-06-12.008.log',
      'hexad-notes.log',
      'hexad.log',
    ]);
  });

  test('removes those that are older than its days', async () => {
    const log = open({ daysMax: 2 });
    for (let line = 0; line < 5; line++, now += DAY_MS) log.write(`line number ${line} ...\n`);
    await log.settled();
    log.close();
    expect(files()).toEqual(
      [
        'hexad-2026-03-06T05-06-07.008.log',
        'hexad-2026-03-07T05-06-07.008.log',
        'hexad-2026-03-08T05-06-07.008.log',
        'hexad.log',
      ].slice(1),
    );
  });

  test('compresses those set aside, and counts and removes them all the same', async () => {
    const log = open({ compress: true, backupsMax: 1 });
    for (let line = 0; line < 3; line++, now += 1000) log.write(`line number ${line} ...\n`);
    await log.settled();
    log.close();
    expect(files()).toEqual(['hexad-2026-03-04T05-06-09.008.log.gz', 'hexad.log']);
    const compressed = readFileSync(join(directory, 'logs', 'hexad-2026-03-04T05-06-09.008.log.gz'));
    expect(gunzipSync(compressed).toString()).toBe('line number 1 ...\n');
  });

  test('has the local time in its names when told so', async () => {
    const log = open({ localTime: true, backupsMax: 1 });
    for (let line = 0; line < 3; line++, now += 1000) log.write(`line number ${line} ...\n`);
    await log.settled();
    log.close();
    const local = new Date(START + 2000);
    const two = (value: number): string => String(value).padStart(2, '0');
    const hour = `${two(local.getHours())}-${two(local.getMinutes())}-${two(local.getSeconds())}.008`;
    expect(files()).toEqual([expect.stringContaining(`T${hour}.log`), 'hexad.log']);
  });
});
