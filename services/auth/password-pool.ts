import { Worker } from 'node:worker_threads';

/** With `hash`: compare; without: make a hash of `cost`. */
export interface PasswordJob {
  readonly id: number;
  readonly password: string;
  readonly hash?: string;
  readonly cost?: number;
}

export interface PasswordResult {
  readonly id: number;
  readonly hash?: string;
  readonly matches?: boolean;
}

/** What the authenticator needs of password hashing; undefined: too much is waiting already, or the thread died. */
export interface Passwords {
  hash(password: string): Promise<string | undefined>;
  verify(password: string, hash: string): Promise<boolean | undefined>;
}

interface Waiting {
  readonly job: PasswordJob;
  readonly resolve: (result: PasswordResult | undefined) => void;
}

const QUEUE_MAX = 256;
/** Threads end after this long without work: each holds some 10 MB. */
const IDLE_MS = 30_000;

/** bcrypt in worker threads, started when they are needed. The queue is bounded. */
export class PasswordPool implements Passwords {
  private readonly idle: Thread[] = [];
  private readonly threads = new Set<Thread>();
  private readonly queue: Waiting[] = [];
  private lastId = 0;
  private closed = false;

  constructor(
    private readonly options: { readonly workerFile: string; readonly threads: number; readonly cost: number },
  ) {}

  async hash(password: string): Promise<string | undefined> {
    return (await this.run({ password, cost: this.options.cost }))?.hash;
  }

  async verify(password: string, hash: string): Promise<boolean | undefined> {
    return (await this.run({ password, hash }))?.matches;
  }

  async close(): Promise<void> {
    this.closed = true;
    for (const { resolve } of this.queue.splice(0)) resolve(undefined);
    await Promise.all([...this.threads].map((thread) => thread.end()));
  }

  private run(job: Omit<PasswordJob, 'id'>): Promise<PasswordResult | undefined> {
    if (this.closed || this.queue.length >= QUEUE_MAX) return Promise.resolve(undefined);
    this.lastId += 1;
    const id = this.lastId;
    return new Promise((resolve) => {
      this.queue.push({ job: { ...job, id }, resolve });
      this.next();
    });
  }

  private next(): void {
    if (this.queue.length === 0 || this.closed) return;
    const thread = this.idle.pop() ?? this.startThread();
    if (thread === undefined) return;
    const waiting = this.queue.shift() as Waiting; // length > 0
    thread.work(waiting);
  }

  private startThread(): Thread | undefined {
    if (this.threads.size >= this.options.threads) return undefined;
    const thread = new Thread(this.options.workerFile, {
      onIdle: () => {
        this.idle.push(thread);
        this.next();
      },
      onEnd: () => {
        this.threads.delete(thread);
        const at = this.idle.indexOf(thread);
        if (at >= 0) this.idle.splice(at, 1);
        this.next();
      },
    });
    this.threads.add(thread);
    return thread;
  }
}

class Thread {
  private readonly worker: Worker;
  private current: Waiting | undefined;
  private idleTimer: NodeJS.Timeout | undefined;

  constructor(
    file: string,
    private readonly events: { onIdle(): void; onEnd(): void },
  ) {
    this.worker = new Worker(file);
    this.worker.on('message', (result: PasswordResult) => this.finish(result));
    this.worker.on('error', () => undefined); // `exit` follows
    this.worker.on('exit', () => this.ended());
  }

  work(waiting: Waiting): void {
    clearTimeout(this.idleTimer);
    this.current = waiting;
    this.worker.postMessage(waiting.job);
  }

  async end(): Promise<void> {
    clearTimeout(this.idleTimer);
    await this.worker.terminate();
  }

  private finish(result: PasswordResult): void {
    const done = this.current;
    this.current = undefined;
    this.idleTimer = setTimeout(() => void this.worker.terminate(), IDLE_MS);
    this.idleTimer.unref();
    this.events.onIdle();
    done?.resolve(result);
  }

  private ended(): void {
    clearTimeout(this.idleTimer);
    this.current?.resolve(undefined);
    this.current = undefined;
    this.events.onEnd();
  }
}
