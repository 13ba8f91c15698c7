import { nextTurn } from './reads/next-turn';

/** Without an entry for so long nobody is kept waiting. */
const IDLE_MS = 100;

/**
 * Slows background work down while entries are applied: `step` resolves after other work had its turn, and no earlier than
 * `bytesPerSecond` allows. On an idle member it goes as fast as it can.
 */
export class Pace {
  private dueAt = performance.now();
  private seenIndex = -1;
  private seenAt = 0;

  constructor(
    private readonly bytesPerSecond: number,
    private readonly appliedIndex: () => number,
  ) {}

  async step(bytes: number): Promise<void> {
    await nextTurn();
    const now = performance.now();
    if (!this.isBusy(now)) return;
    // What was not used up to now is not saved for later.
    this.dueAt = Math.max(this.dueAt, now) + (bytes * 1_000) / this.bytesPerSecond;
    const wait = this.dueAt - now;
    if (wait >= 1) await new Promise((resolve) => setTimeout(resolve, wait));
  }

  private isBusy(now: number): boolean {
    const index = this.appliedIndex();
    if (index !== this.seenIndex) {
      this.seenIndex = index;
      this.seenAt = now;
    }
    return now - this.seenAt < IDLE_MS;
  }
}
