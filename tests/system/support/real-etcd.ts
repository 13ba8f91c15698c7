import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from './ports';
import { waitFor } from './wait-for';

/** A real etcd of one member, the oracle of differential tests. */
export class RealEtcd {
  private constructor(
    readonly endpoint: string,
    private readonly child: ChildProcess,
    private readonly directory: string,
  ) {}

  static async start(flags: readonly string[] = [], binary = process.env['ETCD_BIN'] ?? 'etcd'): Promise<RealEtcd> {
    const directory = mkdtempSync(join(tmpdir(), 'hexad-etcd-'));
    const [client = 0, peer = 0] = await freePorts(2);
    const url = `http://127.0.0.1:${client}`;
    const peerUrl = `http://127.0.0.1:${peer}`;
    const child = spawn(
      binary,
      [
        `--data-dir=${directory}`,
        `--listen-client-urls=${url}`,
        `--advertise-client-urls=${url}`,
        `--listen-peer-urls=${peerUrl}`,
        `--initial-advertise-peer-urls=${peerUrl}`,
        `--initial-cluster=default=${peerUrl}`,
        ...flags,
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    let log = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (log += text));
    await waitFor('etcd to serve', () => /ready to serve client requests|serving insecure client requests/.test(log));
    return new RealEtcd(`127.0.0.1:${client}`, child, directory);
  }

  async stop(): Promise<void> {
    await new Promise((resolve) => {
      this.child.once('exit', resolve);
      this.child.kill('SIGKILL');
    });
    rmSync(this.directory, { recursive: true, force: true });
  }
}
