import type { LeaseRequest } from './request';

/** Requests that wait for something to happen to a lease. */
export class LeaseWaiters {
  private readonly byLease = new Map<bigint, LeaseRequest[]>();

  add(request: LeaseRequest): void {
    const waiting = this.byLease.get(request.id);
    if (waiting === undefined) this.byLease.set(request.id, [request]);
    else waiting.push(request);
  }

  take(id: bigint): readonly LeaseRequest[] {
    const waiting = this.byLease.get(id);
    if (waiting === undefined) return [];
    this.byLease.delete(id);
    return waiting;
  }

  takeAll(): readonly LeaseRequest[] {
    const all = [...this.byLease.values()].flat();
    this.byLease.clear();
    return all;
  }

  /** Forgets requests that have been answered otherwise. */
  sweep(): void {
    for (const [id, waiting] of this.byLease) {
      const kept = waiting.filter((request) => !request.answered);
      if (kept.length === 0) this.byLease.delete(id);
      else this.byLease.set(id, kept);
    }
  }
}
