import { Errors } from '../../libs/errors';
import type { ReadState } from '../../libs/raft';
import type { StreamHandler } from '../../libs/rpc';
import { decodeReadIndexBatch, encodeReadIndexReplyBatch, type ReadIndexReplyInput } from '../../proto/gen/hexad';
import type { RaftLimits } from './config';
import type { Consensus } from './consensus';
import { onDecoded, ReplyStream } from './reply-stream';
import type { RaftStats } from './stats';

export interface ReadsOptions {
  readonly consensus: Consensus;
  readonly limits: RaftLimits;
  readonly stats: RaftStats;
  readonly now: () => number;
  readonly dirty: Set<{ flush(): void }>;
}

interface Asker {
  readonly replies: ReplyStream<ReadIndexReplyInput>;
  readonly context: number;
  readonly since: number;
}

interface Round {
  readonly askers: readonly Asker[];
  readonly askedAt: number;
}

/** Read indexes. Everything that waits when a turn begins shares one question to the core, hence one quorum round. */
export class Reads {
  private waiting: Asker[] = [];
  private readonly rounds = new Map<number, Round>();
  private lastContext = 0;

  constructor(private readonly options: ReadsOptions) {}

  readonly serve: StreamHandler = (call) => {
    const { limits, dirty, stats, now, consensus } = this.options;
    const replies = new ReplyStream<ReadIndexReplyInput>(
      call,
      (list) => encodeReadIndexReplyBatch({ replies: list }),
      limits.queueBytes,
      dirty,
      () => undefined,
    );
    onDecoded(call, decodeReadIndexBatch, ({ context }) => {
      stats.readsReceived += 1;
      this.waiting.push({ replies, context, since: now() });
      consensus.schedule();
    });
    call.onHalfClose(() => call.end());
  };

  /** Asks the core for all that waits. Without a leader they go on waiting. */
  ask(): void {
    if (this.waiting.length === 0) return;
    const context = this.lastContext + 1;
    if (this.options.consensus.core.readIndex(context) !== 'ok') return;
    this.lastContext = context;
    this.rounds.set(context, { askers: this.waiting, askedAt: this.options.now() });
    this.waiting = [];
    this.options.stats.readRounds += 1;
  }

  confirmed(states: readonly ReadState[]): void {
    for (const { context, index } of states) {
      const round = this.rounds.get(context);
      this.rounds.delete(context);
      for (const asker of round?.askers ?? []) asker.replies.push({ context: asker.context, index, error: 0 });
    }
  }

  /** Leadership was lost in the midst: a read has no effect, so it is simply asked for again. */
  dropped(contexts: readonly number[]): void {
    for (const context of contexts) {
      const round = this.rounds.get(context);
      this.rounds.delete(context);
      if (round !== undefined) this.waitAgain(round.askers);
    }
    if (this.waiting.length > 0) this.options.consensus.schedule();
  }

  /** Once per tick: asks again for what may have been lost on the way, gives up on what has waited too long. */
  tick(): void {
    const { limits, now } = this.options;
    const at = now();
    for (const [context, round] of this.rounds) {
      if (at - round.askedAt < limits.readRetryMs) break; // rounds are in the order they were asked
      this.rounds.delete(context);
      this.waitAgain(round.askers);
    }
    const hasLeader = this.options.consensus.core.leader !== 0n;
    this.waiting = this.waiting.filter((asker) => {
      const patience = hasLeader ? limits.readTimeoutMs : limits.heldMs;
      if (at - asker.since < patience) return true;
      this.fail(asker, hasLeader ? Errors.Timeout.id : Errors.NoLeader.id);
      return false;
    });
    if (this.waiting.length > 0) this.options.consensus.schedule();
  }

  close(): void {
    for (const round of this.rounds.values()) this.waitAgain(round.askers);
    this.rounds.clear();
    for (const asker of this.waiting) this.fail(asker, Errors.Stopped.id);
    this.waiting = [];
  }

  private waitAgain(askers: readonly Asker[]): void {
    for (const asker of askers) if (asker.replies.isOpen) this.waiting.push(asker);
  }

  private fail({ replies, context }: Asker, error: number): void {
    this.options.stats.readsFailed += 1;
    replies.push({ context, index: 0, error });
  }
}
