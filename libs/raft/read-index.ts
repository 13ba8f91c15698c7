import type { LogIndex, NodeId } from './types';

/** A read that waits for proof of leadership. `from` asked; `context` and `nonce` are the asker's. */
export interface WaitingRead {
  readonly from: NodeId;
  readonly context: number;
  readonly nonce: number;
}

interface Round {
  readonly round: number;
  readonly index: LogIndex;
  readonly reads: readonly WaitingRead[];
}

/** Reads confirmed together, at one index. */
export interface ConfirmedReads {
  readonly index: LogIndex;
  readonly reads: readonly WaitingRead[];
}

// Rounds under way at once: a read that comes while a round is under way need not wait for its end, but rounds must not
// grow with the number of reads either.
const ROUNDS_MAX = 4;

/**
 * The leader's reads (raft thesis, section 6.4). A round is one heartbeat to everyone that carries its number; it confirms
 * the reads that had arrived before it was sent, because only acknowledgements of that number or a later one count.
 * Numbers never repeat within a process, and replies carry its nonce, so an old acknowledgement can't confirm a new read.
 */
export class ReadQueue {
  private waiting: WaitingRead[] = [];
  private rounds: Round[] = [];
  /** Number of the last round that was begun. */
  lastRound = 0;

  add(read: WaitingRead): void {
    this.waiting.push(read);
  }

  get canBegin(): boolean {
    return this.waiting.length > 0 && this.rounds.length < ROUNDS_MAX;
  }

  /** Begins a round for all reads that wait. `index`: the leader's commit now, which covers everything acknowledged so far. */
  begin(index: LogIndex): number {
    this.lastRound++;
    this.rounds.push({ round: this.lastRound, index, reads: this.waiting });
    this.waiting = [];
    return this.lastRound;
  }

  /** A quorum has acknowledged `round`: it and all before it are confirmed. */
  confirm(round: number): ConfirmedReads[] {
    const { rounds } = this;
    let count = 0;
    while (count < rounds.length && (rounds[count] as Round).round <= round) count++;
    return count === 0 ? NONE : rounds.splice(0, count);
  }

  /** Leadership is lost: returns everything unanswered. */
  drop(): WaitingRead[] {
    if (this.rounds.length === 0 && this.waiting.length === 0) return [];
    const dropped = this.rounds.flatMap((round) => round.reads).concat(this.waiting);
    this.rounds = [];
    this.waiting = [];
    return dropped;
  }
}

const NONE: ConfirmedReads[] = [];

/** A follower's reads that were sent on to the leader. */
export class ForwardedReads {
  private readonly sentAt = new Map<number, number>();
  private ticks = 0;

  constructor(private readonly expiryTicks: number) {}

  add(context: number): void {
    this.sentAt.set(context, this.ticks);
  }

  /** True if the context was waiting: an answer counts once. */
  answer(context: number): boolean {
    return this.sentAt.delete(context);
  }

  /** Contexts whose question or answer must be presumed lost. */
  tick(): number[] {
    this.ticks++;
    const expired: number[] = [];
    for (const [context, at] of this.sentAt) {
      if (this.ticks - at < this.expiryTicks) break;
      expired.push(context);
    }
    for (const context of expired) this.sentAt.delete(context);
    return expired;
  }

  drop(): number[] {
    if (this.sentAt.size === 0) return [];
    const dropped = [...this.sentAt.keys()];
    this.sentAt.clear();
    return dropped;
  }
}
