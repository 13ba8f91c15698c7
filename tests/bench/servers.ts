import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  decodeStatusResponse,
  encodeRangeRequest,
  encodeStatusRequest,
  KV_PATHS,
  MAINTENANCE_PATHS,
} from '../../proto/gen/etcdserverpb';
import { freePorts } from '../system/support/ports';
import { connectTo } from './fill';
import { anonymousKb, commandLine, cpuSeconds, family } from './proc';

export const ROOT = join(__dirname, '..', '..', '..');
const READY = /ready to serve client requests|serving insecure client requests/;
const START_MS = 30_000;
const STOP_MS = 60_000;
const LOG_BYTES_MAX = 1 << 20;

/** `without`: Hexad without something that costs. */
export type ServerKind = 'hexad' | 'etcd' | 'without';

export interface StartOptions {
  readonly members: number;
  /** The etcd binary, for that kind. */
  readonly etcd: string;
  /** Added to the environment of the servers. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Default: 8 GiB. */
  readonly quotaBytes?: number | undefined;
}

interface Member {
  readonly name: string;
  readonly port: number;
  readonly launch: () => { readonly child: ChildProcess; readonly ready: Promise<void> };
  child: ChildProcess;
  /** Settles when it serves, has failed to or was given up. */
  ready: Promise<void>;
  isLeader: boolean;
  /** Name by pid, of the member's processes. */
  processes: ReadonlyMap<number, string>;
}

/** A cluster of one kind on loopback ports and a temporary directory of its own, with the flags both kinds share. */
export class ServerCluster {
  private readonly members: Member[] = [];
  private readonly directory: string;
  private peakKb = 0;
  private sampler: NodeJS.Timeout | undefined;

  private constructor(readonly kind: ServerKind) {
    this.directory = mkdtempSync(join(tmpdir(), `hexad-bench-${kind}-`));
  }

  /** Those that must be stopped if the benchmark is. */
  private static readonly running = new Set<ServerCluster>();

  /** Ends this process at SIGINT and SIGTERM, once all clusters have stopped and their data is gone. */
  static stopAtSignals(): void {
    for (const [signal, code] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
    ] as const) {
      process.once(signal, () => {
        void Promise.all([...ServerCluster.running].map((cluster) => cluster.stop())).finally(() => process.exit(code));
      });
    }
  }

  /** Resolves when all members serve and their leader is known. */
  static async start(kind: ServerKind, options: StartOptions): Promise<ServerCluster> {
    const cluster = new ServerCluster(kind);
    ServerCluster.running.add(cluster);
    try {
      await cluster.startMembers(options);
      await cluster.findLeader();
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    for (const member of cluster.members) member.processes = namesOf(member.child.pid ?? 0);
    return cluster;
  }

  /** Client ports, the leader's first, so that a single client has the same way to go in every round and on both kinds. */
  get ports(): number[] {
    return [...this.members].sort((a, b) => Number(b.isLeader) - Number(a.isLeader)).map(({ port }) => port);
  }

  /** The data directory of the first member, which names its sockets too. */
  get dataDir(): string {
    return join(this.directory, 'm1');
  }

  /** Of every process, with its role, as in `leader raft`; a single member is the leader. */
  processes(): Array<{ readonly pid: number; readonly name: string; readonly member: string }> {
    return this.members.flatMap(({ processes, isLeader, name: member }) =>
      [...processes].map(([pid, name]) => ({ pid, name: `${isLeader ? 'leader' : 'follower'} ${name}`, member })),
    );
  }

  /** CPU seconds (user and system) so far, by role and process name; those of several followers are added. */
  cpu(): Map<string, number> {
    const cpu = new Map<string, number>();
    for (const { pid, name } of this.processes()) cpu.set(name, (cpu.get(name) ?? 0) + cpuSeconds(pid));
    return cpu;
  }

  /** Looks at memory every `everyMs` until the cluster stops. */
  sampleMemory(everyMs: number): void {
    const sample = (): void => {
      this.peakKb = Math.max(
        this.peakKb,
        this.processes().reduce((sum, { pid }) => sum + anonymousKb(pid), 0),
      );
    };
    sample();
    this.sampler = setInterval(sample, everyMs);
  }

  /** The largest sum of anonymous memory of all processes that was seen. */
  get peakAnonymousMb(): number {
    return this.peakKb / 1_024;
  }

  /** Anonymous memory of all processes now, in MB. */
  anonymousMb(): number {
    return this.processes().reduce((sum, { pid }) => sum + anonymousKb(pid), 0) / 1_024;
  }

  /** The same of each process, by name. */
  anonymousMbByProcess(): Map<string, number> {
    return new Map(this.processes().map(({ pid, name }) => [name, anonymousKb(pid) / 1_024]));
  }

  /**
   * Ends the only member, runs `between` and starts it again. Gives the seconds from its start until it has answered a
   * linearizable read.
   */
  async restart(between: () => void = () => undefined): Promise<number> {
    const [member] = this.members;
    if (member === undefined || this.members.length > 1) throw new Error('only a single member is restarted');
    await stopped(member);
    between();
    const from = performance.now();
    Object.assign(member, member.launch());
    await member.ready;
    await answers(member.port);
    const seconds = (performance.now() - from) / 1_000;
    member.processes = namesOf(member.child.pid ?? 0);
    return seconds;
  }

  async stop(): Promise<void> {
    clearInterval(this.sampler);
    await Promise.all(this.members.map(stopped));
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 10 });
    ServerCluster.running.delete(this);
  }

  private async startMembers({ members, etcd, environment, quotaBytes }: StartOptions): Promise<void> {
    const ports = await freePorts(2 * members);
    const peer = (at: number): string => `http://127.0.0.1:${String(ports[members + at])}`;
    const initial = Array.from({ length: members }, (_, at) => `m${at + 1}=${peer(at)}`).join(',');
    const binary = this.kind === 'etcd' ? etcd : join(ROOT, 'bin', 'hexad');
    const whenAllReady = ports.slice(0, members).map((port, at) => {
      const client = `http://127.0.0.1:${port}`;
      const flags = [
        `--name=m${at + 1}`,
        `--data-dir=${join(this.directory, `m${at + 1}`)}`,
        `--listen-client-urls=${client}`,
        `--advertise-client-urls=${client}`,
        `--listen-peer-urls=${peer(at)}`,
        `--initial-advertise-peer-urls=${peer(at)}`,
        `--initial-cluster=${initial}`,
        `--quota-backend-bytes=${quotaBytes ?? 2 ** 33}`,
      ];
      const env = { ...process.env, ...environment };
      const launch = (): { child: ChildProcess; ready: Promise<void> } => {
        const child = spawn(binary, flags, { stdio: ['ignore', 'ignore', 'pipe'], env });
        return { child, ready: whenReady(child, binary) };
      };
      const started = launch();
      const isLeader = members === 1;
      this.members.push({ name: `m${at + 1}`, port, launch, ...started, isLeader, processes: new Map() });
      return started.ready;
    });
    await Promise.all(whenAllReady);
  }

  private async findLeader(): Promise<void> {
    const giveUpAt = performance.now() + START_MS;
    while (!this.members.some(({ isLeader }) => isLeader)) {
      if (performance.now() > giveUpAt) throw new Error('the cluster has no leader');
      for (const member of this.members) member.isLeader = await leads(member.port);
    }
  }
}

function leads(port: number): Promise<boolean> {
  const channel = connectTo(port);
  return new Promise((resolve, reject) => {
    channel.unary(MAINTENANCE_PATHS.Status, encodeStatusRequest({}), { timeoutMs: START_MS }, (result) => {
      channel.close();
      if (!result.ok) return reject(new Error(`status: ${result.error.message}`));
      const { header, leader } = decodeStatusResponse(result.response);
      resolve(header?.memberId === leader);
    });
  });
}

/** Resolves when the member on this port has answered a linearizable read. */
function answers(port: number): Promise<void> {
  const channel = connectTo(port);
  const read = encodeRangeRequest({ key: Buffer.from('x') });
  return new Promise((resolve, reject) => {
    channel.unary(KV_PATHS.Range, read, { timeoutMs: START_MS }, (result) => {
      channel.close();
      if (result.ok) resolve();
      else reject(new Error(`a read after a restart failed: ${result.error.message}`));
    });
  });
}

function whenReady(child: ChildProcess, binary: string): Promise<void> {
  let log = '';
  let isReady = false;
  return new Promise((resolve, reject) => {
    const fail = (what: string): void => reject(new Error(`${binary} ${what}:\n${log.slice(-2_000)}`));
    const timer = setTimeout(() => fail(`was not ready in ${START_MS} ms`), START_MS);
    child.once('error', (error) => fail(`could not be started: ${error.message}`));
    child.once('exit', (code) => fail(`ended with ${String(code)}`));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      if (isReady) return; // the pipe must go on being drained
      log = (log + text).slice(-LOG_BYTES_MAX);
      if (!READY.test(log)) return;
      clearTimeout(timer);
      isReady = true;
      resolve();
    });
  });
}

/** Ends a member. One that is still starting is waited for: only then does it end its own processes in order. */
async function stopped({ child, ready }: Member): Promise<void> {
  await Promise.allSettled([ready]);
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const killer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  await exited;
  clearTimeout(killer);
}

function namesOf(parent: number): Map<number, string> {
  return new Map(
    family(parent).map((pid) => {
      const service = /services\/(\w+)\/main\.js/.exec(commandLine(pid))?.[1];
      return [pid, service ?? 'etcd'];
    }),
  );
}
