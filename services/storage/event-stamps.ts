import { busyWithin, type BusyPeriod, type Moment, sentAt } from '../../libs/attribution';
import type { EventTimingInput } from '../../proto/gen/hexad';

/** More deliveries than this never wait for apply, which holds raft back long before. */
const DELIVERIES_MAX = 8192;
/** A stamp that differs by more is of another clock. */
const SAME_CLOCK_MICROS = 3_600_000_000;

interface Delivery {
  readonly last: number;
  readonly commitMicros: number;
  readonly sentAt: number;
}

/** The stamps of a message of events. */
export interface PublishStamps {
  readonly timing: EventTimingInput;
  /** When the oldest event in it was committed, as the member's raft knows; microseconds since the epoch. */
  readonly committedAtMicros: number;
}

/** Stage stamps of events on their way through storage: a record for each delivery of raft's, not for each event. */
export class EventStamps {
  private deliveries: Delivery[] = [];

  constructor(
    private readonly now: () => Moment,
    /** What storage spent on compaction last. */
    private readonly compaction: (now: number) => BusyPeriod | undefined,
  ) {}

  /** Raft has delivered entries up to `last`, which it sent at `sent`; 0: it does not tell. */
  received(last: number, commitMicros: number, sent: number): void {
    if (sent === 0) return;
    if (this.deliveries.length >= DELIVERIES_MAX) this.deliveries = [];
    const { host } = this.now();
    const isOurClock = sent <= host + 1_000 && host - sent < SAME_CLOCK_MICROS;
    this.deliveries.push({ last, commitMicros, sentAt: isOurClock ? sent : host });
  }

  /** Of a message that leaves now with the events of the oldest delivery; undefined: nothing is known of it. */
  publish(): PublishStamps | undefined {
    const [oldest] = this.deliveries;
    if (oldest === undefined) return undefined;
    const now = this.now();
    const publish = Math.max(0, Math.round(now.host - oldest.sentAt));
    const commit = oldest.commitMicros;
    const compaction = busyWithin(this.compaction(now.host), oldest.sentAt, now.host);
    return {
      timing: { commit, publish, compaction, ...sentAt(now) },
      committedAtMicros: Math.round(now.wall) - commit - publish,
    };
  }

  /** Everything up to this index has been applied and published. */
  applied(index: number): void {
    const { deliveries } = this;
    let over = 0;
    while (over < deliveries.length && (deliveries[over] as Delivery).last <= index) over++;
    if (over > 0) deliveries.splice(0, over);
  }

  reset(): void {
    this.deliveries = [];
  }
}
