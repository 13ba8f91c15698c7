import { type Address, type Channel, type ClientStream, connect } from '../../../libs/rpc';
import {
  decodeHubReplyBatch,
  decodeHubTargets,
  encodeHubRequestBatch,
  type HubCreateInput,
  type HubDelivery,
  type HubRequestInput,
  type HubStatus,
  WATCH_HUB_PATHS,
} from '../../../proto/gen/hexad';
import { decodeEvent } from '../../../proto/gen/mvccpb';

/** What a proxy does with a hub, and everything it got. */
export class HubClient {
  readonly deliveries: HubDelivery[] = [];
  readonly statuses: HubStatus[] = [];
  private readonly channel: Channel;
  readonly stream: ClientStream;
  closed = false;
  private waiters: { done: () => boolean; resolve: () => void }[] = [];

  constructor(address: Address) {
    this.channel = connect(address);
    this.stream = this.channel.stream(WATCH_HUB_PATHS.Watch);
    this.stream.onMessage((message) => {
      const { deliveries, status } = decodeHubReplyBatch(message);
      if (status !== undefined) this.statuses.push(status);
      for (const delivery of deliveries) {
        delivery.targets.push(...decodeHubTargets(delivery.targetSet).targets);
        this.deliveries.push(delivery);
      }
      this.check();
    });
    this.stream.onClose(() => {
      this.closed = true;
      this.check();
    });
  }

  send(...requests: HubRequestInput[]): void {
    this.stream.send(encodeHubRequestBatch({ requests }));
  }

  watch(session: number, create: Omit<HubCreateInput, 'key' | 'rangeEnd'> & { key: string; rangeEnd?: string }): void {
    const { key, rangeEnd = '' } = create;
    const encoder = new TextEncoder();
    this.send({ session, create: { ...create, key: encoder.encode(key), rangeEnd: encoder.encode(rangeEnd) } });
  }

  /** `key=value` or `key-` of each event a watcher got, with `|previous` when it has one. */
  events(session: number, watchId: number): string[] {
    const decoder = new TextDecoder();
    return this.deliveries
      .filter((delivery) => delivery.targets.some((target) => target.session === session && target.watchId === watchId))
      .flatMap((delivery) => delivery.events)
      .map((bytes) => {
        let at = 1;
        while (((bytes[at] as number) & 0x80) !== 0) at += 1;
        const event = decodeEvent(bytes.subarray(at + 1));
        const key = decoder.decode(event.kv?.key);
        const previous = event.prevKv === undefined ? '' : `|${decoder.decode(event.prevKv.value)}`;
        return (event.type === 1 ? `${key}-` : `${key}=${decoder.decode(event.kv?.value)}`) + previous;
      });
  }

  until(done: () => boolean): Promise<void> {
    if (done()) return Promise.resolve();
    return new Promise((resolve) => this.waiters.push({ done, resolve }));
  }

  async created(session: number, watchId: number): Promise<HubDelivery> {
    const find = (): HubDelivery | undefined =>
      this.deliveries.find(
        (delivery) =>
          delivery.created &&
          delivery.targets.some((target) => target.session === session && target.watchId === watchId),
      );
    await this.until(() => find() !== undefined);
    return find() as HubDelivery; // until() has seen it
  }

  close(): void {
    this.stream.cancel();
    this.channel.close();
  }

  private check(): void {
    const waiters = this.waiters;
    this.waiters = [];
    for (const waiter of waiters) {
      if (waiter.done()) waiter.resolve();
      else this.waiters.push(waiter);
    }
  }
}
