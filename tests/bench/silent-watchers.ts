import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { delay } from './load';

export type SilentRequest =
  | { readonly kind: 'open'; readonly port: number; readonly count: number }
  | { readonly kind: 'resume' | 'report' | 'end' };

/** Events by watcher, the one that began far back first; and what went wrong. */
export interface SilentReport {
  readonly events: readonly number[];
  readonly errors: readonly (readonly [string, number])[];
}

/**
 * A watcher that starts far back and many of everything, on streams of their own, whose client does not read. It is a thread of its
 * own: some hundred megabytes that it has taken in would else be the garbage collector's business between two puts.
 */
export class SilentWatchers {
  private constructor(private readonly worker: Worker) {}

  static async open(port: number, count: number): Promise<SilentWatchers> {
    const silent = new SilentWatchers(new Worker(join(__dirname, 'silent-worker.js')));
    await silent.ask({ kind: 'open', port, count });
    return silent;
  }

  async resume(): Promise<void> {
    await this.ask({ kind: 'resume' });
  }

  report(): Promise<SilentReport> {
    return this.ask({ kind: 'report' });
  }

  /** Once this holds of what they have got. */
  async until(holds: (events: readonly number[]) => boolean, waitMs: number): Promise<SilentReport> {
    const giveUpAt = performance.now() + waitMs;
    for (;;) {
      const report = await this.report();
      if (holds(report.events)) return report;
      if (performance.now() > giveUpAt) throw new Error('waited in vain for those who did not read');
      await delay(50);
    }
  }

  async end(): Promise<void> {
    await this.ask({ kind: 'end' });
    await this.worker.terminate();
  }

  private async ask(request: SilentRequest): Promise<SilentReport> {
    this.worker.postMessage(request);
    const [report] = (await once(this.worker, 'message')) as [SilentReport];
    return report;
  }
}
