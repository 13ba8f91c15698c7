import { Errors } from '../../libs/errors';
import type { Checkpoint, LeaseTimer } from '../../libs/lease-timing';
import { requestTimeoutMs } from '../../libs/limits';
import type { ProposalOptions, ProposalOutcome } from '../../libs/member-links';
import type { Logger } from '../../libs/process';
import { encodeLeaseRevokeRequest } from '../../proto/gen/etcdserverpb';
import { encodeLeaseCheckpoints, EntryKind } from '../../proto/gen/hexad';

/** Expiries that fall due within this time are taken together. */
const TICK_MS_MIN = 20;
const TICK_MS_MAX = 500;
const RETRY_MS = 100;

export interface ExpiryLinks {
  propose(options: ProposalOptions, callback: (outcome: ProposalOutcome) => void): void;
  /** Whether the lease, as granted now, is still there once everything that raft has committed by now is applied. */
  stillExists(id: bigint, callback: (exists: boolean | undefined) => void): void;
}

/**
 * Proposes the revokes of expired leases and the checkpoints, while this member is primary. A lease has at most one revoke
 * under way. It is proposed again only when the one before is certainly not in the log: when raft refused it, or when the
 * lease is still there after everything committed has been applied.
 */
export class Expiry {
  private timer: NodeJS.Timeout | undefined;
  private timerAt = Number.POSITIVE_INFINITY;
  /** Revocations proposed because of expiry. */
  expired = 0;
  private closed = false;

  constructor(
    private readonly leases: LeaseTimer,
    private readonly links: ExpiryLinks,
    private readonly electionMs: number,
    private readonly logger: Logger,
  ) {}

  /** Looks at what is due, then again when the next is. To be called whenever the leases or the role have changed. */
  run(): void {
    if (this.closed) return;
    this.cancelTimer();
    const now = performance.now();
    for (const id of this.leases.takeExpired(now)) this.revoke(id);
    const checkpoints = this.leases.takeCheckpoints(now);
    if (checkpoints.length > 0) this.checkpoint(checkpoints);
    this.wakeAt(this.leases.nextDue(now), now);
  }

  /** A sooner wake-up, for a lease that was just granted. */
  wake(): void {
    const now = performance.now();
    this.wakeAt(this.leases.nextDue(now), now);
  }

  close(): void {
    this.closed = true;
    this.cancelTimer();
  }

  /** An earlier wake-up is never put off: a steady stream of grants must not keep expiries waiting. */
  private wakeAt(at: number, now: number): void {
    if (this.closed || at === Number.POSITIVE_INFINITY) return;
    const delay = Math.min(Math.max(at - now, TICK_MS_MIN), TICK_MS_MAX);
    if (now + delay >= this.timerAt) return;
    this.cancelTimer();
    this.timerAt = now + delay;
    this.timer = setTimeout(() => this.run(), delay);
  }

  private cancelTimer(): void {
    clearTimeout(this.timer);
    this.timerAt = Number.POSITIVE_INFINITY;
  }

  private revoke(id: bigint): void {
    this.expired++;
    const term = this.leases.term;
    const proposal = {
      kind: EntryKind.ENTRY_LEASE_REVOKE,
      body: encodeLeaseRevokeRequest({ ID: id }),
      requireTerm: term,
      timeoutMs: requestTimeoutMs(this.electionMs),
    };
    this.links.propose(proposal, (outcome) => {
      // Applied: the feed has told, or is about to.
      if (outcome.kind === 'applied' && (outcome.error === undefined || outcome.error === Errors.LeaseNotFound)) return;
      const { kind, error } = outcome;
      this.logger.debug({ lease: id.toString(16), kind, error: error?.message }, 'a lease was not revoked');
      this.retryLater(id, term, kind === 'unknown');
    });
  }

  private retryLater(id: bigint, term: number, check: boolean): void {
    setTimeout(() => {
      if (this.closed || this.leases.term !== term || !this.leases.has(id)) return;
      if (!check) this.retry(id);
      else {
        this.links.stillExists(id, (exists) => {
          if (exists === undefined) this.retryLater(id, term, true);
          else if (exists && this.leases.term === term) this.retry(id);
        });
      }
    }, RETRY_MS);
  }

  private retry(id: bigint): void {
    this.leases.revokeRefused(id);
    this.run();
  }

  /** Best effort: a lost checkpoint only means that a new leader gives the lease more time. */
  private checkpoint(checkpoints: readonly Checkpoint[]): void {
    const proposal = {
      kind: EntryKind.ENTRY_LEASE_CHECKPOINT,
      body: encodeLeaseCheckpoints({ checkpoints }),
      requireTerm: this.leases.term,
      timeoutMs: requestTimeoutMs(this.electionMs),
    };
    this.links.propose(proposal, () => undefined);
  }
}
