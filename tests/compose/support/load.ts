import type { Etcd3, Watcher } from 'etcd3';
import { waitFor } from '../../system/support/wait-for';

export interface LoadResult {
  readonly acknowledged: number;
  /** Writes that needed more than one attempt. */
  readonly retried: number;
  /** Reads that failed for good: three attempts within a few seconds. */
  readonly failedReads: number;
}

const ATTEMPT_MS = 2_000;
/** How long a client goes on trying before it gives a request up. */
const GIVE_UP_MS = 15_000;

/**
 * One client writes keys one after the other and reads each back, one watches them all. A write is tried until it is acknowledged (its
 * keys are its own, so a second attempt does no harm), a read likewise.
 */
export class Load {
  private readonly seen: string[] = [];
  private readonly seenRevisions: number[] = [];
  private running = true;
  private acknowledged = 0;
  private retried = 0;
  private failedReads = 0;
  private writer: Promise<void> = Promise.resolve();
  private watcher: Watcher | undefined;

  constructor(
    private readonly client: Etcd3,
    private readonly watching: Etcd3,
    private readonly prefix: string,
  ) {}

  async start(): Promise<void> {
    this.watcher = await this.watching.watch().prefix(this.prefix).create();
    this.watcher.on('put', (kv) => {
      this.seen.push(kv.value.toString());
      this.seenRevisions.push(Number(kv.mod_revision));
    });
    this.writer = this.write();
  }

  /** Resolves once so many more writes have been acknowledged. */
  async more(count: number): Promise<void> {
    const target = this.acknowledged + count;
    await waitFor(`${count} more writes`, () => this.acknowledged >= target, 60_000);
  }

  /** Stops, waits until the watch has everything, and checks that it has it in order, each once. */
  async stop(): Promise<LoadResult> {
    this.running = false;
    await this.writer;
    const last = String(this.acknowledged - 1);
    await waitFor('the watch to see the last write', () => this.seen.at(-1) === last, 30_000);
    const missing = Array.from({ length: this.acknowledged }, (_, at) => String(at)).filter(
      (value) => !this.seen.includes(value),
    );
    if (missing.length > 0) throw new Error(`the watch has missed ${missing.length} writes: ${missing.slice(0, 5)}`);
    const wrong = this.seenRevisions.findIndex((revision, at) => revision <= (this.seenRevisions[at - 1] ?? 0));
    if (wrong >= 0)
      throw new Error(`revision ${this.seenRevisions[wrong]} came after ${this.seenRevisions[wrong - 1]}`);
    await this.watcher?.cancel();
    return { acknowledged: this.acknowledged, retried: this.retried, failedReads: this.failedReads };
  }

  private async write(): Promise<void> {
    for (let at = 0; this.running; at++) {
      const key = `${this.prefix}${at}`;
      const attempts = await this.until(() => this.client.put(key).value(String(at)).exec());
      if (attempts > 1) this.retried += 1;
      this.acknowledged += 1;
      try {
        await this.until(async () => {
          const value = await this.client.get(key).string();
          if (value !== String(at)) throw new Lost(`${key} is ${String(value)} after it was acknowledged`);
        });
      } catch (error) {
        if (error instanceof Lost) throw error;
        this.failedReads += 1;
      }
    }
  }

  /** How many attempts it took. */
  private async until(attempt: () => Promise<unknown>): Promise<number> {
    const giveUpAt = performance.now() + GIVE_UP_MS;
    for (let attempts = 1; ; attempts++) {
      try {
        await withDeadline(attempt());
        return attempts;
      } catch (error) {
        if (error instanceof Lost || performance.now() > giveUpAt) throw error;
      }
    }
  }
}

/** An acknowledged write that is not there: nothing to try again. */
class Lost extends Error {}

function withDeadline<T>(promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer within ${ATTEMPT_MS} ms`)), ATTEMPT_MS);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
