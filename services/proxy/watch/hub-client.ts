import { decodeHubReplyBatch, encodeHubRequestBatch, type HubRequestInput } from '../../../proto/gen/hexad';
import { Delivery } from './delivery';
import { HubSession, type SessionOwner } from './hub-session';
import { TargetSets } from './target-sets';

export interface HubClientOptions {
  readonly afterArrivals: (callback: () => void) => void;
}

/** All sessions of this process over one WatchHub stream. */
export class HubClient {
  private readonly sessions = new Map<number, HubSession>();
  private lastSession = 0;
  private queue: HubRequestInput[] = [];
  private flushScheduled = false;
  private readonly targetSets = new TargetSets((session, hubId) => this.sessions.get(session)?.find(hubId));
  private send: ((message: Uint8Array) => void) | undefined;

  constructor(private readonly options: HubClientOptions) {}

  get sessionCount(): number {
    return this.sessions.size;
  }

  get watcherCount(): number {
    let count = 0;
    for (const session of this.sessions.values()) count += session.size;
    return count;
  }

  openSession(owner: SessionOwner): HubSession {
    const session = new HubSession(++this.lastSession, owner, this.request, () => this.send !== undefined);
    this.sessions.set(session.id, session);
    return session;
  }

  closeSession(session: HubSession): void {
    session.end();
    this.sessions.delete(session.id);
  }

  opened(send: (message: Uint8Array) => void): void {
    this.send = send;
    for (const session of this.sessions.values()) session.hubOpened();
  }

  broken(): void {
    this.send = undefined;
    this.queue = [];
    this.targetSets.forget();
    for (const session of this.sessions.values()) session.hubLost();
  }

  /** A HubReplyBatch. */
  onMessage(bytes: Uint8Array): void {
    const { deliveries, clusterId, memberId } = decodeHubReplyBatch(bytes);
    for (const content of deliveries) {
      const delivery = new Delivery(content, { clusterId, memberId });
      for (const target of content.targets) this.sessions.get(target.session)?.deliver(target.watchId, delivery);
      if (content.targetSet.length === 0) continue;
      for (const watcher of this.targetSets.watchers(content.targetSet)) watcher.session.deliverTo(watcher, delivery);
    }
  }

  /**
   * Asks the hub how far quiet watchers are. Without it a hub's restart would resume them at the revision of their last
   * event, which may have been compacted long ago.
   */
  probeProgress(currentRevision: number): void {
    for (const session of this.sessions.values()) if (session.isBehind(currentRevision)) session.probeProgress();
  }

  private readonly request = (request: HubRequestInput): void => {
    if (this.send === undefined) return;
    this.queue.push(request);
    if (this.flushScheduled) return;
    this.flushScheduled = true;
    this.options.afterArrivals(this.flush);
  };

  private readonly flush = (): void => {
    this.flushScheduled = false;
    const requests = this.queue;
    this.queue = [];
    if (this.send !== undefined && requests.length > 0) this.send(encodeHubRequestBatch({ requests }));
  };
}
