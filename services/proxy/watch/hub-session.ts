import type { HubCreateInput, HubRequestInput } from '../../../proto/gen/hexad';
import { noBytes } from '../answer';
import type { Delivery } from './delivery';
import type { HubPeer } from './hub-peer';
import { hashOf } from './placement';

/** What is watched, in etcd's conventions. */
export interface WatchSpec {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
  /** 0: from the store's revision once the hub has the request. */
  readonly startRevision: number;
  readonly progressNotify: boolean;
  readonly noPut: boolean;
  readonly noDelete: boolean;
  readonly prevKv: boolean;
}

export interface HubWatcher {
  readonly spec: WatchSpec;
  /** The client's name for it. */
  readonly clientId: number | bigint;
  readonly fragment: boolean;
  /** Everything before this revision has been delivered; 0: not known before the hub has answered. */
  nextRevision: number;
  created: boolean;
  cancelRequested: boolean;
  /** Nothing is delivered to it any more. */
  gone: boolean;
  /** By which it is placed. */
  readonly hash: number;
  /** Undefined: no hub is there. */
  registration: Registration | undefined;
}

export interface SessionOwner {
  onCreated(watcher: HubWatcher, delivery: Delivery): void;
  /** The watcher is gone. Also after `onCreated` has not run: the hub refused it. */
  onCanceled(watcher: HubWatcher, delivery: Delivery): void;
  onEvents(watcher: HubWatcher, delivery: Delivery): void;
  /** Undefined: for the whole session, which asked for it. */
  onProgress(watcher: HubWatcher | undefined, delivery: Delivery): void;
  /** Its cancellation was requested of a hub that is gone. */
  onCanceledByLoss(watcher: HubWatcher): void;
}

/** A watcher's place on a hub. It ends when the watcher moves: what that hub still sends for it is then not for it. */
export class Registration {
  constructor(
    readonly peer: HubPeer,
    /** Between proxy and hubs only, never used twice in a session. */
    readonly hubId: number,
    readonly watcher: HubWatcher,
    private readonly session: HubSession,
  ) {}

  deliver(delivery: Delivery): void {
    if (this.watcher.registration === this) this.session.deliverTo(this.watcher, delivery);
  }
}

export interface SessionHubs {
  /** The hub that a range with this hash belongs to now. */
  readonly place: (hash: number) => HubPeer | undefined;
  readonly knownRevision: () => number;
}

/** A RequestProgress that is not answered yet. */
interface ProgressAsked {
  /** What this process had seen when it was asked. */
  readonly knownRevision: number;
  readonly answers: Map<HubPeer, Delivery>;
}

/**
 * The watchers of one client stream. It remembers how far each has got, so that another hub, or one that was started again,
 * goes on where the last one broke off: nothing lost, nothing repeated, and the client notices nothing.
 */
export class HubSession {
  private readonly watchers = new Set<HubWatcher>();
  private readonly byHubId = new Map<number, Registration>();
  /** The hubs it has watchers on, and how many. */
  private readonly inUse = new Map<HubPeer, number>();
  private lastHubId = 0;
  private asked: ProgressAsked | undefined;
  private paused = false;

  constructor(
    readonly id: number,
    private readonly owner: SessionOwner,
    private readonly hubs: SessionHubs,
  ) {}

  get size(): number {
    return this.watchers.size;
  }

  create(spec: WatchSpec, clientId: number | bigint, fragment: boolean, trace: Uint8Array = noBytes): HubWatcher {
    const watcher: HubWatcher = {
      spec,
      clientId,
      fragment,
      nextRevision: spec.startRevision,
      created: false,
      cancelRequested: false,
      gone: false,
      hash: hashOf(spec.key, spec.rangeEnd),
      registration: undefined,
    };
    this.watchers.add(watcher);
    this.register(watcher, this.hubs.place(watcher.hash), trace);
    return watcher;
  }

  cancel(watcher: HubWatcher): void {
    if (watcher.cancelRequested || watcher.gone) return;
    watcher.cancelRequested = true;
    const { registration } = watcher;
    if (registration === undefined) this.lose(watcher);
    else registration.peer.request({ session: this.id, cancel: true, watchId: registration.hubId });
  }

  /** Ends the watcher here and now, without an answer of the hub's; the owner is not told. */
  drop(watcher: HubWatcher): void {
    if (watcher.gone) return;
    watcher.registration?.peer.request({ session: this.id, cancel: true, watchId: watcher.registration.hubId });
    this.remove(watcher);
    this.answerProgress();
  }

  /** Answered once by `onProgress`, when every watcher has got everything there is. */
  requestProgress(): void {
    this.asked = { knownRevision: this.hubs.knownRevision(), answers: new Map() };
    for (const peer of this.inUse.keys()) this.askProgress(peer);
  }

  /** As `requestProgress`, only to learn how far the watchers are; the owner is not told. */
  probeProgress(): void {
    if (this.paused) return;
    for (const peer of this.inUse.keys()) this.askProgress(peer);
  }

  /** True when a watcher may be further behind in our books than `revision`. */
  isBehind(revision: number): boolean {
    for (const watcher of this.watchers) if (watcher.created && watcher.nextRevision <= revision) return true;
    return false;
  }

  pause(): void {
    if (this.paused) return;
    this.paused = true;
    for (const peer of this.inUse.keys()) peer.request({ session: this.id, pause: true });
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    for (const peer of this.inUse.keys()) peer.request({ session: this.id, resume: true });
  }

  end(): void {
    for (const watcher of this.watchers) watcher.gone = true;
    this.watchers.clear();
    this.byHubId.clear();
    for (const peer of this.inUse.keys()) peer.request({ session: this.id, endSession: true });
    this.inUse.clear();
  }

  /** Hubs have come or gone: moves the watchers that belong elsewhere now. */
  rebalance(): void {
    for (const watcher of this.watchers) {
      const peer = this.hubs.place(watcher.hash);
      const { registration } = watcher;
      // One whose cancellation is under way ends where it is.
      if (peer === registration?.peer || watcher.cancelRequested) continue;
      if (registration !== undefined) {
        registration.peer.request({ session: this.id, cancel: true, watchId: registration.hubId });
        this.unregister(watcher);
      }
      this.register(watcher, peer);
    }
    this.answerProgress();
  }

  hubLost(peer: HubPeer): void {
    for (const watcher of this.watchers) {
      if (watcher.registration?.peer !== peer) continue;
      this.unregister(watcher);
      if (watcher.cancelRequested) this.lose(watcher);
    }
  }

  find(hubId: number, peer: HubPeer): Registration | undefined {
    const registration = this.byHubId.get(hubId);
    return registration?.peer === peer ? registration : undefined;
  }

  deliverTo(watcher: HubWatcher, delivery: Delivery): void {
    if (watcher.gone) return;
    const { created, canceled, progress, revision } = delivery.content;
    if (canceled) {
      this.remove(watcher);
      this.owner.onCanceled(watcher, delivery);
      this.answerProgress();
    } else if (created) this.created(watcher, delivery);
    else {
      if (revision >= watcher.nextRevision) watcher.nextRevision = revision + 1;
      if (progress) this.owner.onProgress(watcher, delivery);
      else this.owner.onEvents(watcher, delivery);
    }
  }

  /** A hub has sent everything up to a revision to all watchers of this session that it has. */
  sessionProgress(peer: HubPeer, delivery: Delivery): void {
    const { revision } = delivery.content;
    for (const watcher of this.watchers) {
      if (watcher.registration?.peer !== peer) continue;
      if (watcher.created && revision >= watcher.nextRevision) watcher.nextRevision = revision + 1;
    }
    // An answer to a probe from before may be older than what is asked for.
    if (this.asked === undefined || revision < this.asked.knownRevision) return;
    this.asked.answers.set(peer, delivery);
    this.answerProgress();
  }

  /** Once all hubs have answered: the least revision of theirs holds for the whole stream. */
  private answerProgress(): void {
    if (this.asked === undefined || this.inUse.size === 0) return;
    let least: Delivery | undefined;
    for (const peer of this.inUse.keys()) {
      const answer = this.asked.answers.get(peer);
      if (answer === undefined) return;
      if (least === undefined || answer.content.revision < least.content.revision) least = answer;
    }
    for (const watcher of this.watchers) if (watcher.registration === undefined) return;
    this.asked = undefined;
    this.owner.onProgress(undefined, least as Delivery); // there is at least one hub in use
  }

  private created(watcher: HubWatcher, delivery: Delivery): void {
    // A new hub has taken over a watcher that the client knows already.
    if (watcher.created) return;
    watcher.created = true;
    if (watcher.nextRevision === 0) watcher.nextRevision = delivery.content.revision + 1;
    this.owner.onCreated(watcher, delivery);
  }

  private register(watcher: HubWatcher, peer: HubPeer | undefined, trace: Uint8Array = noBytes): void {
    if (peer === undefined) return;
    const registration = new Registration(peer, ++this.lastHubId, watcher, this);
    watcher.registration = registration;
    this.byHubId.set(registration.hubId, registration);
    const before = this.inUse.get(peer) ?? 0;
    this.inUse.set(peer, before + 1);
    if (before === 0 && this.paused) peer.request({ session: this.id, pause: true });
    peer.request({ ...this.createRequest(registration), trace });
    // What it answered before does not hold for a watcher that came since.
    if (this.asked?.answers.delete(peer) === true || before === 0) this.askProgressAgain(peer);
  }

  private unregister(watcher: HubWatcher): void {
    const { registration } = watcher;
    if (registration === undefined) return;
    watcher.registration = undefined;
    this.byHubId.delete(registration.hubId);
    const { peer } = registration;
    const left = (this.inUse.get(peer) ?? 1) - 1;
    if (left > 0) {
      this.inUse.set(peer, left);
      return;
    }
    this.inUse.delete(peer);
    this.asked?.answers.delete(peer);
    peer.request({ session: this.id, endSession: true });
  }

  private remove(watcher: HubWatcher): void {
    watcher.gone = true;
    this.watchers.delete(watcher);
    this.unregister(watcher);
    if (this.watchers.size === 0) this.asked = undefined; // etcd says nothing to a stream without watchers
  }

  private lose(watcher: HubWatcher): void {
    this.remove(watcher);
    this.owner.onCanceledByLoss(watcher);
  }

  private askProgressAgain(peer: HubPeer): void {
    if (this.asked !== undefined) this.askProgress(peer);
  }

  private askProgress(peer: HubPeer): void {
    peer.request({ session: this.id, progress: true, knownRevision: this.hubs.knownRevision() });
  }

  private createRequest({ hubId, watcher }: Registration): HubRequestInput {
    const { spec, nextRevision, created } = watcher;
    const create: HubCreateInput = { ...spec, watchId: hubId, startRevision: nextRevision };
    const knownRevision = this.hubs.knownRevision();
    return { session: this.id, create: created ? { ...create, resumed: true } : create, knownRevision };
  }
}
