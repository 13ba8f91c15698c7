import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const ROOT = join(__dirname, '..', '..');
const PLANTED = 'tests/architecture/planted';

interface Cruise {
  readonly summary: {
    readonly violations: ReadonlyArray<{ readonly from: string; readonly rule: { readonly name: string } }>;
  };
}

function cruise(root: string): Array<{ rule: string; from: string }> {
  const folders = ['libs', 'services', 'tools', 'proto'].map((folder) => join(root, folder));
  const existing = folders.filter(
    (folder) => root === '' || readdirSync(join(ROOT, root)).includes(folder.slice(root.length + 1)),
  );
  const run = spawnSync(
    join(ROOT, 'node_modules/.bin/depcruise'),
    ['--config', '.dependency-cruiser.cjs', '--output-type', 'json', ...existing],
    { cwd: ROOT, encoding: 'utf8', env: { ...process.env, HEXAD_ARCHITECTURE_ROOT: root }, maxBuffer: 1 << 28 },
  );
  if (run.stdout === '') throw new Error(run.stderr);
  const result = JSON.parse(run.stdout) as Cruise;
  return result.summary.violations.map(({ from, rule }) => ({ rule: rule.name, from }));
}

test('nothing is imported against the direction of the layers', () => {
  expect(cruise('')).toEqual([]);
}, 60_000);

/** The one planted violation that the linter catches. */
const CYCLE = 'no-cycle';

/** Folder of a planted violation → the rule that must catch it. */
const RULE_OF: Readonly<Record<string, string>> = { 'pure-imports-node': 'pure-imports-pure-only' };

test.each(readdirSync(join(ROOT, PLANTED)).filter((folder) => folder !== CYCLE))(
  'the planted violation %s is caught',
  (folder) => {
    const caught = cruise(`${PLANTED}/${folder}`).map(({ rule }) => rule);
    expect(caught).toContain(RULE_OF[folder] ?? folder);
  },
  60_000,
);

test('the linter catches a cycle of imports', () => {
  const directory = mkdtempSync(join(tmpdir(), 'hexad-lint-'));
  const { ignorePatterns: _ignored, ...config } = JSON.parse(readFileSync(join(ROOT, '.oxlintrc.json'), 'utf8')) as {
    ignorePatterns: string[];
  };
  writeFileSync(join(directory, 'oxlintrc.json'), JSON.stringify(config));
  const run = spawnSync(
    join(ROOT, 'node_modules/.bin/oxlint'),
    ['-c', join(directory, 'oxlintrc.json'), join(ROOT, PLANTED, CYCLE)],
    { encoding: 'utf8' },
  );
  rmSync(directory, { recursive: true });
  expect(run.stdout).toContain('no-cycle');
  expect(run.status).toBe(1);
});

test('every rule has a planted violation', () => {
  const config = require(join(ROOT, '.dependency-cruiser.cjs')) as { forbidden: ReadonlyArray<{ name: string }> };
  const planted = readdirSync(join(ROOT, PLANTED)).map((folder) => RULE_OF[folder] ?? folder);
  expect(config.forbidden.map(({ name }) => name).filter((name) => !planted.includes(name))).toEqual([]);
});

test('the compiler checks exactly the pure libs of layers.json without Node types', () => {
  const layers = JSON.parse(readFileSync(join(ROOT, 'libs/layers.json'), 'utf8')) as {
    pure: string[];
    adapters: string[];
  };
  const included = (file: string): string[] =>
    (JSON.parse(readFileSync(join(ROOT, file), 'utf8')) as { include: string[] }).include
      .map((glob) => /^libs\/([^/]+)\/\*\*/.exec(glob)?.[1])
      .filter((name) => name !== undefined)
      .sort();
  expect(included('tsconfig.pure.json')).toEqual([...layers.pure].sort());
  expect(included('tsconfig.node.json')).toEqual([...layers.adapters].sort());
});
