import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from '../system/support/ports';

const ROOT = join(__dirname, '..', '..', '..');
const READY = /ready to serve client requests|serving insecure client requests/;
const START_MS = 30_000;
const CLOCK_TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
const PAGE_KB = 4;

export type ServerKind = 'hexad' | 'etcd';

/** CPU seconds (user + system) by process name, and anonymous memory of all in kB. */
export interface Usage {
  readonly cpu: ReadonlyMap<string, number>;
  readonly anonymousKb: number;
}

/** A cluster of one kind on loopback ports and a temporary directory of its own, with the flags both kinds share. */
export class ServerCluster {
  private readonly children: ChildProcess[] = [];
  private constructor(
    readonly kind: ServerKind,
    readonly ports: readonly number[],
    private readonly directory: string,
  ) {}

  static async start(
    kind: ServerKind,
    members: number,
    etcd: string,
    extra: readonly string[] = [],
  ): Promise<ServerCluster> {
    const ports = await freePorts(2 * members);
    const cluster = new ServerCluster(
      kind,
      ports.slice(0, members),
      mkdtempSync(join(tmpdir(), `hexad-bench-${kind}-`)),
    );
    const peer = (at: number): string => `http://127.0.0.1:${String(ports[members + at])}`;
    const initial = Array.from({ length: members }, (_, at) => `m${at + 1}=${peer(at)}`).join(',');
    const started = cluster.ports.map((port, at) => {
      const client = `http://127.0.0.1:${port}`;
      const flags = [
        `--name=m${at + 1}`,
        `--data-dir=${join(cluster.directory, `m${at + 1}`)}`,
        `--listen-client-urls=${client}`,
        `--advertise-client-urls=${client}`,
        `--listen-peer-urls=${peer(at)}`,
        `--initial-advertise-peer-urls=${peer(at)}`,
        `--initial-cluster=${initial}`,
        '--quota-backend-bytes=8589934592',
        ...extra,
      ];
      return cluster.spawn(kind === 'hexad' ? join(ROOT, 'bin', 'hexad') : etcd, flags);
    });
    await Promise.all(started);
    return cluster;
  }

  private spawn(binary: string, flags: readonly string[]): Promise<void> {
    const child = spawn(binary, [...flags], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.children.push(child);
    let log = '';
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`${binary} was not ready in ${START_MS} ms:\n${log.slice(-2_000)}`)),
        START_MS,
      );
      child.once('exit', (code) => reject(new Error(`${binary} ended with ${String(code)}:\n${log.slice(-2_000)}`)));
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        if (log.length < 1 << 20) log += text;
        if (!READY.test(log)) return;
        clearTimeout(timer);
        resolve();
      });
    });
  }

  usage(): Usage {
    const cpu = new Map<string, number>();
    let anonymousKb = 0;
    for (const pid of this.pids()) {
      const name = processName(pid);
      cpu.set(name, (cpu.get(name) ?? 0) + cpuSeconds(pid));
      anonymousKb += anonymous(pid);
    }
    return { cpu, anonymousKb };
  }

  private pids(): number[] {
    const roots = new Set(this.children.map((child) => child.pid ?? 0));
    const all = readdirSync('/proc')
      .filter((entry) => /^\d+$/.test(entry))
      .map(Number);
    return all.filter((pid) => roots.has(pid) || roots.has(parentOf(pid)));
  }

  async stop(): Promise<void> {
    await Promise.all(
      this.children.map(
        (child) =>
          new Promise<void>((resolve) => {
            if (child.exitCode !== null || child.signalCode !== null) return resolve();
            child.removeAllListeners('exit');
            child.once('exit', () => resolve());
            child.kill('SIGTERM');
          }),
      ),
    );
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 10 });
  }
}

function statFields(pid: number): string[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return []; // it ended while we looked
  }
}

function parentOf(pid: number): number {
  return Number(statFields(pid)[1] ?? 0);
}

function cpuSeconds(pid: number): number {
  const fields = statFields(pid);
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / CLOCK_TICKS_PER_SECOND;
}

function anonymous(pid: number): number {
  try {
    const [, rss = '0', shared = '0'] = readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ');
    return (Number(rss) - Number(shared)) * PAGE_KB;
  } catch {
    return 0;
  }
}

function processName(pid: number): string {
  try {
    const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
    return /services\/(\w+)\/main\.js/.exec(line)?.[1] ?? (line.includes('etcd') ? 'etcd' : 'other');
  } catch {
    return 'other';
  }
}
