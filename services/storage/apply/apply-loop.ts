import { failpoint } from '../../../libs/failpoints';
import type { Store } from '../../../libs/mvcc';
import type { LogEntry } from '../../../proto/gen/hexad';
import type { ApplyStamps } from '../apply-stamps';
import type { StorageCounts } from '../counts';
import { limits } from '../limits';
import type { Attempts } from './attempts';
import type { StateMachine } from './machine';

const beforeAttempt = failpoint('applyBeforeAttempt');
const afterAttempt = failpoint('applyAfterAttempt');
const beforeAnswers = failpoint('applyBeforeAnswers');

export interface ApplyLoopEvents {
  /** A slice has been applied and its effects can be read: answers leave now. */
  onSlice(appliedBytes: number): void;
  /** Apply has killed the process again and again at this index and goes no further. */
  onHalt(index: number): void;
  fatal(error: unknown): never;
  /** Undefined: no stage stamps. */
  readonly counts?: StorageCounts;
  readonly stamps?: Pick<ApplyStamps, 'storeBusy' | 'sliceBegins'> | undefined;
}

/**
 * Applies what raft delivers, in slices short enough that reads and links have their turn in between. It stops for as long as
 * too much waits to become durable.
 */
export class ApplyLoop {
  private queue: LogEntry[] = [];
  private at = 0;
  private bytesQueued = 0;
  private scheduled = false;
  private halted = false;
  /** The record of the attempt is still to be cleared. */
  private attemptOpen = false;

  constructor(
    private readonly store: Store,
    private readonly machine: StateMachine,
    private readonly attempts: Attempts,
    private readonly events: ApplyLoopEvents,
  ) {}

  get queuedBytes(): number {
    return this.bytesQueued;
  }

  /** Takes entries in index order; those that are applied already are passed over. Applies at once what fits a slice. */
  push(entries: readonly LogEntry[]): void {
    if (this.halted) return;
    for (const entry of entries) {
      if (entry.index <= this.store.applied.index) continue;
      this.queue.push(entry);
      this.bytesQueued += entry.data.length;
    }
    if (!this.scheduled) this.run();
  }

  /** Forgets what is not applied: it will be delivered again. */
  reset(): void {
    this.endAttempt();
    this.clear();
  }

  private clear(): void {
    this.queue = [];
    this.at = 0;
    this.bytesQueued = 0;
  }

  private run(): void {
    this.scheduled = false;
    if (this.at === this.queue.length) return;
    if (this.store.overloaded) {
      this.scheduled = true;
      this.events.stamps?.storeBusy();
      this.store.whenWritable().then(
        () => this.run(),
        (error: unknown) => this.events.fatal(error),
      );
      return;
    }
    const bytes = this.applySlice();
    if (this.at === this.queue.length) this.clear();
    else if (!this.halted) {
      this.scheduled = true;
      setImmediate(() => this.run());
    }
    if (bytes >= 0) this.events.onSlice(bytes);
  }

  /** Bytes of the entries applied; −1: none was. */
  private applySlice(): number {
    this.events.stamps?.sliceBegins();
    const first = this.queue[this.at] as LogEntry;
    if (this.attempts.isPoison(first.index)) {
      this.halted = true;
      this.events.onHalt(first.index);
      return -1;
    }
    const count = this.attempts.batchMax(first.index, limits.applySliceEntries);
    const end = Math.min(this.at + count, this.queue.length);
    beforeAttempt.reach();
    this.attempts.begin(first.index, (this.queue[end - 1] as LogEntry).index);
    afterAttempt.reach();
    const bytes = this.applyUntil(end);
    beforeAnswers.reach();
    if (this.attemptOpen) return bytes;
    // Answers leave first. Nothing is being applied when this runs, whatever has been applied meanwhile.
    this.attemptOpen = true;
    setImmediate(() => this.endAttempt());
    return bytes;
  }

  private endAttempt(): void {
    if (!this.attemptOpen) return;
    this.attemptOpen = false;
    this.attempts.end(this.store.applied.index);
  }

  private count(entries: number, tookMs: number): void {
    const { counts } = this.events;
    if (counts === undefined) return;
    counts.slices++;
    counts.entriesApplied += entries;
    counts.apply.observe(tookMs / 1000);
    if (tookMs > limits.slowApplyMs) counts.slowApplies++;
  }

  private applyUntil(end: number): number {
    const started = performance.now();
    const deadline = started + limits.applySliceMs;
    const from = this.at;
    let bytes = 0;
    while (this.at < end) {
      const entry = this.queue[this.at] as LogEntry;
      this.machine.apply(entry);
      this.at++;
      bytes += entry.data.length;
      if ((this.at & 31) === 0 && performance.now() > deadline) break;
    }
    this.bytesQueued -= bytes;
    this.count(this.at - from, performance.now() - started);
    return bytes;
  }
}
