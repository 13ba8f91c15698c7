import { microsSince, type Moment, Stage, type StageName, STAGES } from '../../../libs/attribution';
import type { EventTiming } from '../../../proto/gen/hexad';
import { type Breakdown, type Cause, causeOfDelivery, placeOf, type StageTime } from './breakdown';
import { Looks } from './looks';
import { OpStats } from './op-stats';
import type { Slowest } from './slowest';

/** While nobody is sent traces, only so many slow deliveries of a second are looked at one by one. */
const NOTABLE_PER_SECOND = 50;
/** A client that does not read at all is told of after so long, not only once it reads again. */
const STILL_BLOCKED_MICROS = 10_000_000;

/** So many messages are accounted for at once; fewer wait for `settle`. */
const SETTLED_TOGETHER = 64;

const WATCH: readonly number[] = [Stage.Commit, Stage.Publish, Stage.Match, Stage.Send];

/** What a hub's message says of the live events in it, and whose they are. */
export interface DeliveryStamps {
  readonly timing: EventTiming;
  /** The hub's name. */
  readonly hub: string;
  /** Whose storage they came from. */
  readonly memberId: bigint;
}

/** What of a hub's message went to this process's clients. */
export interface Delivered {
  readonly watchers: number;
  readonly events: number;
  readonly revision: number;
}

export interface WatchTimesOptions {
  /** Slower deliveries are reported; microseconds, infinity: none. */
  readonly slowMicros: number;
  readonly now: () => Moment;
  readonly origin: number;
  readonly memberName: () => string;
  readonly nameOf: (id: bigint) => string;
  /** A delivery was slow. Returns the id of its trace; empty: none. */
  readonly onSlow: (breakdown: Breakdown) => string;
  /** Slow deliveries are exported: every one of them counts. */
  readonly isTracing: boolean;
  readonly slowest: Slowest;
}

/** A client's stream that takes no more for now. */
export interface Blocked {
  readonly remote: string;
  /** Microseconds of the host's clock. */
  readonly since: number;
  /** Of what did not fit any more; undefined: it was no live event. */
  readonly stamps: DeliveryStamps | undefined;
  /** It was told of while it lasted. */
  isTold: boolean;
}

/** A message that is not accounted for yet. */
interface Waiting {
  readonly stamps: DeliveryStamps;
  readonly delivered: Delivered;
  readonly now: Moment;
}

/**
 * Sums up where the time of events went on their way to watchers, for a whole message of a hub's at a time: its stamps are of
 * the oldest event in it. That is done for several together, not between a message and the sockets that it is for. Clients
 * that read slowly hold up their own streams only, and are told of when they take something again.
 */
export class WatchTimes {
  /** One for each watcher's delivery. */
  readonly ops = new OpStats('watch');
  private readonly blocked = new Set<Blocked>();
  private waiting: Waiting[] = [];
  private lastId = 0;
  private readonly looks = new Looks(NOTABLE_PER_SECOND);

  constructor(private readonly options: WatchTimesOptions) {}

  /** All that a hub's message brought has been handed to the connections. */
  delivered(stamps: DeliveryStamps, delivered: Delivered): void {
    if (delivered.watchers === 0) return;
    this.waiting.push({ stamps, delivered, now: this.options.now() });
    if (this.waiting.length >= SETTLED_TOGETHER) this.settle();
  }

  /** Accounts for all that has been delivered. */
  settle(): void {
    const { waiting } = this;
    if (waiting.length === 0) return;
    this.waiting = [];
    for (const one of waiting) this.account(one);
  }

  private account({ stamps, delivered, now }: Waiting): void {
    const { options } = this;
    const micros = this.microsOf(stamps, now);
    const total = sum(micros);
    for (let i = 0; i < WATCH.length; i++)
      this.ops.observe(WATCH[i] as number, micros[i] as number, delivered.watchers);
    this.ops.observeTotal(total, 0, delivered.watchers);
    const isSlow = total > options.slowMicros && this.mayLook(now);
    if (!isSlow && total <= options.slowest.floorMicros) return;
    this.report(this.breakdown(micros, now, stamps, delivered, undefined), isSlow);
  }

  /** A stream takes no more: `ended` is to be told when it does again, or is over. */
  blockedNow(remote: string, stamps: DeliveryStamps | undefined): Blocked {
    const blocked: Blocked = { remote, since: this.options.now().host, stamps, isTold: false };
    this.blocked.add(blocked);
    return blocked;
  }

  ended(blocked: Blocked): void {
    this.blocked.delete(blocked);
    if (!blocked.isTold) this.tellOf(blocked);
  }

  /** Called by the coarse timer. */
  sweep(): void {
    if (this.blocked.size === 0) return;
    const { host } = this.options.now();
    for (const blocked of this.blocked) {
      if (blocked.isTold || host - blocked.since < STILL_BLOCKED_MICROS) continue;
      blocked.isTold = true;
      this.tellOf(blocked);
    }
  }

  private tellOf(blocked: Blocked): void {
    const now = this.options.now();
    const waited = now.host - blocked.since;
    if (waited <= this.options.slowMicros || !this.mayLook(now)) return;
    const { stamps, remote } = blocked;
    const micros = stamps === undefined ? [0, 0, 0, Math.round(waited)] : this.microsOf(stamps, now);
    this.report(this.breakdown(micros, now, stamps, undefined, remote), true);
  }

  private microsOf({ timing }: DeliveryStamps, now: Moment): number[] {
    return [timing.commit, timing.publish, timing.match, microsSince(timing, now)];
  }

  private report(breakdown: Breakdown, isSlow: boolean): void {
    const { slowest, onSlow } = this.options;
    const traceId = isSlow ? onSlow(breakdown) : '';
    const made = traceId === '' ? breakdown : { ...breakdown, traceId };
    slowest.offer(made);
    if (isSlow) slowest.keep(made);
    if (traceId !== '') this.ops.exemplar(made.totalMicros, traceId, made.at / 1000);
  }

  /** `client`: it reads slowly, and that is what held the event up. */
  private breakdown(
    micros: readonly number[],
    now: Moment,
    stamps: DeliveryStamps | undefined,
    delivered: Delivered | undefined,
    client: string | undefined,
  ): Breakdown {
    const { origin, memberName, nameOf } = this.options;
    const member = memberName();
    const source = stamps === undefined ? member : nameOf(stamps.memberId);
    const places = [source, source, stamps?.hub ?? member, member];
    const stages = WATCH.map((number, i): StageTime => {
      const stage = STAGES[number] as StageName;
      return { stage, micros: micros[i] as number, process: placeOf(stage, places[i] as string, undefined) };
    });
    const cause: Cause = causeOfDelivery(stages, stamps?.timing.compaction ?? 0, client);
    this.lastId++;
    return {
      id: `${origin.toString(36)}-w${this.lastId.toString(36)}`,
      traceId: '',
      op: 'watch',
      at: Math.round(now.wall / 1000),
      totalMicros: sum(micros),
      unattributedMicros: 0,
      stages,
      detail: undefined,
      error: '',
      remote: client ?? '',
      requestBytes: 0,
      responseBytes: 0,
      rangeKeys: -1,
      member,
      cause,
      ...(delivered === undefined ? {} : { delivered }),
    };
  }

  private mayLook({ host }: Moment): boolean {
    return this.options.isTracing || this.looks.admits(host);
  }
}

function sum(micros: readonly number[]): number {
  return micros.reduce((total, one) => total + one, 0);
}
