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
    readonly directory: string,
    private readonly child: ChildProcess,
  ) {}

  static start(flags: readonly string[] = [], binary = process.env['ETCD_BIN'] ?? 'etcd'): Promise<RealEtcd> {
    return RealEtcd.startOn(mkdtempSync(join(tmpdir(), 'hexad-etcd-')), binary, flags);
  }

  /** On a data directory, which may hold a restored snapshot; it is removed at the stop. */
  static async startOn(directory: string, binary: string, flags: readonly string[] = []): Promise<RealEtcd> {
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
    const serves = /ready to serve client requests|serving insecure client requests/;
    await waitFor('etcd to serve', () => {
      if (child.exitCode !== null) throw new Error(`etcd ended with ${child.exitCode}:\n${log.slice(-2_000)}`);
      return serves.test(log);
    });
    return new RealEtcd(`127.0.0.1:${client}`, directory, child);
  }

  /** Ends it and leaves its directory. */
  async end(signal: NodeJS.Signals): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    await new Promise((resolve) => {
      this.child.once('exit', resolve);
      this.child.kill(signal);
    });
  }

  async stop(): Promise<void> {
    await this.end('SIGKILL');
    rmSync(this.directory, { recursive: true, force: true });
  }
}
