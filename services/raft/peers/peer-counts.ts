import { exponentialBounds, Histogram } from '../../../libs/telemetry';

/** What has passed between this member and another one. */
export class PeerCounts {
  sentBytes = 0;
  sentFailures = 0;
  receivedBytes = 0;
  receivedFailures = 0;
  disconnects = 0;
  snapshotsSent = 0;
  snapshotsFailed = 0;
  /** Of heartbeats, in seconds: only the leader sends any. */
  readonly roundTrip = new Histogram(exponentialBounds(0.0001, 2, 16));
  private heartbeatSentAt = 0;

  /** Milliseconds. A heartbeat that is not answered is not waited for when the next leaves. */
  heartbeatSent(now: number): void {
    this.heartbeatSentAt = now;
  }

  heartbeatAnswered(now: number): void {
    if (this.heartbeatSentAt === 0) return;
    this.roundTrip.observe((now - this.heartbeatSentAt) / 1000);
    this.heartbeatSentAt = 0;
  }
}

/** By member id in hexadecimal. Members come and go by the log only, so their number is bounded. */
export class AllPeerCounts {
  private readonly counts = new Map<bigint, PeerCounts>();

  of(id: bigint): PeerCounts {
    let counts = this.counts.get(id);
    if (counts === undefined) {
      counts = new PeerCounts();
      this.counts.set(id, counts);
    }
    return counts;
  }

  entries(): [id: string, counts: PeerCounts][] {
    return [...this.counts].map(([id, counts]) => [id.toString(16), counts]);
  }
}
