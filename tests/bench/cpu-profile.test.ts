import { modulesOf } from './bundle-sources';
import { attribute, type CpuProfile, type ProfileNode } from './cpu-profile';
import { flameGraph } from './flame-graph';
import { overviewTable, processTables } from './profile-report';

const node = (id: number, functionName: string, lineNumber: number, ...children: number[]): ProfileNode => ({
  id,
  callFrame: { functionName, url: lineNumber < 0 ? '' : 'file:///main.js', lineNumber },
  children,
});

/** root → work (twice, from two call sites) → copy; idle; collector. Each sample lasts until the next. */
const PROFILE: CpuProfile = {
  nodes: [
    node(1, '(root)', -1, 2, 3, 4, 6),
    node(2, '(idle)', -1),
    node(3, '(garbage collector)', -1),
    node(4, 'work', 10, 5),
    node(5, 'copy', 90),
    node(6, 'work', 10, 7),
    node(7, '', 91),
  ],
  startTime: 1_000,
  endTime: 21_000,
  samples: [2, 4, 5, 3, 7, 6],
  timeDeltas: [2_000, 4_000, 1_000, 5_000, 2_000, 3_000],
};

const sourceOf = (_: string, line: number): string => (line < 50 ? 'libs/a.ts' : 'libs/b.ts');
const attribution = attribute(PROFILE, sourceOf);

test('each sample counts for the time until the next one', () => {
  expect(attribution.wall).toBe(18); // nothing is known of the two milliseconds before the first sample
  expect(attribution.idle).toBe(4);
  expect(attribution.collector).toBe(2);
  expect(attribution.byFunction).toEqual([
    { name: 'copy', file: 'libs/b.ts', ms: 5 },
    { name: 'work', file: 'libs/a.ts', ms: 4 },
    { name: 'anonymous:92', file: 'libs/b.ts', ms: 3 },
  ]);
  expect(attribution.byFile).toEqual([
    { file: 'libs/b.ts', ms: 8 },
    { file: 'libs/a.ts', ms: 4 },
  ]);
});

test('calls of one function are one frame whatever the call site', () => {
  const work = attribution.root.children.filter(({ name }) => name === 'work');
  expect(work).toHaveLength(1);
  expect(work[0]).toMatchObject({ self: 4, total: 12 });
});

test('native code without a name is called after its caller', () => {
  const native = { id: 8, callFrame: { functionName: '', url: '', lineNumber: -1 } };
  const nodes = [node(1, '(root)', -1, 4), node(4, 'getBinary', 10, 8), native];
  const { byFunction } = attribute({ ...PROFILE, nodes, samples: [8], timeDeltas: [0] }, sourceOf);
  expect(byFunction.map(({ name }) => name)).toEqual(['native code of getBinary']);
});

test('functions, collector, native code and idling add up to the whole', () => {
  const functions = attribution.byFunction.reduce((sum, { ms }) => sum + ms, 0);
  expect(functions + attribution.collector + attribution.native + attribution.idle).toBe(attribution.wall);
});

test('a profile without nodes is an error', () => {
  expect(() => attribute({ ...PROFILE, nodes: [] }, sourceOf)).toThrow('empty');
});

test('tables give shares of the busy time and microseconds per operation', () => {
  const profiles = [{ name: 'leader raft', cpuMs: 12.8, attribution }];
  expect(overviewTable(profiles, 1_000)).toMatch(/leader raft +12\.80 +86 % +14 % +0 %/);
  expect(processTables({ name: 'leader raft', cpuMs: 12.8, attribution }, 1_000)).toMatch(
    /libs\/b\.ts +57\.1 % +7\.314/,
  );
});

test('a flame graph names what is wide, escapes, and leaves idling out', () => {
  const svg = flameGraph(attribution.root, 'a <b>');
  expect(svg).toContain('a &lt;b&gt;');
  expect(svg).toContain('work libs/a.ts: 12.0 ms');
  expect(svg).not.toContain('(idle)');
});

test('a flame graph of an idle process is empty, not broken', () => {
  const [root, idle] = PROFILE.nodes;
  const nodes = [{ ...(root as ProfileNode), children: [2] }, idle as ProfileNode];
  const svg = flameGraph(attribute({ ...PROFILE, nodes, samples: [2], timeDeltas: [0] }, sourceOf).root, 'idle');
  expect(svg).not.toMatch(/NaN|Infinity/);
});

test('the modules of a bundle are found by the comments of the bundler', () => {
  const bundle =
    '"use strict";\n// libs/wal/file.ts\nfoo();\n  // libs/no.ts is a comment inside\n// node_modules/x/y.js\nbar();';
  expect(modulesOf(bundle)).toEqual([
    { line: 1, file: 'libs/wal/file.ts' },
    { line: 4, file: 'node_modules/x/y.js' },
  ]);
});
