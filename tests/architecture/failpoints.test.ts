import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FAILPOINTS, failpointNames, type FailpointProcess, processOfFailpoint } from '../../libs/failpoints';

const ROOT = join(__dirname, '..', '..');

/** Name → files that have the point. */
function pointsInCode(): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const folder of ['libs', 'services', 'tools'])
    for (const file of readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })) {
      if (!file.endsWith('.ts') || file.endsWith('.test.ts')) continue;
      const text = readFileSync(join(ROOT, folder, file), 'utf8');
      for (const [, name = ''] of text.matchAll(/\bfailpoint\('(\w+)'\)/g))
        found.set(name, [...(found.get(name) ?? []), `${folder}/${file}`]);
    }
  return found;
}

test('every failpoint in the registry stands in the code, once, and no other does', () => {
  const found = pointsInCode();
  expect([...found.keys()].sort()).toEqual(failpointNames());
  expect([...found].filter(([, files]) => files.length > 1)).toEqual([]);
});

test('every failpoint is in the program of the process that the registry names', () => {
  for (const process of Object.keys(FAILPOINTS) as FailpointProcess[]) {
    const bundle = readFileSync(join(ROOT, 'dist/bundle/services', process, 'main.js'), 'utf8');
    const missing = FAILPOINTS[process].filter((name) => !bundle.includes(`failpoint("${name}")`));
    expect([process, missing]).toEqual([process, []]);
  }
});

test('no two processes have a failpoint of the same name', () => {
  const names = failpointNames();
  expect(new Set(names).size).toBe(names.length);
  expect(processOfFailpoint('walBeforeSync')).toBe('raft');
  expect(processOfFailpoint('nonsense')).toBeUndefined();
});
