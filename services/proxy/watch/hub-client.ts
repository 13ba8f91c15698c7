import type { Delivered, DeliveryStamps, WatchTimes } from '../attribution/watch-times';
import type { Delivery } from './delivery';
import { HubPeer, type HubPeerOwner } from './hub-peer';
import { HubSession, type Registration, type SessionOwner } from './hub-session';
import { placeOf } from './placement';
import { SendLoop } from './send-loop';

export interface HubClientOptions {
  readonly afterArrivals: (callback: () => void) => void;
  /** The newest revision that clients of this process may have seen. */
  readonly knownRevision?: () => number;
  /** Undefined: no stage stamps. */
  readonly times?: Pick<WatchTimes, 'delivered'> | undefined;
}

/** All watch sessions of this process, and the hubs that serve them. Each watcher is on the hub that its range belongs to. */
export class HubClient implements HubPeerOwner {
  readonly sendLoop = new SendLoop();
  private readonly sessions = new Map<number, HubSession>();
  private readonly peers = new Map<string, HubPeer>();
  private lastSession = 0;
  /** Sent by hubs that have been removed. */
  private eventsOfGone = 0;

  constructor(private readonly options: HubClientOptions) {}

  get sessionCount(): number {
    return this.sessions.size;
  }

  get watcherCount(): number {
    let count = 0;
    for (const session of this.sessions.values()) count += session.size;
    return count;
  }

  /** Events for clients since this process began, one for each watcher. */
  get eventsSent(): number {
    let sent = this.eventsOfGone;
    for (const peer of this.peers.values()) sent += peer.eventsSent;
    return sent;
  }

  get hubs(): Iterable<HubPeer> {
    return this.peers.values();
  }

  /** A hub to use from when its stream is open. Names are what watchers are placed by. */
  addHub(name: string): HubPeer {
    const peer = new HubPeer(name, this);
    this.peers.set(name, peer);
    return peer;
  }

  /** Its watchers move to the others. */
  removeHub(peer: HubPeer): void {
    this.peers.delete(peer.name);
    this.eventsOfGone += peer.eventsSent;
    peer.broken();
  }

  openSession(owner: SessionOwner): HubSession {
    const session = new HubSession(++this.lastSession, owner, {
      place: this.place,
      knownRevision: this.options.knownRevision ?? (() => 0),
    });
    this.sessions.set(session.id, session);
    return session;
  }

  closeSession(session: HubSession): void {
    session.end();
    this.sessions.delete(session.id);
  }

  /**
   * Asks the hubs how far quiet watchers are. Without it a hub's restart would resume them at the revision of their last
   * event, which may have been compacted long ago.
   */
  probeProgress(currentRevision: number): void {
    for (const session of this.sessions.values()) if (session.isBehind(currentRevision)) session.probeProgress();
  }

  delivered(stamps: DeliveryStamps, delivered: Delivered): void {
    this.options.times?.delivered(stamps, delivered);
  }

  afterArrivals(callback: () => void): void {
    this.options.afterArrivals(callback);
  }

  find(session: number, hubId: number, peer: HubPeer): Registration | undefined {
    return this.sessions.get(session)?.find(hubId, peer);
  }

  wholeSession(session: number, peer: HubPeer, delivery: Delivery): void {
    this.sessions.get(session)?.sessionProgress(peer, delivery);
  }

  peerOpened(): void {
    for (const session of this.sessions.values()) session.rebalance();
  }

  peerBroken(peer: HubPeer): void {
    for (const session of this.sessions.values()) {
      session.hubLost(peer);
      session.rebalance();
    }
  }

  private readonly place = (hash: number): HubPeer | undefined => placeOf(this.upPeers(), hash);

  private *upPeers(): Iterable<HubPeer> {
    for (const peer of this.peers.values()) if (peer.isUp) yield peer;
  }
}
