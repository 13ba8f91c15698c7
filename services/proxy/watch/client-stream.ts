import { Errors, errorText, type RpcError, WatchReasons } from '../../../libs/errors';
import { failpoint } from '../../../libs/failpoints';
import { WireError } from '../../../libs/wire';
import {
  decodeWatchRequest,
  encodeWatchResponse,
  type WatchCreateRequest,
  type WatchRequest,
} from '../../../proto/gen/etcdserverpb';
import type { Blocked, DeliveryStamps, WatchTimes } from '../attribution/watch-times';
import type { StreamRequest } from '../requests';
import { Limits } from '../limits';
import type { Headers } from '../headers';
import type { Delivery } from './delivery';
import type { HubClient } from './hub-client';
import type { HubSession, HubWatcher, SessionOwner, WatchSpec } from './hub-session';
import type { WatchedRange, WatchRights } from './rights';

const beforeSend = failpoint('beforeSendWatchResponse');

const INVALID_WATCH_ID = -1;
const NO_PUT = 0;
const NO_DELETE = 1;
const ZERO_KEY = new Uint8Array(1);

export interface ClientStreamOptions {
  readonly hub: HubClient;
  readonly headers: Headers;
  /** Fragments are kept below this. */
  readonly fragmentBytes: number;
  readonly mayRead: MayRead;
  /** Undefined: a watch that may begin may go on. */
  readonly rights: WatchRights | undefined;
  /** Undefined: no stage stamps. */
  readonly times: Pick<WatchTimes, 'blockedNow' | 'ended'> | undefined;
}

/**
 * Whether the stream's user may read the range, and who that is; the callback runs at once when nothing must be asked.
 * Undefined: yes.
 */
export type MayRead = (
  request: StreamRequest,
  key: Uint8Array,
  rangeEnd: Uint8Array,
  callback: (refusal: RpcError | undefined, user: string) => void,
) => void;

/** One client's Watch stream: its requests in order, its watch ids, its answers. */
export class ClientStream implements SessionOwner {
  private readonly session: HubSession;
  private readonly byClientId = new Map<number | bigint, HubWatcher>();
  /** Of each watcher, while rights are checked again. */
  private readonly watched = new Map<HubWatcher, WatchedRange>();
  private nextId = 0;
  /** Requests behind one whose permission is being checked. */
  private waiting: WatchRequest[] = [];
  private checking = false;
  /** The client does not read what it has. */
  private blocked: Blocked | undefined;

  constructor(
    private readonly stream: StreamRequest,
    private readonly options: ClientStreamOptions,
  ) {
    this.session = options.hub.openSession(this);
    stream.onMessage((message) => this.onMessage(message));
    stream.call.onDrain(() => this.drained());
    stream.onClose(() => this.closed());
    stream.call.sendHeaders();
  }

  onCreated(watcher: HubWatcher, delivery: Delivery): void {
    this.send(delivery.message(watcher.clientId));
  }

  onCanceled(watcher: HubWatcher, delivery: Delivery): void {
    this.forget(watcher);
    this.send(delivery.message(watcher.created ? watcher.clientId : INVALID_WATCH_ID));
  }

  onEvents(watcher: HubWatcher, delivery: Delivery): void {
    if (!watcher.fragment) {
      this.send(delivery.message(watcher.clientId), delivery.stamps);
      return;
    }
    const { fragmentBytes } = this.options;
    for (const piece of delivery.fragments(watcher.clientId, fragmentBytes)) this.send(piece, delivery.stamps);
  }

  onProgress(watcher: HubWatcher | undefined, delivery: Delivery): void {
    this.send(delivery.message(watcher === undefined ? INVALID_WATCH_ID : watcher.clientId));
  }

  onCanceledByLoss(watcher: HubWatcher): void {
    this.forget(watcher);
    const header = this.options.headers.current();
    this.send(encodeWatchResponse({ header, watchId: watcher.clientId, canceled: true }));
  }

  private drained(): void {
    this.unblocked();
    this.session.resume();
  }

  private unblocked(): void {
    if (this.blocked === undefined) return;
    this.options.times?.ended(this.blocked);
    this.blocked = undefined;
  }

  private closed(): void {
    this.unblocked();
    for (const range of this.watched.values()) this.options.rights?.remove(range);
    this.watched.clear();
    this.options.hub.closeSession(this.session);
  }

  private forget(watcher: HubWatcher): void {
    if (this.byClientId.get(watcher.clientId) === watcher) this.byClientId.delete(watcher.clientId);
    const range = this.watched.get(watcher);
    if (range === undefined) return;
    this.watched.delete(watcher);
    this.options.rights?.remove(range);
  }

  /** The user may not read it any more. */
  private revoke(watcher: HubWatcher): void {
    if (watcher.gone) return;
    this.forget(watcher);
    this.session.drop(watcher);
    const header = this.options.headers.current();
    const { message: cancelReason } = Errors.PermissionDenied;
    const { clientId: watchId, created } = watcher;
    if (created) this.send(encodeWatchResponse({ header, watchId, canceled: true, cancelReason }));
    else this.refuse(cancelReason);
  }

  private onMessage(message: Uint8Array): void {
    let request: WatchRequest;
    try {
      request = decodeWatchRequest(message);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.stream.end(Errors.MalformedMessage);
      return;
    }
    if (!this.checking) {
      this.handle(request);
      return;
    }
    this.waiting.push(request);
    if (this.waiting.length >= Limits.watchRequestsMax) this.stream.call.pause();
  }

  private handle(request: WatchRequest): void {
    if (request.createRequest !== undefined) this.create(request.createRequest);
    else if (request.cancelRequest !== undefined) this.cancel(request.cancelRequest.watchId);
    else if (request.progressRequest !== undefined && this.session.size > 0) this.session.requestProgress();
  }

  private create(create: WatchCreateRequest): void {
    this.checking = true;
    const key = create.key.length === 0 ? ZERO_KEY : create.key;
    this.options.mayRead(this.stream, key, create.rangeEnd, (refusal, user) => {
      this.checking = false;
      if (this.stream.closed) return;
      if (refusal === undefined) this.register({ ...create, key }, user);
      else this.refuse(errorText(refusal));
      this.handleWaiting();
    });
  }

  private handleWaiting(): void {
    if (this.checking || this.waiting.length === 0) return;
    const wasFull = this.waiting.length >= Limits.watchRequestsMax;
    while (this.waiting.length > 0 && !this.checking) this.handle(this.waiting.shift() as WatchRequest);
    if (wasFull && this.waiting.length < Limits.watchRequestsMax) this.stream.call.resume();
  }

  private register(create: WatchCreateRequest, user: string): void {
    const reason = this.whyNot(create);
    if (reason !== undefined) {
      this.refuse(reason);
      return;
    }
    const clientId = create.watchId === 0 ? this.freeId() : create.watchId;
    const watcher = this.session.create(specOf(create), clientId, create.fragment, this.stream.trace);
    this.byClientId.set(clientId, watcher);
    const { rights } = this.options;
    if (rights === undefined) return;
    const { key, rangeEnd } = create;
    const range = { user, key, rangeEnd, revoke: () => this.revoke(watcher) };
    this.watched.set(watcher, range);
    rights.add(range);
  }

  private whyNot(create: WatchCreateRequest): string | undefined {
    if (isEmptyRange(create)) return WatchReasons.EmptyRange;
    if (create.watchId !== 0 && this.byClientId.has(create.watchId)) return WatchReasons.DuplicateId;
    return create.startRevision < 0 ? WatchReasons.Compacted : undefined;
  }

  private freeId(): number {
    while (this.byClientId.has(this.nextId)) this.nextId++;
    return this.nextId++;
  }

  private cancel(clientId: number | bigint): void {
    const watcher = this.byClientId.get(clientId);
    if (watcher === undefined) return;
    this.byClientId.delete(clientId);
    this.session.cancel(watcher);
  }

  private refuse(cancelReason: string): void {
    const header = this.options.headers.current();
    this.send(encodeWatchResponse({ header, watchId: INVALID_WATCH_ID, created: true, canceled: true, cancelReason }));
  }

  private send(message: Uint8Array, stamps?: DeliveryStamps): void {
    beforeSend.reach();
    if (this.stream.send(message)) return;
    this.session.pause();
    if (!this.stream.closed) this.blocked ??= this.options.times?.blockedNow(this.remote, stamps);
  }

  private get remote(): string {
    return this.stream.call.connection.remoteAddress;
  }
}

function isEmptyRange({ key, rangeEnd }: WatchCreateRequest): boolean {
  if (rangeEnd.length === 0 || (rangeEnd.length === 1 && rangeEnd[0] === 0)) return false;
  return Buffer.compare(key, rangeEnd) >= 0;
}

function specOf(create: WatchCreateRequest): WatchSpec {
  const { key, rangeEnd, progressNotify, prevKv, filters, startRevision } = create;
  return {
    key,
    rangeEnd,
    // A revision beyond 2^53 lies as far in the future as 2^53 itself.
    startRevision: typeof startRevision === 'number' ? startRevision : Number.MAX_SAFE_INTEGER,
    progressNotify,
    noPut: filters.includes(NO_PUT),
    noDelete: filters.includes(NO_DELETE),
    prevKv,
  };
}
