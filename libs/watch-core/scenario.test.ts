import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { rewriteScenario } from './testing/scenario';

// REWRITE=1 writes what the hub does now into the files: read the difference before you commit it.
const rewrite = process.env['REWRITE'] === '1';
const directory = join(__dirname, 'testdata');

describe('the hub behaves as the scenarios say', () => {
  it.each(readdirSync(directory))('%s', (name) => {
    const path = join(directory, name);
    const expected = readFileSync(path, 'utf8');
    const actual = rewriteScenario(expected);
    if (rewrite) writeFileSync(path, actual);
    else expect(actual).toBe(expected);
  });

  it('notices a line that differs (canary)', () => {
    const expected = readFileSync(join(directory, 'start.txt'), 'utf8');
    const planted = expected.replace('created @2', 'created @1');
    expect(planted).not.toBe(expected);
    expect(rewriteScenario(planted)).not.toBe(planted);
  });
});
