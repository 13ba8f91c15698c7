import type { BusyPeriod } from '../../libs/attribution';
import type { DeliveryTimingInput } from '../../proto/gen/hexad';

/** More deliveries than this never wait for apply, which holds raft back long before. */
const DELIVERIES_MAX = 8192;

interface Delivery {
  readonly first: number;
  readonly last: number;
  readonly receivedAt: number;
  readonly entries: Uint8Array;
}

/** What a message of results says of the time that its entries took; microseconds of the host's monotonic clock. */
export interface ResultStamps {
  readonly deliveries: DeliveryTimingInput[];
  readonly applyStartedAt: number;
  readonly storeWaitMicros: number;
  readonly appliedAt: number;
  /** The last compaction, if it was lately. */
  readonly compaction: BusyPeriod | undefined;
}

/**
 * Stage stamps of entries on their way from raft's delivery to their results: a record for each delivery and each slice of
 * apply, not for each entry. What raft says of them is passed on unread.
 */
export class ApplyStamps {
  private deliveries: Delivery[] = [];
  private startedAt = 0;
  private waitedSince = 0;
  private waited = 0;

  constructor(
    private readonly clock: () => number,
    private readonly lastCompaction: (now: number) => BusyPeriod | undefined = () => undefined,
  ) {}

  received(first: number, last: number, entries: Uint8Array): void {
    if (entries.length === 0) return; // nothing in it was proposed on this member
    if (this.deliveries.length >= DELIVERIES_MAX) this.deliveries = [];
    this.deliveries.push({ first, last, receivedAt: Math.round(this.clock()), entries });
  }

  /** Apply stops until the store takes more. */
  storeBusy(): void {
    this.waitedSince = this.clock();
  }

  sliceBegins(): void {
    this.startedAt = Math.round(this.clock());
    this.waited = this.waitedSince === 0 ? 0 : Math.round(this.startedAt - this.waitedSince);
    this.waitedSince = 0;
  }

  /** The stamps of the slice that has applied everything up to `appliedIndex`; undefined: there is nothing to tell. */
  sliceEnds(appliedIndex: number): ResultStamps | undefined {
    if (this.deliveries.length === 0) return undefined;
    let count = 0;
    let over = 0;
    for (const { first, last } of this.deliveries) {
      if (first > appliedIndex) break;
      count++;
      if (last <= appliedIndex) over++;
    }
    if (count === 0) return undefined;
    const deliveries = this.deliveries.slice(0, count).map(({ receivedAt, entries }) => ({ receivedAt, entries }));
    this.deliveries.splice(0, over);
    const appliedAt = Math.round(this.clock());
    const compaction = this.lastCompaction(appliedAt);
    return { deliveries, applyStartedAt: this.startedAt, storeWaitMicros: this.waited, appliedAt, compaction };
  }

  reset(): void {
    this.deliveries = [];
    this.waitedSince = 0;
  }
}
