import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildDiskLibrary, diskEnvironment, setDisk } from '../faults/disk/library';
import { Cluster } from './support/cluster';
import { describeWith, hasTool, type RunResult } from './support/tools';
import { waitFor } from './support/wait-for';

jest.setTimeout(90_000);

const library = buildDiskLibrary();
const withLibrary = library !== undefined && hasTool('etcdctl') ? describe : describe.skip;
const WAIT_MS = 20_000;

withLibrary('a member whose disk is full', () => {
  let directory: string;
  let control: string;
  let cluster: Cluster;
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'hexad-full-'));
    control = join(directory, 'control');
    setDisk(control, { syncDelayMs: 0, isFull: false });
    cluster = await Cluster.start({
      flags: ['--auto-disarm'],
      env: (_, root) => diskEnvironment(library ?? '', { root, control }),
    });
  });
  afterEach(async () => {
    setDisk(control, { syncDelayMs: 0, isFull: false });
    await cluster.destroy();
    rmSync(directory, { recursive: true, force: true });
  });

  const full = (isFull: boolean): void => setDisk(control, { syncDelayMs: 0, isFull });
  const put = (key: string, bytes: number): Promise<RunResult> => cluster.etcdctl(['put', key], 'v'.repeat(bytes));

  /** Puts until one is refused; the keys that were acknowledged. */
  async function putUntilRefused(): Promise<{ kept: string[]; refusal: string }> {
    const kept: string[] = [];
    const giveUpAt = performance.now() + WAIT_MS;
    for (let i = 0; performance.now() < giveUpAt; i++) {
      const { code, stderr } = await put(`key-${i}`, 200_000);
      if (code !== 0) return { kept, refusal: stderr };
      kept.push(`key-${i}`);
    }
    throw new Error('no put was refused');
  }

  test('says so by name, raises the alarm, goes on reading, loses nothing, and takes writes again when there is space', async () => {
    await put('before', 10);
    full(true);
    const { kept, refusal } = await putUntilRefused();
    expect(refusal).toContain('etcdserver: mvcc: database space exceeded');
    expect(await cluster.ctl('alarm', 'list')).toContain('alarm:NOSPACE');
    expect(await cluster.ctl('get', 'before', '--print-value-only')).toHaveLength(11);
    expect(cluster.member(0).log).toContain('no space left on device');
    await cluster.ctl('del', 'before');
    const refused = await cluster.etcdctl(['defrag', '--command-timeout=20s']);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('no space left on device')]);
    const pid = cluster.member(0).processPid('storage');
    full(false);
    await waitFor('the alarm to clear itself', async () => (await cluster.ctl('alarm', 'list')) === '', WAIT_MS);
    expect((await put('after', 10)).code).toBe(0);
    expect(cluster.member(0).processPid('storage')).toBe(pid);
    await cluster.member(0).stop();
    await cluster.member(0).start();
    const present = (await cluster.ctl('get', 'key-', '--prefix', '--keys-only'))
      .split('\n')
      .filter((line) => line !== '');
    expect(new Set(present)).toEqual(new Set(kept));
    expect(await cluster.ctl('get', 'before')).toBe('');
  });

  test('can be stopped and started again with what was acknowledged', async () => {
    full(true);
    const { kept } = await putUntilRefused();
    await cluster.member(0).stop();
    full(false);
    await cluster.member(0).start();
    const present = (await cluster.ctl('get', 'key-', '--prefix', '--keys-only'))
      .split('\n')
      .filter((line) => line !== '');
    expect(new Set(present)).toEqual(new Set(kept));
  });

  test('refuses a defragmentation by name and stays as it is', async () => {
    await put('key', 100_000);
    // Nothing is left to commit then: a commit that finds the disk full waits for space, and a defragmentation for the commit.
    expect(await cluster.ctl('defrag', '--command-timeout=20s')).toContain('Finished');
    full(true);
    const { code, stderr } = await cluster.etcdctl(['defrag', '--command-timeout=20s']);
    expect([code, stderr]).toEqual([1, expect.stringContaining('no space left on device')]);
    expect(await cluster.ctl('get', 'key', '--print-value-only')).toHaveLength(100_001);
    full(false);
    expect(await cluster.ctl('defrag', '--command-timeout=20s')).toContain('Finished');
  });
});

describeWith(['etcdctl'], 'a member whose quota is used up', () => {
  let cluster: Cluster;
  afterEach(() => cluster.destroy());

  async function fillQuota(flags: readonly string[]): Promise<string[]> {
    cluster = await Cluster.start({ flags: ['--quota-backend-bytes=3000000', ...flags] });
    const kept: string[] = [];
    for (let i = 0; i < 40; i++) {
      const { code, stderr } = await cluster.etcdctl(['put', `key-${i}`], 'v'.repeat(250_000));
      if (code !== 0) {
        expect(stderr).toContain('etcdserver: mvcc: database space exceeded');
        return kept;
      }
      kept.push(`key-${i}`);
    }
    throw new Error('no put was refused');
  }

  async function makeRoom(): Promise<void> {
    await cluster.ctl('del', 'key-', '--prefix');
    const [status] = await cluster.status();
    await cluster.ctl('compaction', String(status?.Status.header.revision), '--physical');
  }

  test('warns before, refuses puts, takes deletes and compaction, and takes puts again after alarm disarm', async () => {
    const kept = await fillQuota([]);
    expect(kept.length).toBeGreaterThanOrEqual(10);
    const { log } = cluster.member(0);
    expect(log).toContain('the store uses 80 % of its quota');
    expect(log).toContain('the store uses 90 % of its quota');
    await makeRoom();
    // Only the operator clears it.
    expect((await cluster.etcdctl(['put', 'again', 'x'])).stderr).toContain('database space exceeded');
    expect(await cluster.ctl('alarm', 'disarm')).toContain('alarm:NOSPACE');
    expect(await cluster.ctl('put', 'again', 'x')).toBe('OK\n');
    expect(await cluster.ctl('alarm', 'list')).toBe('');
  });

  test('clears the alarm by itself with --auto-disarm, once use is well below the quota', async () => {
    await fillQuota(['--auto-disarm']);
    expect(await cluster.ctl('alarm', 'list')).toContain('alarm:NOSPACE');
    await makeRoom();
    await waitFor('the alarm to clear itself', async () => (await cluster.ctl('alarm', 'list')) === '', WAIT_MS);
    expect(await cluster.ctl('put', 'again', 'x')).toBe('OK\n');
  });
});
