import type { GrantedLease } from '../../libs/lease-timing';
import { type Channel, createLink, type Link } from '../../libs/rpc';
import {
  decodeFeedBatch,
  encodeFeedRequest,
  type FeedBatch,
  type FeedLease,
  FeedTopic,
  STORAGE_PATHS,
} from '../../proto/gen/hexad';

export interface LeaseFeedEvents {
  /** The whole list, after each connection. */
  onSnapshot(leases: readonly GrantedLease[]): void;
  onGranted(lease: GrantedLease): void;
  onRevoked(id: bigint): void;
  /** After every batch: entries up to `index`, of terms up to `term`, are in what was told so far. */
  onApplied(index: number, term: number): void;
  /** Storage is gone: the list stands still. */
  onLost(): void;
}

/** The leases of the replicated state, in apply order. */
export class LeaseFeed {
  private readonly link: Link;
  private snapshot: GrantedLease[] | undefined;

  constructor(
    channel: Channel,
    private readonly events: LeaseFeedEvents,
  ) {
    this.link = createLink({
      channel,
      path: STORAGE_PATHS.Feed,
      firstMessage: () => encodeFeedRequest({ topics: [FeedTopic.FEED_LEASES] }),
      onMessage: (message) => this.receive(decodeFeedBatch(message)),
      onClose: () => {
        this.snapshot = undefined;
        events.onLost();
      },
    });
  }

  close(): void {
    this.link.close();
  }

  private receive(batch: FeedBatch): void {
    if (batch.snapshot) {
      this.snapshot ??= [];
      for (const lease of batch.leases) this.snapshot.push(granted(lease));
      if (!batch.snapshotEnd) return;
      const leases = this.snapshot;
      this.snapshot = undefined;
      this.events.onSnapshot(leases);
    } else {
      for (const lease of batch.leases) {
        if (lease.revoked) this.events.onRevoked(lease.id);
        else this.events.onGranted(granted(lease));
      }
    }
    this.events.onApplied(batch.appliedIndex, batch.appliedTerm);
  }
}

function granted({ id, ttl, remainingTtl, grantedIndex }: FeedLease): GrantedLease {
  return { id, ttl, remainingTtl, grantedIndex };
}
