import { readFileSync } from 'node:fs';
import { Cluster } from './support/cluster';
import { freePorts } from './support/ports';
import { TierProcess } from './support/tier';
import { run } from './support/tools';
import { waitFor } from './support/wait-for';

/** The flags of Node.js and V8 that a process was started with. */
function nodeFlags(pid: number): string[] {
  const [, ...args] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  return args.slice(
    0,
    args.findIndex((arg) => arg.endsWith('.js')),
  );
}

describe('a process that runs alone', () => {
  let cluster: Cluster;
  let hub: TierProcess;
  let metrics = '';
  beforeAll(async () => {
    const [raft, storage, listen, scrape] = await freePorts(4);
    const members = [`--raft-address=tcp:127.0.0.1:${raft}`, `--storage-address=tcp:127.0.0.1:${storage}`];
    cluster = await Cluster.start({ members: 1, flags: members });
    metrics = `http://127.0.0.1:${scrape}`;
    hub = new TierProcess('watch', [
      '--attach-members=m1',
      ...members,
      `--watch-address=tcp:127.0.0.1:${listen}`,
      `--listen-metrics-urls=${metrics}`,
    ]);
    hub.spawn();
  }, 60_000);
  afterAll(async () => {
    await hub?.stop();
    await cluster?.destroy();
  }, 60_000);

  test('has the flags of V8 that the supervisor gives its own', async () => {
    await waitFor('the hub to be Node.js', () => readFileSync(`/proc/${hub.pid}/comm`, 'utf8').startsWith('node'));
    const flags = nodeFlags(hub.pid);
    expect(flags).toContain('--max-semi-space-size=32');
    expect(flags).toEqual(nodeFlags(cluster.member(0).processPid('watch') ?? 0));
  }, 30_000);

  test('tells of itself alone at --listen-metrics-urls', async () => {
    await waitFor('the hub to listen', () =>
      fetch(`${metrics}/health`).then(
        ({ ok }) => ok,
        () => false,
      ),
    );
    const page = await (await fetch(`${metrics}/metrics`)).text();
    expect(page).toMatch(/^hexad_process_cpu_seconds_total\{process="watch"\} /m);
    expect(page).toMatch(/^hexad_watch_watchers 0$/m);
    expect(page).not.toContain('process="raft"');
    expect((await fetch(`${metrics}/other`)).status).toBe(404);
    expect((await fetch(`${metrics}/metrics`, { method: 'POST' })).status).toBe(405);
    const check = await run('promtool', ['check', 'metrics'], { input: page }).catch(() => undefined);
    if (check !== undefined) expect(`${check.stdout}${check.stderr}`).not.toMatch(/error while linting|parse|invalid/i);
  }, 30_000);

  test('with https there needs a certificate to prove itself with', async () => {
    const [port] = await freePorts(1);
    const alone = new TierProcess('watch', [
      '--attach-members=m1',
      '--raft-address=tcp:127.0.0.1:1',
      '--storage-address=tcp:127.0.0.1:1',
      '--watch-address=tcp:127.0.0.1:0',
      `--listen-metrics-urls=https://127.0.0.1:${port}`,
    ]);
    alone.spawn();
    await waitFor('it to end', () => alone.hasEnded);
    expect(alone.log).toContain(
      `hexad watch: https://127.0.0.1:${port} in --listen-metrics-urls needs --internal-cert-file in a process that runs alone\n`,
    );
  }, 30_000);
});
