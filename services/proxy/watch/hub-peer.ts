import {
  decodeHubReplyBatch,
  encodeHubRequestBatch,
  type HubDelivery,
  type HubRequestInput,
  type HubStatus,
} from '../../../proto/gen/hexad';
import type { Delivered, DeliveryStamps } from '../attribution/watch-times';
import { Delivery } from './delivery';
import { hashOf, type Place } from './placement';
import type { Registration } from './hub-session';
import type { SendLoop } from './send-loop';
import { TargetSets } from './target-sets';

export interface HubPeerOwner {
  /** A message with live events has been passed on. */
  delivered(stamps: DeliveryStamps, delivered: Delivered): void;
  readonly sendLoop: SendLoop;
  afterArrivals(callback: () => void): void;
  find(session: number, hubId: number, peer: HubPeer): Registration | undefined;
  wholeSession(session: number, peer: HubPeer, delivery: Delivery): void;
  peerOpened(): void;
  peerBroken(peer: HubPeer): void;
}

const WHOLE_SESSION = -1;

/** One hub, and the stream to it that all sessions of this process share. */
export class HubPeer implements Place {
  readonly seed: number;
  /** What it said of itself last. */
  status: HubStatus | undefined;
  /** Events that came from it, one for each watcher. */
  eventsSent = 0;
  private queue: HubRequestInput[] = [];
  private flushScheduled = false;
  private send: ((message: Uint8Array) => void) | undefined;
  private readonly targetSets: TargetSets;

  constructor(
    readonly name: string,
    private readonly owner: HubPeerOwner,
  ) {
    this.seed = hashOf(new TextEncoder().encode(name));
    this.targetSets = new TargetSets((session, hubId) => owner.find(session, hubId, this));
  }

  get isUp(): boolean {
    return this.send !== undefined;
  }

  opened(send: (message: Uint8Array) => void): void {
    this.send = send;
    this.owner.peerOpened();
  }

  broken(): void {
    if (this.send === undefined) return;
    this.send = undefined;
    this.queue = [];
    this.status = undefined;
    this.targetSets.forget();
    this.owner.peerBroken(this);
  }

  /** Dropped while the hub is away, since each new stream is told everything anew. */
  request(request: HubRequestInput): void {
    if (this.send === undefined) return;
    this.queue.push(request);
    if (this.flushScheduled) return;
    this.flushScheduled = true;
    this.owner.afterArrivals(this.flush);
  }

  /** A HubReplyBatch. */
  onMessage(bytes: Uint8Array): void {
    const { deliveries, clusterId, memberId, status, timing } = decodeHubReplyBatch(bytes);
    if (status !== undefined) this.status = status;
    const began = performance.now();
    const stamps = timing === undefined ? undefined : { timing, hub: this.shownName, memberId };
    let watchers = 0;
    let events = 0;
    let revision = 0;
    for (const content of deliveries) {
      const delivery = new Delivery(content, { clusterId, memberId }, stamps);
      const reached = this.pass(content, delivery);
      if (content.events.length === 0) continue;
      watchers += reached;
      events += reached * content.events.length;
      revision = content.revision;
    }
    this.eventsSent += events;
    this.owner.sendLoop.observe(deliveries, events, performance.now() - began);
    if (stamps !== undefined) this.owner.delivered(stamps, { watchers, events, revision });
  }

  /** What it is called where its work is told of: the member it is part of, else its address. */
  private get shownName(): string {
    return this.status?.name || this.name;
  }

  /** Returns for how many watchers it was. */
  private pass(content: HubDelivery, delivery: Delivery): number {
    for (const { session, watchId } of content.targets) this.deliver(session, watchId, delivery);
    if (content.targetSet.length === 0) return content.targets.length;
    const registrations = this.targetSets.registrations(content.targetSet);
    for (const registration of registrations) registration.deliver(delivery);
    return content.targets.length + registrations.length;
  }

  private deliver(session: number, hubId: number, delivery: Delivery): void {
    if (hubId === WHOLE_SESSION) this.owner.wholeSession(session, this, delivery);
    else this.owner.find(session, hubId, this)?.deliver(delivery);
  }

  private readonly flush = (): void => {
    this.flushScheduled = false;
    const requests = this.queue;
    this.queue = [];
    if (this.send !== undefined && requests.length > 0) this.send(encodeHubRequestBatch({ requests }));
  };
}
