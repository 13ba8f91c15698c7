import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from './support/cluster';
import { run } from './support/tools';
import { waitFor } from './support/wait-for';

const SERVICES = ['auth', 'lease', 'member', 'proxy', 'raft', 'storage', 'watch'];

let out = '';
beforeAll(async () => {
  const { code, stdout } = await run(join(ROOT, 'node_modules/.bin/tsc'), ['-b', join(ROOT, 'tests/bench')], LONG);
  expect([code, stdout]).toEqual([0, '']);
}, 60_000);
beforeEach(() => (out = mkdtempSync(join(tmpdir(), 'hexad-bench-test-'))));
afterEach(() => rmSync(out, { recursive: true, force: true }));

const script = (name: string): string => join(ROOT, 'dist', 'tests', 'bench', `${name}.js`);
const LONG = { timeoutMs: 80_000 };
const SHORT = ['--seconds', '1', '--warm-up', '1'];

interface Result {
  readonly machine: Record<string, string>;
  readonly missed: string[];
  readonly measurements: Array<{
    case: string;
    perSecond: number;
    p50: number;
    p99: number;
    peakAnonymousMb: number;
    cpuByProcess: Record<string, number>;
    errors: object;
  }>;
}

function commandLines(): string[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map((pid) => {
      try {
        return readFileSync(join('/proc', pid, 'cmdline'), 'utf8');
      } catch {
        return ''; // it ended meanwhile
      }
    });
}

test('the benchmark measures a case and writes figures and a chart', async () => {
  const argv = [script('main'), '--no-etcd', '--case', 'txn-cas-1000-3', '--rounds', '1', ...SHORT, '--out', out];
  const { code, stdout, stderr } = await run('node', argv, LONG);
  expect([code, stderr]).toEqual([0, expect.stringMatching(/^round 1 txn-cas-1000-3 hexad: \d+\/s/)]);
  expect(stdout).toMatch(/^commit: \S+/m);
  expect(stdout).toMatch(/^txn-cas-1000-3 +\d+ +– .*ok$/m);
  const { machine, missed, measurements } = JSON.parse(readFileSync(join(out, 'result.json'), 'utf8')) as Result;
  expect(Object.keys(machine)).toEqual(expect.arrayContaining(['cpu', 'node', 'etcd', 'commit']));
  expect([missed, measurements.length]).toEqual([[], 1]);
  const [measured] = measurements;
  expect(measured).toMatchObject({ case: 'txn-cas-1000-3', errors: {} });
  expect(measured?.perSecond).toBeGreaterThan(100);
  expect(measured?.p50).toBeGreaterThan(0);
  expect(measured?.p99).toBeGreaterThanOrEqual(measured?.p50 ?? 0);
  expect(measured?.peakAnonymousMb).toBeGreaterThan(50);
  const processes = ['leader', 'follower'].flatMap((role) => SERVICES.map((service) => `${role} ${service}`));
  expect(Object.keys(measured?.cpuByProcess ?? {}).sort()).toEqual(processes.sort());
  expect(readFileSync(join(out, 'chart.svg'), 'utf8')).toMatch(/^<svg [^]*txn-cas-1000-3[^]*<\/svg>\n$/);
}, 90_000);

test('every watcher gets every event of the watch benchmark', async () => {
  const argv = [script('main'), '--no-etcd', '--case', 'watch-1000-3', '--rounds', '1', ...SHORT, '--check'];
  const { code, stdout } = await run('node', argv, LONG);
  expect([code, stdout]).toEqual([0, expect.stringMatching(/^watch-1000-3 +\d+ +– .*ok$/m)]);
}, 90_000);

test('the profile command leaves a table and a flame graph of each process', async () => {
  const { code, stdout } = await run('node', [script('profile-main'), 'put-1000-1', ...SHORT, '--out', out], LONG);
  expect(code).toBe(0);
  for (const service of SERVICES) expect(stdout).toMatch(new RegExp(`^m1 leader ${service} +\\d+\\.\\d\\d`, 'm'));
  expect(stdout).toMatch(/^== m1 leader storage: [^]*^services\/storage\/\S+ +\d+\.\d %/m);
  const files = readdirSync(out);
  for (const service of [...SERVICES.map((name) => `m1-leader-${name}`), 'generator'])
    expect(files).toContain(`${service}.cpuprofile`);
  expect(readFileSync(join(out, 'm1-leader-storage.svg'), 'utf8')).toMatch(/libs\/|services\//);
}, 90_000);

test('a benchmark that is told to stop takes its servers and their data with it', async () => {
  const child = spawn('node', [script('main'), '--no-etcd', '--case', 'put-1000-1', '--seconds', '60'], {
    env: { ...process.env, TMPDIR: out },
    stdio: 'ignore',
  });
  await waitFor(
    'a member',
    () => readdirSync(out).some((name) => existsSync(join(out, name, 'm1', 'member', 'wal'))),
    20_000,
  );
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  expect(await exited).toEqual([143, null]);
  expect(readdirSync(out)).toEqual([]);
  expect(commandLines().filter((line) => line.includes(out))).toEqual([]);
}, 60_000);

test('an unknown case is a mistake that starts nothing', async () => {
  const { code, stdout, stderr } = await run('node', [script('main'), '--case', 'no-such']);
  expect([code, stdout]).toEqual([2, '']);
  expect(stderr).toMatch(/^bench: no case no-such; --list prints all\nUsage:/);
});

test('an etcd that cannot be run is said before anything is measured', async () => {
  const { code, stdout, stderr } = await run('node', [script('main'), '--etcd', '/none/etcd']);
  expect([code, stdout]).toEqual([1, '']);
  expect(stderr).toMatch(/^bench: cannot run \/none\/etcd: .*--no-etcd leaves it out\n$/);
});
