import { Errors, WatchReasons } from '../errors';
import { failpoint } from '../failpoints';
import { parseKeyRange } from '../interval-tree';
import { CatchUp } from './catch-up';
import { LiveFeed } from './live-feed';
import { HubState } from './state';
import {
  DEFAULT_WATCH_LIMITS,
  type LiveBatch,
  type Revision,
  type WatchCreate,
  type WatchLimits,
  type WatchOutput,
  WHOLE_SESSION,
} from './types';
import { type Connection, CREATING, GONE, type Session, type Watcher } from './watcher';

const beforeSync = failpoint('beforeSyncWatchers');
const beforeProgress = failpoint('beforeProgressIfSync');

export interface WatchCounters {
  readonly watchers: number;
  /** Watchers that are behind or held back. */
  readonly slowWatchers: number;
  readonly groups: number;
  readonly eventsDelivered: number;
  readonly windowBytes: number;
  readonly pendingBytes: number;
  /** −1 until the live feed has started. */
  readonly liveRevision: number;
}

/** A question that is answered once the store's revision has been read after it was asked. */
type Asked =
  | { readonly kind: 'create'; readonly watcher: Watcher; readonly knownRevision: number }
  | { readonly kind: 'progress'; readonly session: Session; readonly knownRevision: number };

/**
 * The watch hub without its I/O: registrations, the live feed and history chunks go in by method calls; `takeOutputs`
 * gives what is to be sent and read. No clock, no sockets; the same calls give the same outputs.
 */
export class WatchCore {
  private readonly state: HubState;
  private readonly catchUp: CatchUp;
  private readonly feed: LiveFeed;
  /** Waiting for the next read of the store's revision. */
  private asked: Asked[] = [];
  /** Waiting for the read under way. */
  private reading: Asked[] | undefined;
  private follows = false;

  constructor(limits: WatchLimits = DEFAULT_WATCH_LIMITS) {
    this.state = new HubState(limits);
    const cancelCompacted = (watcher: Watcher, compactRevision: number): void => {
      this.state.deliverTo(watcher, { revision: 0, canceled: true, compactRevision });
      this.remove(watcher);
    };
    this.catchUp = new CatchUp(this.state, (watcher, next) => this.place(watcher, next), cancelCompacted);
    this.feed = new LiveFeed(this.state, this.catchUp, cancelCompacted);
  }

  /** What the calls since the last time ask for, in order. */
  takeOutputs(): readonly WatchOutput[] {
    this.answerProgress();
    const { outputs } = this.state;
    this.state.outputs = [];
    return outputs;
  }

  get counters(): WatchCounters {
    let live = 0;
    for (const group of this.state.groups) live += group.live.size;
    return {
      watchers: this.state.watchers,
      slowWatchers: this.state.watchers - live,
      groups: this.state.groups.size,
      eventsDelivered: this.state.eventsDelivered,
      windowBytes: this.state.recent.bytes,
      pendingBytes: this.feed.pendingBytes,
      liveRevision: this.state.live,
    };
  }

  get watchers(): number {
    return this.state.watchers;
  }

  /** Whether storage is to send events; the host says so anew when it connects. */
  get followsEvents(): boolean {
    return this.follows;
  }

  /** No watcher has been there for a while: storage need not send events until there is one. */
  rest(): void {
    if (this.follows && this.state.watchers === 0) this.follow(false);
  }

  /**
   * Registers a watcher; answered by a `created` delivery, before any event of it. `knownRevision`: the asker has seen the store
   * at this revision, maybe on a member that is ahead of ours; the store's revision counts as no less.
   */
  create(connection: number, session: number, create: WatchCreate, knownRevision = 0): void {
    const owner = this.session(connection, session);
    const range = parseKeyRange(create.key, create.rangeEnd);
    if (range === undefined) this.refuse(owner, create.watchId, WatchReasons.EmptyRange);
    else if (owner.watchers.has(create.watchId)) this.refuse(owner, create.watchId, WatchReasons.DuplicateId);
    else if (create.startRevision < 0) this.refuse(owner, create.watchId, WatchReasons.Compacted);
    else if (this.state.watchers >= this.state.limits.watchersMax) {
      this.refuse(owner, create.watchId, Errors.TooManyRequests.message);
    } else {
      const group = this.state.groupFor(range, create);
      const watcher: Watcher = {
        session,
        watchId: create.watchId,
        owner,
        group,
        startRevision: create.startRevision,
        progressFrom: create.resumed ? create.startRevision - 1 : create.startRevision,
        progressNotify: create.progressNotify,
        state: CREATING,
        quietSince: group.deliveries,
        slot: 0,
        cancelRequested: false,
      };
      group.watchers += 1;
      owner.watchers.set(create.watchId, watcher);
      owner.unsynced += 1;
      this.state.watchers += 1;
      // Before the store's revision is asked for: storage then sends events from before that revision on. Nothing depends
      // on it, since a revision that is told without its events is a gap like any other once a watcher has its place.
      if (!this.follows) this.follow(true);
      this.ask({ kind: 'create', watcher, knownRevision });
    }
  }

  /** Cancels a watcher; an unknown one is ignored, as in etcd. */
  cancel(connection: number, session: number, watchId: number): void {
    const watcher = this.existing(connection, session)?.watchers.get(watchId);
    if (watcher === undefined) return;
    if (watcher.state.at === 'creating') {
      watcher.cancelRequested = true;
      return;
    }
    this.state.deliverTo(watcher, { revision: this.state.live, canceled: true });
    this.remove(watcher);
  }

  /** RequestProgress: answered once, for the whole session, when every watcher of it has got everything up to now. */
  requestProgress(connection: number, session: number, knownRevision = 0): void {
    this.ask({ kind: 'progress', session: this.session(connection, session), knownRevision });
  }

  /** The session's progress timer has fired: reports the revision to each watcher that wants it and has been quiet. */
  progressDue(connection: number, session: number): void {
    const owner = this.existing(connection, session);
    if (owner === undefined) return;
    for (const watcher of owner.watchers.values()) {
      if (!watcher.progressNotify) continue;
      const quiet = watcher.quietSince === watcher.group.deliveries;
      watcher.quietSince = watcher.group.deliveries;
      const synced = watcher.state.at === 'live' && this.state.live >= watcher.progressFrom;
      if (quiet && synced) this.state.deliverTo(watcher, { revision: this.state.live, progress: true });
    }
  }

  endSession(connection: number, session: number): void {
    const owner = this.existing(connection, session);
    if (owner === undefined) return;
    for (const watcher of owner.watchers.values()) this.remove(watcher);
    this.state.progressWanted.delete(owner);
    owner.connection.sessions.delete(session);
  }

  /** Keeps the session's events back; nothing is buffered for it meanwhile. */
  pause(connection: number, session: number): void {
    const owner = this.session(connection, session);
    if (owner.paused) return;
    owner.paused = true;
    for (const watcher of owner.watchers.values()) {
      const { state } = watcher;
      if (state.at === 'live') {
        watcher.group.live.remove(watcher);
        this.state.setState(watcher, { at: 'held', next: this.state.live + 1 });
      } else if (state.at === 'catch-up') {
        this.state.setState(watcher, { at: 'held', next: state.cohort.next });
        this.catchUp.remove(watcher, state.cohort);
      } else if (state.at === 'held') owner.connection.held.delete(watcher);
    }
  }

  /** Lets the session go on where it was. */
  resume(connection: number, session: number): void {
    const owner = this.existing(connection, session);
    if (owner === undefined || !owner.paused) return;
    owner.paused = false;
    for (const watcher of owner.watchers.values()) {
      if (watcher.state.at === 'held') this.place(watcher, watcher.state.next);
    }
  }

  /** The connection's queue is long: live events still go to it, catch-up waits. */
  congested(connection: number): void {
    const found = this.state.connections.get(connection);
    if (found !== undefined) found.congested = true;
  }

  drained(connection: number): void {
    const found = this.state.connections.get(connection);
    if (found === undefined || !found.congested) return;
    found.congested = false;
    const held = [...found.held];
    found.held.clear();
    for (const watcher of held) if (watcher.state.at === 'held') this.place(watcher, watcher.state.next);
  }

  connectionClosed(connection: number): void {
    const found = this.state.connections.get(connection);
    if (found === undefined) return;
    for (const session of found.sessions.keys()) this.endSession(connection, session);
    this.state.connections.delete(connection);
  }

  /** A message of the live feed. */
  events(batch: LiveBatch): void {
    this.feed.batch(batch);
    this.readStatus();
  }

  /** The answer to `readStatus`. */
  status(revision: number, compactRevision: number): void {
    const answered = this.reading ?? [];
    this.reading = undefined;
    for (const question of answered) {
      const known = Math.max(revision, question.knownRevision);
      if (question.kind === 'create') this.created(question.watcher, known, compactRevision);
      else this.wantProgress(question.session, known);
    }
    this.readStatus();
  }

  /** The read failed; the host calls this after a pause, and it is tried again. */
  statusFailed(): void {
    this.asked = [...(this.reading ?? []), ...this.asked];
    this.reading = undefined;
    this.readStatus();
  }

  /**
   * A chunk of history. `coveredTo`: everything the request asks for up to that revision has now been given, also when
   * the chunk holds no event of it. `done`: nothing more will come.
   */
  history(id: number, revisions: readonly Revision[], coveredTo: number, done: boolean): void {
    if (!this.catchUp.history(id, revisions, coveredTo, done)) this.feed.history(id, revisions, coveredTo, done);
  }

  /** What the request asks for has been compacted, up to and without `compactRevision`. */
  historyCompacted(id: number, compactRevision: number): void {
    if (!this.catchUp.historyCompacted(id, compactRevision)) this.feed.historyCompacted(id, compactRevision);
  }

  /** The read broke off; the host calls this after a pause, and the rest is asked for again. */
  historyFailed(id: number): void {
    if (!this.catchUp.historyFailed(id)) this.feed.historyFailed(id);
  }

  /** A share of catch-up work, asked for by the output `turn`. */
  turn(): void {
    beforeSync.reach();
    this.catchUp.turn();
  }

  private follow(events: boolean): void {
    this.follows = events;
    this.state.outputs.push({ kind: 'follow', events });
  }

  private session(connection: number, session: number): Session {
    let owner = this.state.connections.get(connection);
    if (owner === undefined) {
      owner = { id: connection, sessions: new Map(), congested: false, held: new Set() } satisfies Connection;
      this.state.connections.set(connection, owner);
    }
    let found = owner.sessions.get(session);
    if (found === undefined) {
      found = {
        id: session,
        connection: owner,
        watchers: new Map(),
        paused: false,
        unsynced: 0,
        progressWanted: undefined,
      } satisfies Session;
      owner.sessions.set(session, found);
    }
    return found;
  }

  private existing(connection: number, session: number): Session | undefined {
    return this.state.connections.get(connection)?.sessions.get(session);
  }

  private refuse(owner: Session, watchId: number, cancelReason: string): void {
    this.state.deliver({
      connection: owner.connection.id,
      targets: [{ session: owner.id, watchId }],
      events: [],
      revision: Math.max(this.state.live, 0),
      created: true,
      canceled: true,
      cancelReason,
    });
  }

  private ask(question: Asked): void {
    this.asked.push(question);
    this.readStatus();
  }

  /** One read serves all that was asked before it left; what comes later waits for the next. */
  private readStatus(): void {
    if (this.reading !== undefined || this.asked.length === 0 || this.state.live < 0) return;
    this.reading = this.asked;
    this.asked = [];
    this.state.outputs.push({ kind: 'readStatus' });
  }

  private created(watcher: Watcher, revision: number, compactRevision: number): void {
    if (watcher.state.at === 'gone') return;
    this.state.deliverTo(watcher, { revision, created: true });
    const { startRevision } = watcher;
    if (startRevision !== 0 && startRevision < compactRevision) {
      this.state.deliverTo(watcher, { revision: 0, canceled: true, compactRevision });
      this.remove(watcher);
    } else if (watcher.cancelRequested) {
      this.state.deliverTo(watcher, { revision, canceled: true });
      this.remove(watcher);
    } else this.place(watcher, startRevision === 0 ? revision + 1 : startRevision);
  }

  /** Puts a watcher where it belongs, given the next revision it needs. */
  private place(watcher: Watcher, next: number): void {
    const { state } = this;
    const { connection, paused } = watcher.owner;
    if (paused) state.setState(watcher, { at: 'held', next });
    else if (next > state.live + 1) {
      state.setState(watcher, { at: 'waiting', next });
      state.waiting.add(watcher, next);
    } else if (next === state.live + 1) state.joinLive(watcher);
    else if (connection.congested) {
      state.setState(watcher, { at: 'held', next });
      connection.held.add(watcher);
    } else this.catchUp.add(watcher, next);
  }

  private remove(watcher: Watcher): void {
    const { owner, group, state: before } = watcher;
    if (before.at === 'gone') return;
    if (before.at === 'live') group.live.remove(watcher);
    else if (before.at === 'held') owner.connection.held.delete(watcher);
    this.state.setState(watcher, GONE);
    if (before.at === 'catch-up') this.catchUp.remove(watcher, before.cohort);
    owner.watchers.delete(watcher.watchId);
    owner.unsynced -= 1;
    this.state.watchers -= 1;
    group.watchers -= 1;
    this.state.dropGroupIfEmpty(group);
  }

  private wantProgress(session: Session, revision: number): void {
    session.progressWanted = Math.max(session.progressWanted ?? 0, revision);
    this.state.progressWanted.add(session);
  }

  private answerProgress(): void {
    const { live, progressWanted } = this.state;
    if (progressWanted.size > 0) beforeProgress.reach();
    for (const session of progressWanted) {
      if (session.unsynced > 0 || live < (session.progressWanted ?? 0)) continue;
      const watchers = [...session.watchers.values()];
      if (watchers.some((watcher) => watcher.progressFrom > live)) continue;
      progressWanted.delete(session);
      session.progressWanted = undefined;
      if (watchers.length === 0) continue; // etcd says nothing to a stream without watchers
      this.state.deliver({
        connection: session.connection.id,
        targets: [{ session: session.id, watchId: WHOLE_SESSION }],
        events: [],
        revision: live,
        progress: true,
      });
    }
  }
}
