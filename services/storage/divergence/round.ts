import type { Evidence } from './judge';

export interface RoundEvents {
  /** All that were asked have answered, or the time for it is over; only called when there is a difference. */
  readonly onDifference: (round: Round) => void;
  /** How long the others may take once there is a difference, milliseconds. */
  readonly graceMs: number;
}

/** One comparison: everybody's hash at one index. */
export class Round {
  readonly evidence = new Map<bigint, Evidence>();
  private readonly waiting = new Set<bigint>();
  private timer: NodeJS.Timeout | undefined;
  private isOver = false;

  constructor(
    /** Applied index, or revision where all keys are hashed. */
    readonly at: number,
    readonly own: Evidence,
    ownId: bigint,
    private readonly events: RoundEvents,
  ) {
    this.evidence.set(ownId, own);
  }

  asked(id: bigint): void {
    this.waiting.add(id);
  }

  /** `evidence` undefined: it has nothing to say. */
  answered(id: bigint, evidence: Evidence | undefined): void {
    if (this.isOver || !this.waiting.delete(id)) return;
    if (evidence !== undefined) this.evidence.set(id, evidence);
    if (this.waiting.size === 0) this.end();
    else if (evidence !== undefined && evidence.hash !== this.own.hash && this.timer === undefined) {
      this.timer = setTimeout(() => this.end(), this.events.graceMs);
      this.timer.unref();
    }
  }

  close(): void {
    this.isOver = true;
    clearTimeout(this.timer);
  }

  private end(): void {
    this.close();
    for (const { hash } of this.evidence.values()) {
      if (hash !== this.own.hash) return this.events.onDifference(this);
    }
  }
}
