import { randomInt } from 'node:crypto';
import { type CatalogueError, errorById, Errors } from '../errors';
import { type Channel, createLink, type Link } from '../rpc';
import {
  decodeProposeReplyBatch,
  decodeResultBatch,
  encodeEntry,
  encodeProposeBatch,
  encodeResultsRequest,
  type ProposalInput,
  RAFT_PATHS,
  STORAGE_PATHS,
} from '../../proto/gen/hexad';

export type ProposalOutcome =
  /** Applied at `index`; `error` is what storage answered. */
  | { readonly kind: 'applied'; readonly error: CatalogueError | undefined; readonly index: number }
  /** Certainly not in the log, now or later. */
  | { readonly kind: 'refused'; readonly error: CatalogueError }
  /** It may be in the log, or may still get there. */
  | { readonly kind: 'unknown'; readonly error: CatalogueError };

export interface ProposalOptions {
  readonly kind: number;
  readonly body: Uint8Array;
  /** Not 0: append only as leader of exactly this term. */
  readonly requireTerm?: number;
  readonly timeoutMs: number;
}

interface Pending {
  readonly requireTerm: number;
  readonly deadline: number;
  readonly callback: (outcome: ProposalOutcome) => void;
}

const SWEEP_MS = 100;
const PENDING_MAX = 65_536;

/**
 * Proposals that a process makes on its own behalf, and their results. Each is sent at most once. A proposal is only
 * sent while storage is known to send us results.
 */
export class Proposer {
  private readonly origin = randomInt(1, 2 ** 48 - 1);
  private readonly proposals: Link;
  private readonly results: Link;
  private readonly pending = new Map<number, Pending>();
  private batch: ProposalInput[] = [];
  private sequence = 0;
  private scheduled = false;
  private sweeper: NodeJS.Timeout | undefined;

  constructor(raft: Channel, storage: Channel) {
    this.proposals = createLink({
      channel: raft,
      path: RAFT_PATHS.Propose,
      onMessage: (message) => this.replied(message),
      onClose: () => this.lost(),
    });
    this.results = createLink({
      channel: storage,
      path: STORAGE_PATHS.Results,
      firstMessage: () => encodeResultsRequest({ origin: this.origin }),
      onMessage: (message) => this.applied(message),
      onClose: () => this.lost(),
    });
  }

  /** The callback runs exactly once; at once when the links are down (refused). */
  propose(options: ProposalOptions, callback: (outcome: ProposalOutcome) => void): void {
    if (!this.proposals.isOpen || !this.results.isOpen) {
      callback({ kind: 'refused', error: Errors.Timeout });
      return;
    }
    if (this.pending.size >= PENDING_MAX) {
      callback({ kind: 'refused', error: Errors.TooManyRequests });
      return;
    }
    const { kind, body, requireTerm = 0, timeoutMs } = options;
    this.sequence += 1;
    const { origin, sequence } = this;
    this.pending.set(sequence, { requireTerm, deadline: performance.now() + timeoutMs, callback });
    const entry = encodeEntry({ origin, sequence, kind, body, internal: true });
    this.batch.push({ origin, sequence, entry, requireTerm });
    this.sweeper ??= setInterval(() => this.sweep(), SWEEP_MS);
    if (this.scheduled) return;
    this.scheduled = true;
    setImmediate(() => this.flush());
  }

  close(): void {
    this.proposals.close();
    this.results.close();
    this.lost();
    clearInterval(this.sweeper);
  }

  private flush(): void {
    this.scheduled = false;
    const proposals = this.batch;
    this.batch = [];
    if (proposals.length > 0) this.proposals.send(encodeProposeBatch({ proposals }));
  }

  private replied(message: Uint8Array): void {
    for (const { origin, sequence, error } of decodeProposeReplyBatch(message).replies) {
      if (origin !== this.origin || error === 0) continue;
      const cause = errorById(error);
      this.settle(sequence, { kind: cause.outcome === 'definite' ? 'refused' : 'unknown', error: cause });
    }
  }

  private applied(message: Uint8Array): void {
    const { results, termStarted } = decodeResultBatch(message);
    for (const { sequence, error, index } of results) {
      this.settle(sequence, { kind: 'applied', error: error === 0 ? undefined : errorById(error), index });
    }
    if (termStarted === 0) return;
    // An entry that only the leader of an earlier term could append would have been applied before this one.
    for (const [sequence, { requireTerm }] of this.pending) {
      if (requireTerm > 0 && requireTerm < termStarted) {
        this.settle(sequence, { kind: 'refused', error: Errors.TimeoutLeaderFail });
      }
    }
  }

  private lost(): void {
    const unsent = new Set(this.batch.map(({ sequence }) => sequence));
    this.batch = [];
    const pending = [...this.pending.keys()]; // callbacks may propose anew
    for (const sequence of pending) {
      const error = Errors.TimeoutConnectionLost;
      this.settle(sequence, { kind: unsent.has(sequence) ? 'refused' : 'unknown', error });
    }
  }

  private sweep(): void {
    const now = performance.now();
    for (const [sequence, { deadline }] of this.pending) {
      if (deadline <= now) this.settle(sequence, { kind: 'unknown', error: Errors.Timeout });
    }
    if (this.pending.size > 0) return;
    clearInterval(this.sweeper);
    this.sweeper = undefined;
  }

  private settle(sequence: number, outcome: ProposalOutcome): void {
    const pending = this.pending.get(sequence);
    if (pending === undefined) return;
    this.pending.delete(sequence);
    pending.callback(outcome);
  }
}
