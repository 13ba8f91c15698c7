import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { Cluster } from './support/cluster';
import { describeWith } from './support/tools';
import { waitFor } from './support/wait-for';

/** The value of a sample of a page; undefined: it is not there. */
function valueOf(page: string, sample: string): number | undefined {
  const line = page.split('\n').find((one) => one.startsWith(`${sample} `));
  return line === undefined ? undefined : Number(line.slice(sample.length + 1));
}

describeWith(['etcdctl'], 'what a member measures by the names of etcd', () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.start();
  }, 60_000);
  afterAll(() => cluster?.destroy(), 60_000);

  const page = async (): Promise<string> => (await fetch(`http://${cluster.member(0).endpoint}/metrics`)).text();
  const grows = (sample: string): Promise<number> =>
    waitFor(sample, async () => {
      const value = valueOf(await page(), sample);
      return value !== undefined && value > 0 ? value : undefined;
    });

  test('keys, leases and compactions are counted and timed', async () => {
    await cluster.ctl('lease', 'grant', '60');
    for (let i = 0; i < 5; i++) await cluster.ctl('put', 'a', String(i));
    await cluster.ctl('put', 'b', '1');
    await cluster.ctl('compaction', '6', '--physical');
    // Five puts of one key and a compaction above them: all but the last of the five are dead.
    expect(await grows('etcd_debugging_mvcc_db_compaction_keys_total')).toBe(4);
    expect(await grows('etcd_debugging_mvcc_keys_total')).toBe(2);
    expect(await grows('etcd_debugging_mvcc_db_compaction_last')).toBeGreaterThan(Date.now() / 1000 - 600);
    for (const one of ['pause', 'total'])
      await grows(`etcd_debugging_mvcc_db_compaction_${one}_duration_milliseconds_count`);
    const text = await page();
    expect(valueOf(text, 'etcd_debugging_lease_ttl_total_bucket{le="32"}')).toBe(0);
    expect(valueOf(text, 'etcd_debugging_lease_ttl_total_bucket{le="64"}')).toBe(1);
    expect(valueOf(text, 'etcd_debugging_lease_ttl_total_sum')).toBe(60);
  }, 60_000);

  test('so are backups, defragmentations and hashes, and nothing of them is under way afterwards', async () => {
    const file = join(cluster.directory, 'backup.db');
    await cluster.ctl('snapshot', 'save', file);
    rmSync(file);
    await cluster.ctl('defrag');
    await cluster.ctl('endpoint', 'hashkv');
    for (const name of ['etcd_disk_backend_snapshot', 'etcd_disk_backend_defrag', 'etcd_mvcc_hash_rev'])
      expect(await grows(`${name}_duration_seconds_count`)).toBe(1);
    const text = await page();
    for (const name of [
      'etcd_disk_defrag_inflight',
      'etcd_mvcc_db_open_read_transactions',
      'etcd_server_snapshot_apply_in_progress_total',
    ]) {
      expect([name, valueOf(text, name)]).toEqual([name, 0]);
    }
  }, 60_000);

  test('so is what watching takes', async () => {
    const { endpoint } = cluster.member(0);
    const key = Buffer.from('w').toString('base64');
    const response = await fetch(`http://${endpoint}/v3/watch`, {
      method: 'POST',
      body: JSON.stringify({ create_request: { key } }),
    });
    const reader = response.body?.getReader();
    await reader?.read();
    await cluster.ctl('put', 'w', '1');
    await reader?.read();
    for (const one of ['control_stream', 'watch_stream'])
      await grows(`etcd_debugging_server_watch_send_loop_${one}_duration_seconds_count`);
    await grows('etcd_debugging_server_watch_send_loop_watch_stream_duration_per_event_seconds_count');
    await reader?.cancel();
  }, 60_000);

  test('a promotion that is refused is counted by its reason', async () => {
    expect((await cluster.etcdctl(['member', 'promote', '1'])).code).not.toBe(0);
    expect(await grows('etcd_server_learner_promote_failures{Reason="NotFound"}')).toBe(1);
    expect(valueOf(await page(), 'etcd_server_learner_promote_successes')).toBe(0);
  }, 60_000);

  test('what is always zero says why', async () => {
    const text = await page();
    expect(text.match(/^# HELP etcd_\S+ Always 0\. ./gm)?.length).toBe(16);
    expect(text).not.toContain('Not measured by Hexad');
  });
});
