import { eventsSubject, type EventSource, type Messenger } from '../../libs/event-bus';
import type { Channel } from '../../libs/rpc';
import { decodeEventBatch, type EventBatch } from '../../proto/gen/hexad';
import { EventsLink } from './events-link';

export interface BusSourceOptions {
  readonly channel: Channel;
  readonly messenger: Messenger;
  readonly wantsEvents: () => boolean;
  readonly onBatch: (batch: EventBatch, bytes: number) => void;
  /** Storage itself has spoken, not the bus. */
  readonly onStorage: (batch: EventBatch) => void;
  readonly now: () => number;
  /** Begins the span of a batch that has come with the trace of a request; undefined: that is not to be traced. */
  readonly startSpan: (traceparent: string) => { end(): void } | undefined;
}

/** The bus is taken for dead when it has brought nothing for so long: storage sends something every 100 ms. */
const SILENT_MS = 1_000;
const CHECK_MS = 250;

/**
 * Events over the bus, beside a stream to storage that carries its revision only. As soon as the bus is silent storage is asked
 * to send the events on that stream too, so that a bus that is gone costs a moment and no event.
 */
export class BusSource implements EventSource {
  private readonly link: EventsLink;
  private readonly timer: NodeJS.Timeout;
  private unsubscribe: (() => void) | undefined;
  private subject = '';
  private lastHeardAt = Number.NEGATIVE_INFINITY;
  private alive = false;
  /** What the stream said last of storage's revision: the bus is given until the next to bring it. */
  private told: { readonly batch: EventBatch; readonly bytes: number } | undefined;

  constructor(private readonly options: BusSourceOptions) {
    this.link = new EventsLink({
      channel: options.channel,
      wish: () => ({ idle: !options.wantsEvents(), bus: this.alive }),
      onMessage: (message) => this.fromStorage(message),
    });
    this.timer = setInterval(() => this.check(), CHECK_MS);
  }

  wishChanged(): void {
    this.link.wishChanged();
  }

  close(): void {
    clearInterval(this.timer);
    this.unsubscribe?.();
    this.link.close();
  }

  private fromStorage(message: Uint8Array): void {
    const batch = decodeEventBatch(message);
    this.options.onStorage(batch);
    this.listenTo(batch);
    const isHeartbeat = batch.revisions.length === 0;
    if (!isHeartbeat || !this.alive) {
      this.told = undefined;
      this.options.onBatch(batch, message.length);
      return;
    }
    const before = this.told;
    this.told = { batch, bytes: message.length };
    if (before !== undefined) this.options.onBatch(before.batch, before.bytes);
  }

  /** Storage itself says whose events these are; another member has another subject. */
  private listenTo({ clusterId, memberId }: EventBatch): void {
    const subject = eventsSubject(clusterId, memberId);
    if (memberId === 0n || subject === this.subject) return;
    this.unsubscribe?.();
    this.subject = subject;
    this.unsubscribe = this.options.messenger.subscribe(subject, (message, traceparent) => {
      const span = traceparent === '' ? undefined : this.options.startSpan(traceparent);
      this.fromBus(message, memberId);
      span?.end();
    });
  }

  private fromBus(message: Uint8Array, memberId: bigint): void {
    let batch: EventBatch;
    try {
      batch = decodeEventBatch(message);
    } catch {
      return; // lost, as far as we are concerned: the revisions will show
    }
    if (batch.memberId !== memberId || !isAscending(batch)) return;
    this.lastHeardAt = this.options.now();
    if (!this.alive) this.check();
    this.options.onBatch(batch, message.length);
  }

  private check(): void {
    const { messenger, now } = this.options;
    const alive = messenger.isConnected && now() - this.lastHeardAt < SILENT_MS;
    if (alive === this.alive) return;
    this.alive = alive;
    this.link.wishChanged();
  }
}

/** The bus is outside of the member, so what it brings is looked at before it is believed. */
function isAscending({ revisions, previousRevision, currentRevision }: EventBatch): boolean {
  let last = previousRevision;
  for (const { revision } of revisions) {
    if (revision <= last) return false;
    last = revision;
  }
  return last <= currentRevision;
}
