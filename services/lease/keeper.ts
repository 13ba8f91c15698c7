import { Errors } from '../../libs/errors';
import { failpoint } from '../../libs/failpoints';
import type { GrantedLease, LeaseTimer } from '../../libs/lease-timing';
import type { ReadIndexResult } from '../../libs/member-links';
import type { RaftStatus } from '../../proto/gen/hexad';
import { LeaseMethod } from '../../proto/gen/hexad';
import type { LeaseRequest } from './request';
import { LeaseWaiters } from './waiters';

const beforeCheckpoint = failpoint('beforeCheckpointInLeaseRenew');
const beforeLookup = failpoint('beforeLookupWhenLeaseTimeToLive');

export interface KeeperLinks {
  readIndex(timeoutMs: number, callback: (result: ReadIndexResult) => void): void;
  /** To the leading member's lease process. */
  relay(request: LeaseRequest): void;
  /** Whether storage has the lease once it has applied `index`; undefined: it could not be asked. */
  existsAt(id: bigint, index: number, callback: (exists: boolean | undefined) => void): void;
  /** Logs that the lease's checkpoint no longer counts. */
  resetCheckpoint(id: bigint, callback: (logged: boolean) => void): void;
}

const SWEEP_MS = 100;
const REQUESTS_MAX = 100_000;

/**
 * Answers keep-alives and questions for the time left. On the leader: after one leadership check for all that wait, from
 * the lease timer; elsewhere they are relayed to the leader. What can't be answered now (no leader, not primary yet, a
 * lease that is being granted or revoked) waits, and every request is answered before its deadline.
 */
export class LeaseKeeper {
  private status: RaftStatus | undefined;
  private feedUp = false;
  private appliedTerm = 0;
  private toCheck: LeaseRequest[] = [];
  private checkScheduled = false;
  /** Tried again at the next change of role, feed or leader, and at every sweep. */
  private parked: LeaseRequest[] = [];
  private readonly awaitingGrant = new LeaseWaiters();
  private readonly awaitingRevoke = new LeaseWaiters();
  private all = new Set<LeaseRequest>();
  private sweeper: NodeJS.Timeout | undefined;

  constructor(
    private readonly memberId: bigint,
    private readonly leases: LeaseTimer,
    private readonly links: KeeperLinks,
    private readonly onRoleChange: () => void,
  ) {}

  close(): void {
    clearInterval(this.sweeper);
    for (const request of this.all) request.fail(Errors.Stopped);
    this.all.clear();
  }

  submit(request: LeaseRequest): void {
    if (this.all.size >= REQUESTS_MAX) {
      request.fail(Errors.TooManyRequests);
      return;
    }
    this.all.add(request);
    this.sweeper ??= setInterval(() => this.sweep(), SWEEP_MS);
    this.route(request);
  }

  /** A relay came back without an answer. */
  relayFailed(request: LeaseRequest): void {
    this.parked.push(request);
  }

  setStatus(status: RaftStatus | undefined): void {
    this.status = status;
    this.updateRole();
  }

  /** Everything that follows was told after the whole list. */
  setFeed(up: boolean): void {
    this.feedUp = up;
    if (!up) this.appliedTerm = 0;
    this.updateRole();
  }

  setApplied(term: number): void {
    if (term === this.appliedTerm) return;
    this.appliedTerm = term;
    this.updateRole();
  }

  granted(lease: GrantedLease): void {
    for (const request of this.awaitingGrant.take(lease.id)) this.route(request);
  }

  revoked(id: bigint): void {
    for (const request of this.awaitingRevoke.take(id)) request.answer(0, 0);
  }

  /** After the whole list was read again, whatever happened meanwhile. */
  recheck(): void {
    for (const request of [...this.awaitingGrant.takeAll(), ...this.awaitingRevoke.takeAll()]) this.route(request);
  }

  private get leads(): boolean {
    return this.status !== undefined && this.status.leaderId === this.memberId;
  }

  private get leaderKnown(): boolean {
    return this.status !== undefined && this.status.leaderId !== 0n;
  }

  /** Primary: leads a term whose first entry is applied, and hears what is applied. */
  private updateRole(): void {
    const term = this.status?.term ?? 0;
    const primary = this.leads && this.feedUp && this.appliedTerm === term && term > 0;
    if (!primary) this.leases.demote();
    else if (this.leases.term !== term) this.leases.promote(term, performance.now());
    this.onRoleChange();
    this.retryParked();
  }

  private route(request: LeaseRequest): void {
    if (request.answered) return;
    if (this.leads) {
      if (this.leases.term === 0) this.parked.push(request);
      else {
        this.toCheck.push(request);
        this.scheduleCheck();
      }
    } else if (request.relayed) request.fail(Errors.NotLeader);
    else if (this.leaderKnown) this.links.relay(request);
    else this.parked.push(request);
  }

  private scheduleCheck(): void {
    if (this.checkScheduled) return;
    this.checkScheduled = true;
    setImmediate(() => {
      this.checkScheduled = false;
      this.check();
    });
  }

  /** One read index for all: this member still led after they had come. */
  private check(): void {
    const requests = this.toCheck;
    const { term } = this.leases;
    this.toCheck = [];
    const latest = requests.at(-1);
    if (latest === undefined) return;
    const timeoutMs = Math.max(1, latest.deadline - performance.now());
    this.links.readIndex(timeoutMs, (result) => {
      const confirmed = result.ok && this.leases.term === term && term > 0;
      for (const request of requests) {
        if (request.answered) continue;
        if (!confirmed) this.parked.push(request);
        else if (request.method === LeaseMethod.LEASE_KEEP_ALIVE) this.keepAlive(request, result.index);
        else this.remaining(request, result.index);
      }
    });
  }

  private keepAlive(request: LeaseRequest, index: number): void {
    beforeCheckpoint.reach();
    const renewal = this.leases.renew(request.id, performance.now());
    switch (renewal.kind) {
      case 'renewed':
        request.answer(renewal.ttl, renewal.ttl);
        return;
      case 'expired':
        this.awaitingRevoke.add(request);
        return;
      case 'needs-reset':
        this.resetThenRenew(request);
        return;
      case 'missing':
        this.answerMissing(request, index);
    }
  }

  private remaining(request: LeaseRequest, index: number): void {
    beforeLookup.reach();
    const left = this.leases.remaining(request.id, performance.now());
    if (left === undefined) this.answerMissing(request, index);
    else request.answer(left.ttl, left.grantedTtl);
  }

  /** The feed may be behind what a client has been told: storage knows at the index. */
  private answerMissing(request: LeaseRequest, index: number): void {
    this.links.existsAt(request.id, index, (exists) => {
      if (exists === undefined) this.parked.push(request);
      else if (!exists) request.answer(0, 0);
      else if (this.leases.has(request.id)) this.route(request);
      else this.awaitingGrant.add(request);
    });
  }

  private resetThenRenew(request: LeaseRequest): void {
    this.links.resetCheckpoint(request.id, (logged) => {
      if (logged) {
        this.leases.checkpointReset(request.id);
        this.route(request);
      } else this.parked.push(request);
    });
  }

  private retryParked(): void {
    const { parked } = this;
    this.parked = [];
    for (const request of parked) this.route(request);
  }

  private sweep(): void {
    const now = performance.now();
    for (const request of this.all) {
      if (!request.answered && request.deadline <= now) {
        request.fail(this.leaderKnown ? Errors.Timeout : Errors.NoLeader);
      }
      if (request.answered) this.all.delete(request);
    }
    this.awaitingGrant.sweep();
    this.awaitingRevoke.sweep();
    if (this.parked.length > 0) this.retryParked();
    if (this.all.size > 0) return;
    clearInterval(this.sweeper);
    this.sweeper = undefined;
  }
}
