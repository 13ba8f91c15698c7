import { randomInt } from 'node:crypto';
import { type CatalogueError, errorById, Errors } from '../errors';
import { type Channel, createLink, type Link } from '../rpc';
import { decodeReadIndexReplyBatch, encodeReadIndexBatch, RAFT_PATHS } from '../../proto/gen/hexad';

export type ReadIndexResult =
  | { readonly ok: true; readonly index: number }
  | { readonly ok: false; readonly error: CatalogueError };

interface Waiting {
  readonly deadline: number;
  readonly callback: (result: ReadIndexResult) => void;
}

interface Round {
  readonly sentAt: number;
  readonly waiting: Waiting[];
}

/** A round that has no answer after this long is asked again: raft may have lost it with a leader. */
const RESEND_MS = 500;
const SWEEP_MS = 100;

/**
 * Confirmed read indexes from raft. All who ask until `setImmediate` share one round, and the round is sent after they
 * asked, so that its index covers whatever was acknowledged before.
 */
export class ReadIndexer {
  private readonly link: Link;
  private waiting: Waiting[] = [];
  private readonly rounds = new Map<number, Round>();
  private scheduled = false;
  private nextContext = randomInt(2 ** 40);
  private sweeper: NodeJS.Timeout | undefined;

  constructor(channel: Channel) {
    this.link = createLink({
      channel,
      path: RAFT_PATHS.ReadIndex,
      onOpen: () => this.schedule(),
      onMessage: (message) => this.receive(message),
      onClose: () => this.takeBack(() => true),
    });
  }

  /** The callback runs exactly once, at the latest when `timeoutMs` have passed (`request timed out`). */
  ask(timeoutMs: number, callback: (result: ReadIndexResult) => void): void {
    this.waiting.push({ deadline: performance.now() + timeoutMs, callback });
    this.schedule();
    this.sweeper ??= setInterval(() => this.sweep(), SWEEP_MS);
  }

  close(): void {
    clearInterval(this.sweeper);
    this.link.close();
    this.takeBack(() => true);
    this.fail(this.waiting, Errors.Stopped);
    this.waiting = [];
  }

  private schedule(): void {
    if (this.scheduled || this.waiting.length === 0) return;
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      this.send();
    });
  }

  private send(): void {
    if (!this.link.isOpen || this.waiting.length === 0) return;
    const context = this.nextContext;
    this.nextContext += 1;
    this.rounds.set(context, { sentAt: performance.now(), waiting: this.waiting });
    this.waiting = [];
    this.link.send(encodeReadIndexBatch({ context }));
  }

  private receive(message: Uint8Array): void {
    for (const { context, index, error } of decodeReadIndexReplyBatch(message).replies) {
      const round = this.rounds.get(context);
      if (round === undefined) continue;
      this.rounds.delete(context);
      if (error !== 0) this.fail(round.waiting, errorById(error));
      else for (const { callback } of round.waiting) callback({ ok: true, index });
    }
  }

  /** A read may be asked again, unlike a proposal. */
  private takeBack(which: (round: Round) => boolean): void {
    for (const [context, round] of this.rounds) {
      if (!which(round)) continue;
      this.rounds.delete(context);
      this.waiting.push(...round.waiting);
    }
  }

  private sweep(): void {
    const now = performance.now();
    this.takeBack((round) => round.sentAt + RESEND_MS <= now);
    const late = this.waiting.filter(({ deadline }) => deadline <= now);
    if (late.length > 0) {
      this.waiting = this.waiting.filter(({ deadline }) => deadline > now);
      this.fail(late, Errors.Timeout);
    }
    this.schedule();
    if (this.waiting.length > 0 || this.rounds.size > 0) return;
    clearInterval(this.sweeper);
    this.sweeper = undefined;
  }

  private fail(waiting: readonly Waiting[], error: CatalogueError): void {
    for (const { callback } of waiting) callback({ ok: false, error });
  }
}
