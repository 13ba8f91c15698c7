import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { freePorts } from './ports';
import { run, type RunResult } from './tools';
import { waitFor } from './wait-for';

export const ROOT = repository(__dirname);
export const HEXAD = join(ROOT, 'bin', 'hexad');
const READY = 'ready to serve client requests';
const READY_MS = 20_000;

export type ProcessName = 'raft' | 'storage' | 'watch' | 'lease' | 'auth' | 'proxy';

/** One member: `bin/hexad` with its six processes. */
export class Member {
  private child: ChildProcess | undefined;
  private output = '';
  private exit: Promise<number | null> = Promise.resolve(null);

  constructor(
    readonly name: string,
    readonly clientPort: number,
    private readonly flags: readonly string[],
    private readonly directory: string,
    private readonly env: NodeJS.ProcessEnv,
  ) {}

  get endpoint(): string {
    return `127.0.0.1:${this.clientPort}`;
  }
  get dataDir(): string {
    return join(this.directory, this.name);
  }
  /** As its own flags have it. */
  get peerUrl(): string {
    return this.flag('initial-advertise-peer-urls');
  }
  /** The same member started with other flags, which replace those of the same name. */
  withFlags(changes: readonly string[]): Member {
    const names = changes.map((flag) => flag.split('=')[0]);
    const kept = this.flags.filter((flag) => !names.includes(flag.split('=')[0]));
    return new Member(this.name, this.clientPort, [...kept, ...changes], this.directory, this.env);
  }
  private flag(name: string): string {
    return this.flags.find((flag) => flag.startsWith(`--${name}=`))?.slice(name.length + 3) ?? '';
  }
  get pid(): number {
    return this.child?.pid ?? 0;
  }
  /** It was started and its main process has ended. */
  get hasEnded(): boolean {
    return this.child !== undefined && (this.child.exitCode !== null || this.child.signalCode !== null);
  }
  /** All that the member has logged so far. */
  get log(): string {
    return this.output;
  }

  spawn(): void {
    const from = this.output.length;
    const child = spawn(HEXAD, [...this.flags], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...this.env },
    });
    this.child = child;
    this.readyFrom = from;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.output += text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.output += text));
    this.exit = new Promise((resolve) => child.once('exit', (code) => resolve(code)));
  }
  private readyFrom = 0;

  async ready(): Promise<void> {
    const ended = this.exit.then((code) => {
      throw new Error(`${this.name} ended with ${String(code)} before it was ready:\n${this.output.slice(-4_000)}`);
    });
    const ready = waitFor(
      `${this.name} to be ready`,
      () => this.output.indexOf(READY, this.readyFrom) >= 0,
      READY_MS,
    ).catch((error: Error) => {
      throw new Error(`${error.message}\n${this.output.slice(-4_000)}`);
    });
    await Promise.race([ready, ended]);
    ended.catch(() => undefined);
  }

  /** Resolves with the exit code of the main process, however it comes to end. */
  ended(): Promise<number | null> {
    return this.exit;
  }

  async start(): Promise<void> {
    this.spawn();
    await this.ready();
  }

  /** Resolves with the exit code of the main process. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (this.child === undefined) return null;
    if (this.child.exitCode === null) this.child.kill(signal);
    return this.exit;
  }

  /** pid of one of the six, found as a child of the main process. */
  processPid(name: ProcessName): number | undefined {
    for (const pid of childrenOf(this.pid)) {
      if (commandLine(pid).includes(`services/${name}/main.js`)) return pid;
    }
    return undefined;
  }

  childPids(): number[] {
    return childrenOf(this.pid);
  }

  /** The main process and its six at one moment, as when the machine stops. Resolves when the main process is gone. */
  async killAll(): Promise<void> {
    const pids = this.signalAll('SIGSTOP');
    for (const pid of pids) sendSignal(pid, 'SIGKILL');
    await this.exit;
    await waitFor('the processes to be gone', () => pids.every((pid) => !existsSync(`/proc/${pid}/exe`)));
  }

  /** Signals the main process and its six; the pids it found. */
  signalAll(name: NodeJS.Signals): number[] {
    if (this.child === undefined || this.hasEnded) return [];
    sendSignal(this.pid, name);
    const pids = [this.pid, ...this.childPids()];
    for (const pid of pids) sendSignal(pid, name);
    return pids;
  }
}

/** The folder with package.json: this file also runs compiled, below dist. */
function repository(from: string): string {
  return existsSync(join(from, 'package.json')) ? from : repository(dirname(from));
}

function sendSignal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // it is gone already
  }
}

function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((candidate) => parentOf(candidate) === pid);
}

function parentOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return 0; // it ended while we looked
  }
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

export interface ClusterOptions {
  readonly members?: number;
  readonly flags?: readonly string[];
  /** Of all members, or of the member with this number, from 0. `directory` holds all data directories. */
  readonly env?: NodeJS.ProcessEnv | ((at: number, directory: string) => NodeJS.ProcessEnv);
  /** Where the cluster's directory is made; default: the system's temporary directory. */
  readonly parent?: string;
  /** What the others dial to reach the member with this number whose own peer port is given; default: that port. */
  readonly peerPort?: (at: number, port: number) => number;
  readonly scheme?: 'http' | 'https';
}

function environmentOf({ env }: ClusterOptions, at: number, directory: string): NodeJS.ProcessEnv {
  return typeof env === 'function' ? env(at, directory) : (env ?? {});
}

/** A cluster of real members on loopback ports of its own, in a temporary directory. */
export class Cluster {
  private constructor(
    readonly members: Member[],
    readonly directory: string,
    private readonly options: ClusterOptions,
  ) {}

  static async create(options: ClusterOptions = {}): Promise<Cluster> {
    const count = options.members ?? 1;
    const scheme = options.scheme ?? 'http';
    const directory = mkdtempSync(join(options.parent ?? tmpdir(), 'hexad-test-'));
    const ports = await freePorts(2 * count);
    const listenPeer = (at: number): number => ports[2 * at + 1] ?? 0;
    const peerUrls = Array.from({ length: count }, (_, at) => options.peerPort?.(at, listenPeer(at)) ?? listenPeer(at));
    const peerUrl = (at: number): string => `http://127.0.0.1:${String(peerUrls[at])}`;
    const initial = Array.from({ length: count }, (_, at) => `m${at + 1}=${peerUrl(at)}`).join(',');
    const members = Array.from({ length: count }, (_, at) => {
      const client = `${scheme}://127.0.0.1:${String(ports[2 * at])}`;
      const flags = [
        `--name=m${at + 1}`,
        `--data-dir=${join(directory, `m${at + 1}`)}`,
        `--listen-client-urls=${client}`,
        `--advertise-client-urls=${client}`,
        `--listen-peer-urls=http://127.0.0.1:${listenPeer(at)}`,
        `--initial-advertise-peer-urls=${peerUrl(at)}`,
        `--initial-cluster=${initial}`,
        ...(options.flags ?? []),
      ];
      return new Member(`m${at + 1}`, ports[2 * at] ?? 0, flags, directory, environmentOf(options, at, directory));
    });
    return new Cluster(members, directory, options);
  }

  /**
   * A member that is not in the cluster yet, with its peer URL, to be added with `etcdctl member add` before it starts.
   * `others`: who is named in its --initial-cluster besides itself; by default everyone in `members`.
   */
  async newMember(
    name: string,
    flags: readonly string[] = [],
    others: readonly Member[] = this.members,
  ): Promise<{ member: Member; peerUrl: string }> {
    const [clientPort = 0, peerPort = 0] = await freePorts(2);
    const client = `${this.options.scheme ?? 'http'}://127.0.0.1:${String(clientPort)}`;
    const peerUrl = `http://127.0.0.1:${String(peerPort)}`;
    const all = [
      `--name=${name}`,
      `--data-dir=${join(this.directory, name)}`,
      `--listen-client-urls=${client}`,
      `--advertise-client-urls=${client}`,
      `--listen-peer-urls=${peerUrl}`,
      `--initial-advertise-peer-urls=${peerUrl}`,
      `--initial-cluster=${[...others.map((other) => `${other.name}=${other.peerUrl}`), `${name}=${peerUrl}`].join(',')}`,
      '--initial-cluster-state=existing',
      ...(this.options.flags ?? []),
      ...flags,
    ];
    const env = environmentOf(this.options, this.members.length, this.directory);
    return { member: new Member(name, clientPort, all, this.directory, env), peerUrl };
  }

  static async start(options: ClusterOptions = {}): Promise<Cluster> {
    const cluster = await Cluster.create(options);
    for (const member of cluster.members) member.spawn();
    try {
      await Promise.all(cluster.members.map((member) => member.ready()));
    } catch (error) {
      await cluster.destroy();
      throw error;
    }
    return cluster;
  }

  get endpoints(): string[] {
    return this.members.map((member) => member.endpoint);
  }

  member(at: number): Member {
    const member = this.members[at];
    if (member === undefined) throw new Error(`no member ${at}`);
    return member;
  }

  etcdctl(args: readonly string[], input?: string): Promise<RunResult> {
    return etcdctl(this.endpoints, args, input);
  }

  /** Like `etcdctl`, but a failure is an error. */
  async ctl(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.etcdctl(args);
    if (code !== 0) throw new Error(`etcdctl ${args.join(' ')} ended with ${code}: ${stderr}${stdout}`);
    return stdout;
  }

  async status(): Promise<EndpointStatus[]> {
    const { code, stdout } = await this.etcdctl(['endpoint', 'status', '-w', 'json']);
    return code === 0 ? (JSON.parse(stdout) as EndpointStatus[]) : [];
  }

  /** The member that leads, once all that answer agree. */
  leader(timeoutMs = 10_000): Promise<Member> {
    return waitFor(
      'a leader',
      async () => {
        for (const member of this.members) {
          const { code, stdout } = await etcdctl(
            [member.endpoint],
            ['endpoint', 'status', '-w', 'json', '--command-timeout=1s'],
          );
          if (code !== 0) continue;
          const [status] = JSON.parse(stdout) as EndpointStatus[];
          if (status !== undefined && status.Status.leader === status.Status.header.member_id) return member;
        }
        return undefined;
      },
      timeoutMs,
    );
  }

  async destroy(): Promise<void> {
    for (const member of this.members) member.signalAll('SIGCONT');
    await Promise.all(this.members.map((member) => member.stop('SIGTERM')));
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 10 });
  }
}

export interface EndpointStatus {
  readonly Endpoint: string;
  readonly Status: {
    readonly header: { readonly member_id: number; readonly revision: number; readonly raft_term: number };
    readonly leader: number;
    readonly raftIndex: number;
    readonly version: string;
  };
}

export function etcdctl(endpoints: readonly string[], args: readonly string[], input?: string): Promise<RunResult> {
  return run('etcdctl', ['--endpoints', endpoints.join(','), ...args], {
    env: { ETCDCTL_API: '3' },
    ...(input === undefined ? {} : { input }),
  });
}
