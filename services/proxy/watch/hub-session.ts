import { type HubCreateInput, type HubRequestInput } from '../../../proto/gen/hexad';
import { noBytes } from '../answer';
import type { Delivery } from './delivery';

export const WHOLE_SESSION = -1;

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
  /** Between proxy and hub only, never used twice in a session. */
  readonly hubId: number;
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
  readonly session: HubSession;
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

/** Sends requests to the hub; drops them while there is none, since each new hub is told everything anew. */
export type RequestHub = (request: HubRequestInput) => void;

/**
 * The watchers of one client stream. It remembers how far each has got, so that a hub that is started again goes on
 * where the last one broke off: nothing lost, nothing repeated, and the client notices nothing.
 */
export class HubSession {
  private readonly watchers = new Map<number, HubWatcher>();
  private lastHubId = 0;
  private progressAsked = false;
  private paused = false;

  constructor(
    readonly id: number,
    private readonly owner: SessionOwner,
    private readonly requestHub: RequestHub,
    private readonly isHubUp: () => boolean,
  ) {}

  get size(): number {
    return this.watchers.size;
  }

  create(spec: WatchSpec, clientId: number | bigint, fragment: boolean, trace: Uint8Array = noBytes): HubWatcher {
    const watcher: HubWatcher = {
      hubId: ++this.lastHubId,
      spec,
      clientId,
      fragment,
      nextRevision: spec.startRevision,
      created: false,
      cancelRequested: false,
      gone: false,
      session: this,
    };
    this.watchers.set(watcher.hubId, watcher);
    this.requestHub({ ...this.createRequest(watcher), trace });
    return watcher;
  }

  cancel(watcher: HubWatcher): void {
    if (watcher.cancelRequested || !this.watchers.has(watcher.hubId)) return;
    watcher.cancelRequested = true;
    if (this.isHubUp()) this.requestHub({ session: this.id, cancel: true, watchId: watcher.hubId });
    else this.lose(watcher);
  }

  /** Answered once by `onProgress`, when every watcher has got everything there is. */
  requestProgress(): void {
    this.progressAsked = true;
    this.requestHub({ session: this.id, progress: true });
  }

  /** As `requestProgress`, only to learn how far the watchers are; the owner is not told. */
  probeProgress(): void {
    if (!this.paused) this.requestHub({ session: this.id, progress: true });
  }

  /** True when a watcher may be further behind in our books than `revision`. */
  isBehind(revision: number): boolean {
    for (const watcher of this.watchers.values()) if (watcher.created && watcher.nextRevision <= revision) return true;
    return false;
  }

  pause(): void {
    if (this.paused) return;
    this.paused = true;
    this.requestHub({ session: this.id, pause: true });
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.requestHub({ session: this.id, resume: true });
  }

  end(): void {
    for (const watcher of this.watchers.values()) watcher.gone = true;
    this.watchers.clear();
    this.requestHub({ session: this.id, endSession: true });
  }

  /** A hub is there (again): tells it all that it must know. */
  hubOpened(): void {
    if (this.paused) this.requestHub({ session: this.id, pause: true });
    for (const watcher of this.watchers.values()) this.requestHub(this.createRequest(watcher));
    if (this.progressAsked) this.requestHub({ session: this.id, progress: true });
  }

  hubLost(): void {
    for (const watcher of this.watchers.values()) if (watcher.cancelRequested) this.lose(watcher);
  }

  deliver(hubId: number, delivery: Delivery): void {
    if (hubId === WHOLE_SESSION) {
      this.sessionProgress(delivery);
      return;
    }
    const watcher = this.watchers.get(hubId);
    if (watcher !== undefined) this.deliverTo(watcher, delivery);
  }

  find(hubId: number): HubWatcher | undefined {
    return this.watchers.get(hubId);
  }

  deliverTo(watcher: HubWatcher, delivery: Delivery): void {
    if (watcher.gone) return;
    const { created, canceled, progress, revision } = delivery.content;
    if (canceled) {
      this.remove(watcher);
      this.owner.onCanceled(watcher, delivery);
    } else if (created) this.created(watcher, delivery);
    else {
      if (revision >= watcher.nextRevision) watcher.nextRevision = revision + 1;
      if (progress) this.owner.onProgress(watcher, delivery);
      else this.owner.onEvents(watcher, delivery);
    }
  }

  private created(watcher: HubWatcher, delivery: Delivery): void {
    // A new hub has taken over a watcher that the client knows already.
    if (watcher.created) return;
    watcher.created = true;
    if (watcher.nextRevision === 0) watcher.nextRevision = delivery.content.revision + 1;
    this.owner.onCreated(watcher, delivery);
  }

  private sessionProgress(delivery: Delivery): void {
    const { revision } = delivery.content;
    for (const watcher of this.watchers.values()) {
      if (watcher.created && revision >= watcher.nextRevision) watcher.nextRevision = revision + 1;
    }
    if (!this.progressAsked) return;
    this.progressAsked = false;
    this.owner.onProgress(undefined, delivery);
  }

  private remove(watcher: HubWatcher): void {
    watcher.gone = true;
    this.watchers.delete(watcher.hubId);
  }

  private lose(watcher: HubWatcher): void {
    this.remove(watcher);
    this.owner.onCanceledByLoss(watcher);
  }

  private createRequest({ hubId, spec, nextRevision, created }: HubWatcher): HubRequestInput {
    const create: HubCreateInput = { ...spec, watchId: hubId, startRevision: nextRevision };
    return { session: this.id, create: created ? { ...create, resumed: true } : create };
  }
}
