import { microsSince, sentAt } from '../../libs/attribution';
import type { RpcError } from '../../libs/errors';
import { GrpcCode } from '../../libs/errors';
import type { StreamCall } from '../../libs/rpc';
import { type Delivery, deliveryBytes, encodeDeliveries } from '../../libs/watch-core';
import { moment } from '../../libs/telemetry';
import { encodeEventTiming, type EventTiming } from '../../proto/gen/hexad';
import type { WatchConfig } from './config';

/** A reply message is closed at this size. */
const MESSAGE_BYTES_SOFT = 1024 * 1024;
const NOT_DRAINING: RpcError = { code: GrpcCode.ResourceExhausted, message: 'watch events are not being read' };

/** One proxy's stream: what is delivered until `setImmediate` leaves as one message. */
export class ProxyConnection {
  private queue: Delivery[] = [];
  private queuedBytes = 0;
  private flushScheduled = false;
  /** Of the oldest live events that wait. */
  private timing: EventTiming | undefined;
  private congested = false;
  private ended = false;

  constructor(
    readonly id: number,
    private readonly call: StreamCall,
    private readonly config: WatchConfig,
    private readonly headers: () => {
      readonly clusterId: bigint;
      readonly memberId: bigint;
      readonly raftTerm: number;
    },
    private readonly onCongested: (congested: boolean) => void,
  ) {
    call.onDrain(() => this.drained());
  }

  /** Bytes that wait for the proxy. */
  get waitingBytes(): number {
    return this.queuedBytes + this.call.bufferedBytes;
  }

  /** `timing`: the stage stamps of the live events in it. */
  deliver(delivery: Delivery, timing?: EventTiming): void {
    if (this.ended) return;
    if (timing !== undefined && delivery.events.length > 0) this.timing ??= timing;
    this.queue.push(delivery);
    this.queuedBytes += deliveryBytes(delivery);
    if (this.queuedBytes >= MESSAGE_BYTES_SOFT) this.flush();
    if (this.flushScheduled) return;
    this.flushScheduled = true;
    setImmediate(() => {
      this.flushScheduled = false;
      this.flush();
    });
  }

  /** Not to a proxy that has enough to read. */
  report(message: Uint8Array): void {
    if (!this.ended && !this.congested) this.call.send(message);
  }

  /** Ends the stream of a proxy that does not drain: it comes back and resumes from what it has. */
  disconnect(): void {
    if (this.ended) return;
    this.close();
    this.call.end(NOT_DRAINING);
  }

  /** Forgets what waits; the stream is over. */
  close(): void {
    this.ended = true;
    this.queue = [];
    this.queuedBytes = 0;
  }

  private flush(): void {
    if (this.queue.length === 0 || this.ended) return;
    const { queue } = this;
    this.queue = [];
    this.queuedBytes = 0;
    const { clusterId, memberId, raftTerm } = this.headers();
    this.call.send(encodeDeliveries(queue, { raftTerm, clusterId, memberId, timing: this.takeTiming() }));
    const waiting = this.call.bufferedBytes;
    if (waiting > this.config.queueBytesMax) this.disconnect();
    else if (waiting > this.config.queueBytesSoft && !this.congested) {
      this.congested = true;
      this.onCongested(true);
    }
  }

  /** Encoded, with this hub's own stage. */
  private takeTiming(): Uint8Array | undefined {
    const { timing } = this;
    if (timing === undefined) return undefined;
    this.timing = undefined;
    const now = moment();
    return encodeEventTiming({ ...timing, match: microsSince(timing, now), ...sentAt(now) });
  }

  private drained(): void {
    if (!this.congested || this.ended) return;
    this.congested = false;
    this.onCongested(false);
  }
}
