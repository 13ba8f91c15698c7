import { failpoint } from '../../libs/failpoints';
import type { BusyPeriods } from '../../libs/attribution';
import type { Store } from '../../libs/mvcc';
import { flushNow } from '../../libs/rpc';
import { toHostMicros } from '../../libs/telemetry';
import { limits } from './limits';
import { MaintenanceCounts } from './maintenance-counts';

const beforeBatch = failpoint('compactBeforeCommitBatch');
const afterBatch = failpoint('compactAfterCommitBatch');

/** Deletes compacted versions in the background, a slice per turn of the event loop, between applies. */
export class Compactor {
  private running = false;
  private closed = false;
  private holders = 0;
  private parked = false;
  private waiting: (() => void)[] = [];
  private began = 0;

  constructor(
    private readonly store: Store,
    private readonly fatal: (error: unknown) => never,
    private readonly counts = new MaintenanceCounts(),
    /** Is told what time goes into it. */
    private readonly periods?: BusyPeriods,
  ) {}

  /** Also at start-up: a compaction that was logged before a crash goes on. */
  start(): void {
    if (this.running || this.closed) return;
    this.running = true;
    this.began = performance.now();
    setImmediate(() => this.step());
  }

  /** Runs once everything compacted so far is gone from the file. */
  afterwards(callback: () => void): void {
    this.waiting.push(callback);
    this.start();
  }

  /** Nothing is deleted until the function that is returned has been called. */
  hold(): () => void {
    this.holders++;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.holders--;
      if (this.holders > 0 || !this.parked) return;
      this.parked = false;
      setImmediate(() => this.step());
    };
  }

  close(): void {
    this.closed = true;
  }

  private step(): void {
    if (this.closed) return;
    if (this.holders > 0) {
      this.parked = true;
      return;
    }
    if (this.store.overloaded) {
      this.store.whenWritable().then(() => this.step(), this.fatal);
      return;
    }
    flushNow(); // answers to what has been applied in this turn do not wait for the slice
    const { store, counts } = this;
    const wasCompacting = store.isCompacting;
    const from = performance.now();
    beforeBatch.reach();
    const isDone = store.compactSlice(limits.compactionSliceRows);
    afterBatch.reach();
    const to = performance.now();
    this.periods?.note(toHostMicros(from), toHostMicros(to));
    if (wasCompacting) counts.compactionPause.observe(to - from);
    if (!isDone) {
      // Until the commit that takes what was found so far, trying again would only spin.
      if (this.store.isCompactionStalled) this.store.flush().then(() => this.step(), this.fatal);
      else setImmediate(() => this.step());
      return;
    }
    this.running = false;
    if (wasCompacting) {
      counts.compactionTotal.observe(performance.now() - this.began);
      counts.compactedAt = Math.floor(Date.now() / 1000);
    }
    this.finish();
  }

  private finish(): void {
    if (this.waiting.length === 0) return;
    const waiting = this.waiting;
    this.waiting = [];
    this.store.flush().then(() => {
      for (const callback of waiting) callback();
    }, this.fatal);
  }
}
