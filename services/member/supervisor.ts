import { type MemberConfig, PROCESS_NAMES, processConfig, type ProcessName } from '../../libs/config';
import { EXIT_REMOVED, EXIT_RESTART, type Logger } from '../../libs/process';
import { Child } from './child';
import type { MemberFailpoints } from './failpoints';

const DEATHS_MAX = 5;
const DEATHS_WINDOW_MS = 10_000;
const STOP_GRACE_MS = 8_000;
/** A Go program's that panics. */
const EXIT_PANIC = 2;
/** First the edge drains, then what proposes; leadership is handed over while storage still answers; the store flushes last. */
const STOP_ORDER: readonly (readonly ProcessName[])[] = [['proxy'], ['watch', 'lease', 'auth'], ['raft'], ['storage']];

export interface ProcessRow {
  readonly name: ProcessName;
  readonly pid: number;
  readonly address: string;
}

export interface SupervisorEvents {
  /** All six are ready; again after a restart. */
  onReady(rows: readonly ProcessRow[]): void;
  onLog(line: string): void;
  /** The member is over: exit code and, when it failed, one line that says why. */
  onEnd(code: number, reason: string | undefined): void;
}

/**
 * Keeps the six processes of a member alive: one that dies is started again at once; five deaths of one process in 10 s,
 * or a process that refuses to start, end the member.
 */
export class Supervisor {
  private readonly children = new Map<ProcessName, Child>();
  private readonly addresses = new Map<ProcessName, string>();
  /** When each process died lately. */
  private readonly deaths = new Map<ProcessName, readonly number[]>();
  private ending = false;
  private wasReady = false;

  constructor(
    private readonly config: MemberConfig,
    private readonly logger: Logger,
    private readonly events: SupervisorEvents,
    /** undefined: none can be set. */
    private readonly failpoints?: MemberFailpoints,
  ) {}

  start(): void {
    this.failpoints?.direct((name) => this.children.get(name));
    for (const name of PROCESS_NAMES) this.spawn(name);
  }

  rows(): ProcessRow[] {
    return PROCESS_NAMES.map((name) => ({
      name,
      pid: this.children.get(name)?.pid ?? 0,
      address: this.addresses.get(name) ?? '',
    }));
  }

  /** Stops all in order, each group bounded in time; then the member is over with exit code 0. */
  async stop(): Promise<void> {
    if (this.ending) return;
    this.ending = true;
    for (const group of STOP_ORDER) await Promise.all(group.map((name) => this.stopChild(name, STOP_GRACE_MS)));
    this.events.onEnd(0, undefined);
  }

  private spawn(name: ProcessName): void {
    const { failpoints } = this;
    const points = failpoints === undefined ? {} : { failpoints: failpoints.settingsOf(name) };
    const child: Child = new Child(
      name,
      { ...processConfig(this.config, name), ...points },
      {
        onReady: (address) => this.childReady(name, address),
        onRefused: (message) => this.fail(`${name}: ${message}`),
        onLog: (line) => this.events.onLog(line),
        onPanic: (message) => this.panic(message),
        onExit: (code, signal) => this.childExited(name, code, signal),
      },
    );
    this.children.set(name, child);
  }

  private childReady(name: ProcessName, address: string): void {
    this.addresses.set(name, address);
    if (this.addresses.size < PROCESS_NAMES.length) return;
    if (this.wasReady) this.logger.info({ restarted: name }, 'process is ready again');
    else {
      this.wasReady = true;
      this.events.onReady(this.rows());
    }
  }

  private childExited(name: ProcessName, code: number | null, signal: NodeJS.Signals | null): void {
    if (this.ending) return;
    if (code === EXIT_RESTART) return this.spawn(name);
    if (code === EXIT_REMOVED) return this.end(0, undefined);
    const now = performance.now();
    const deaths = [...(this.deaths.get(name) ?? []).filter((at) => now - at < DEATHS_WINDOW_MS), now];
    this.deaths.set(name, deaths);
    if (deaths.length >= DEATHS_MAX) {
      this.fail(`the ${name} process died ${DEATHS_MAX} times within ${DEATHS_WINDOW_MS / 1_000} s`);
      return;
    }
    this.logger.error({ child: name, code, signal, deaths: deaths.length }, 'process died; starting it again');
    this.spawn(name);
  }

  /** Ends everything at once: something is wrong that waiting does not mend. */
  private fail(reason: string): void {
    this.end(1, reason);
  }

  /** All processes die at this moment, as in a crash of a program that is one process. */
  private panic(message: string): void {
    if (this.ending) return;
    this.ending = true;
    const children = [...this.children.values()];
    for (const child of children) child.kill('SIGKILL');
    void Promise.all(children.map((child) => new Promise<void>((resolve) => child.whenExited(resolve)))).then(() =>
      this.events.onEnd(EXIT_PANIC, message),
    );
  }

  private end(code: number, reason: string | undefined): void {
    if (this.ending) return;
    this.ending = true;
    void Promise.all(PROCESS_NAMES.map((name) => this.stopChild(name, 1_000))).then(() =>
      this.events.onEnd(code, reason),
    );
  }

  private stopChild(name: ProcessName, graceMs: number): Promise<void> {
    const child = this.children.get(name);
    if (child === undefined || child.exited) return Promise.resolve();
    return new Promise((resolve) => {
      child.kill('SIGTERM');
      const killer = setTimeout(() => {
        this.logger.warn({ child: name }, 'process did not stop in time; killing it');
        child.kill('SIGKILL');
      }, graceMs);
      child.whenExited(() => {
        clearTimeout(killer);
        resolve();
      });
    });
  }
}
