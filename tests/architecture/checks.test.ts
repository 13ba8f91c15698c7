import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const ROOT = join(__dirname, '..', '..');

function run(tool: string, ...args: string[]): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(join(ROOT, 'node_modules/.bin', tool), args, {
    cwd: ROOT,
    encoding: 'utf8',
  });
  return { status, output: status === 0 ? '' : `${stdout}${stderr}` };
}

test.each([
  ['types are sound in product and tests', 'tsc', ['-b']],
  ['lint finds nothing, floating promises included', 'oxlint', ['--type-aware']],
  ['all is formatted', 'biome', ['format', '.']],
])(
  '%s',
  (_, tool, args) => {
    expect(run(tool, ...args)).toEqual({ status: 0, output: '' });
  },
  120_000,
);
