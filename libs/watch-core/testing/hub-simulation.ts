import { bytesToMapKey, type KeyRange, parseKeyRange, rangeContains } from '../../interval-tree';
import { decodeEvent, type Event } from '../../../proto/gen/mvccpb';
import { decodeEventField, describeOutput, encodeKeyValueForTest, overTheWire } from './wire';
import {
  type Delivery,
  type HistoryRequest,
  type KeyEvent,
  type LiveBatch,
  type Revision,
  WatchCore,
  type WatchCreate,
  type WatchLimits,
  WHOLE_SESSION,
} from '..';

/** What one watcher has been sent, in order. */
export interface Stream {
  readonly connection: number;
  readonly session: number;
  readonly create: WatchCreate;
  created: boolean;
  /** Its connection broke: it has been registered anew and the client is not told of it. */
  resuming: boolean;
  /** The store's revision when it was asked for. */
  readonly askedAt: number;
  /** Header revision of the created answer. */
  createdAt: number;
  canceled: boolean;
  compactRevision: number;
  readonly events: Event[];
  /** The greatest revision that the hub promised to have sent everything up to. */
  promised: number;
}

export interface SimulationOptions {
  /** Live events carry the value before. */
  readonly livePrevious: boolean;
  /** Storage claims to have sent what it did not send while nobody watched: a defect that the checks must notice. */
  readonly hidesWhatWasNotSent?: true;
  /** Storage sends events whether the hub wants them or not, as one of an older version would. */
  readonly alwaysSends?: true;
}

interface OpenRead {
  readonly request: HistoryRequest;
  next: number;
}

interface StoredRevision extends Revision {
  /** Each event's prev_kv as history would tell it. */
  readonly previous: readonly (Uint8Array | undefined)[];
}

const keyName = (key: number): Uint8Array => new TextEncoder().encode(`k${key}`);

/**
 * A store and its feeds around a WatchCore, all in memory: messages may be lost, repeated or late, reads come in small
 * chunks, and nothing happens unless the test says so.
 */
export class HubSimulation {
  readonly core: WatchCore;
  readonly streams = new Map<string, Stream>();
  readonly history: StoredRevision[] = [];
  readonly progress: { connection: number; session: number; watchId: number; revision: number }[] = [];
  /** What the hub asked for and sent, a line each. */
  readonly trace: string[] = [];
  historyReads = 0;
  statusReads = 0;
  revision = 1;
  compactRevision = 0;
  private readonly latest = new Map<string, { kv: Uint8Array; revision: number }>();
  private readonly reads = new Map<number, OpenRead>();
  /** What the hub has asked of the feed, and storage has not heard yet. */
  private wishes: boolean[] = [];
  /** Storage sends events to the hub. */
  private sendsEvents = false;
  private statusAsked = false;
  private turnAsked = false;
  private published = 1;

  constructor(
    limits: WatchLimits,
    private readonly options: SimulationOptions = { livePrevious: false },
  ) {
    this.core = new WatchCore(limits);
  }

  /** Applies one write transaction: a put or a deletion per key; deletions of missing keys change nothing. */
  write(changes: readonly { key: number; remove: boolean }[]): void {
    const revision = this.revision + 1;
    const events: KeyEvent[] = [];
    const previous: (Uint8Array | undefined)[] = [];
    const seen = new Set<number>();
    for (const { key, remove } of changes) {
      const name = keyName(key);
      const id = bytesToMapKey(name);
      const before = this.latest.get(id);
      if (seen.has(key) || (remove && before === undefined)) continue;
      seen.add(key);
      const kv = encodeKeyValueForTest(name, revision, remove ? '' : `${key}@${revision}`);
      const prevKv = this.options.livePrevious ? (before?.kv ?? new Uint8Array(0)) : new Uint8Array(0);
      events.push({ key: name, isDelete: remove, kv, previousRevision: before?.revision ?? 0, prevKv });
      previous.push(before?.kv);
      if (remove) this.latest.delete(id);
      else this.latest.set(id, { kv, revision });
    }
    if (events.length === 0) return;
    this.revision = revision;
    this.history.push({ revision, events, previous });
  }

  compact(revision: number): void {
    if (revision > this.compactRevision && revision <= this.revision) this.compactRevision = revision;
  }

  /** The oldest request about the feed reaches storage, which answers with its revision. */
  hearWish(): boolean {
    const wish = this.wishes.shift();
    if (wish === undefined) return false;
    this.sendsEvents = wish;
    this.published = this.revision;
    if (this.options.hidesWhatWasNotSent !== true) this.heartbeat();
    return true;
  }

  /** The link to storage breaks and comes back: it starts with what the hub wants now. */
  reconnect(): void {
    this.wishes = [this.core.followsEvents];
    this.hearWish();
  }

  /** Sends what was written since the last message; `lost`: the message does not arrive. An idle hub gets nothing. */
  publish(options: { lost?: boolean; repeat?: boolean } = {}): void {
    if (!this.sendsEvents && this.options.alwaysSends !== true) return;
    const revisions = this.history.filter((item) => item.revision > this.published);
    const hides = this.options.hidesWhatWasNotSent === true;
    const previous = hides ? this.core.counters.liveRevision : this.published;
    const batch = this.batch(previous, revisions);
    this.published = this.revision;
    if (options.lost === true) return;
    this.core.events(batch);
    this.pump();
    if (options.repeat !== true) return;
    this.core.events(batch);
    this.pump();
  }

  heartbeat(): void {
    this.core.events(this.batch(this.published, []));
    this.pump();
  }

  create(connection: number, session: number, create: WatchCreate): Stream {
    const stream: Stream = {
      connection,
      session,
      create,
      created: false,
      resuming: false,
      askedAt: this.revision,
      createdAt: 0,
      canceled: false,
      compactRevision: 0,
      events: [],
      promised: 0,
    };
    this.streams.set(streamId(connection, session, create.watchId), stream);
    this.core.create(connection, session, create, this.revision);
    this.pump();
    return stream;
  }

  /** The client's stream ends: its watchers are not looked at any more. */
  endSession(connection: number, session: number): void {
    this.core.endSession(connection, session);
    for (const [id, stream] of this.streams) {
      if (stream.connection === connection && stream.session === session) this.streams.delete(id);
    }
    this.pump();
  }

  /** A proxy is lost and comes back: it asks anew for all it had, from where each has got to. */
  disconnect(connection: number): void {
    this.core.connectionClosed(connection);
    this.pump();
    for (const stream of this.streams.values()) {
      if (stream.connection !== connection || stream.canceled) continue;
      const { create, created, createdAt, promised, session } = stream;
      const first = create.startRevision === 0 ? createdAt + 1 : create.startRevision;
      stream.resuming = created;
      const startRevision = created ? Math.max(first, promised + 1) : create.startRevision;
      this.core.create(connection, session, { ...create, startRevision, resumed: created }, this.revision);
    }
    this.pump();
  }

  /** `behind`: a member answers that has not applied the last revisions yet. */
  answerStatus(behind = 0): boolean {
    if (!this.statusAsked) return false;
    this.statusAsked = false;
    this.core.status(Math.max(1, this.compactRevision, this.revision - behind), this.compactRevision);
    this.pump();
    return true;
  }

  failStatus(): void {
    if (!this.statusAsked) return;
    this.statusAsked = false;
    this.core.statusFailed();
    this.pump();
  }

  takeTurn(): boolean {
    if (!this.turnAsked) return false;
    this.turnAsked = false;
    this.core.turn();
    this.pump();
    return true;
  }

  /** Serves the next chunk of one open read. */
  serveRead(chunkRevisions: number, pick = 0): boolean {
    const read = this.pickRead(pick);
    if (read === undefined) return false;
    const { request } = read;
    if (read.next < this.compactRevision) {
      this.reads.delete(request.id);
      this.core.historyCompacted(request.id, this.compactRevision);
      this.pump();
      return true;
    }
    const range = requestRange(request);
    const matching = this.history.filter((item) => item.revision >= read.next && item.revision <= request.to);
    const wanted = matching.flatMap((item) => filterRevision(item, range, request.prevKv));
    const chunk = wanted.slice(0, chunkRevisions);
    const done = chunk.length === wanted.length;
    const coveredTo = done ? request.to : (chunk.at(-1) as Revision).revision; // not done: the chunk is not empty
    read.next = coveredTo + 1;
    if (done) this.reads.delete(request.id);
    this.waitingForMore.add(request.id);
    this.core.history(request.id, chunk, coveredTo, done);
    this.pump();
    return true;
  }

  failRead(pick: number): void {
    const read = this.pickRead(pick);
    if (read === undefined) return;
    this.reads.delete(read.request.id);
    this.core.historyFailed(read.request.id);
    this.pump();
  }

  /** Lets everything finish that is under way. */
  settle(): void {
    this.publish();
    this.heartbeat();
    for (let i = 0; i < 100_000; i += 1) {
      const worked = this.hearWish() || this.answerStatus() || this.serveRead(3) || this.takeTurn();
      if (!worked) return;
    }
    throw new Error('the hub does not come to rest');
  }

  pump(): void {
    for (const output of this.core.takeOutputs()) {
      this.trace.push(describeOutput(output));
      if (output.kind === 'deliver') this.receive(output.delivery);
      else if (output.kind === 'readStatus') {
        if (this.statusAsked) throw new Error('two status reads at once');
        this.statusAsked = true;
        this.statusReads += 1;
      } else if (output.kind === 'turn') this.turnAsked = true;
      else if (output.kind === 'readHistory') {
        this.historyReads += 1;
        this.reads.set(output.request.id, { request: output.request, next: output.request.from });
      } else if (output.kind === 'cancelHistory') this.reads.delete(output.id);
      else if (output.kind === 'follow') this.wishes.push(output.events);
      else this.waitingForMore.delete(output.id);
    }
  }

  private readonly waitingForMore = new Set<number>();

  private pickRead(pick: number): OpenRead | undefined {
    const open = [...this.reads.values()].filter((read) => !this.waitingForMore.has(read.request.id));
    return open[pick % Math.max(open.length, 1)];
  }

  private batch(previousRevision: number, revisions: readonly Revision[]): LiveBatch {
    return {
      previousRevision,
      revisions,
      currentRevision: this.revision,
      compactRevision: this.compactRevision,
      bytes: 100 * revisions.length,
    };
  }

  /** Checks on the way: created first, nothing after a cancellation, whole revisions in ascending order. */
  private receive(delivery: Delivery): void {
    const wire = overTheWire(delivery);
    for (const target of wire.targets) {
      const { session, watchId } = target;
      if (delivery.progress === true)
        this.progress.push({ connection: delivery.connection, session, watchId, revision: wire.revision });
      if (watchId === WHOLE_SESSION) {
        for (const stream of this.streams.values()) {
          if (stream.connection === delivery.connection && stream.session === session)
            this.promise(stream, wire.revision);
        }
        continue;
      }
      const stream = this.streams.get(streamId(delivery.connection, session, watchId));
      if (stream === undefined) throw new Error('a delivery for an unknown watcher');
      if (stream.canceled) throw new Error('a delivery after the cancellation');
      if (delivery.created === true) {
        if (stream.created && !stream.resuming) throw new Error('created twice');
        stream.resuming = false;
        if (stream.created) continue;
        stream.created = true;
        stream.createdAt = wire.revision;
        if (wire.revision < stream.askedAt) throw new Error('created at a revision from before it was asked for');
      } else if (!stream.created) throw new Error('a delivery before the creation');
      for (const bytes of wire.events) stream.events.push(decodeEventField(bytes));
      if (wire.events.length > 0 || delivery.progress === true) {
        this.promise(stream, wire.revision);
      }
      if (delivery.canceled === true) {
        stream.canceled = true;
        stream.compactRevision = wire.compactRevision;
      }
    }
  }

  /** An answer with revision R says that everything up to R has been sent. */
  private promise(stream: Stream, revision: number): void {
    if (stream.canceled) return;
    if (revision < stream.promised) throw new Error('the revision went back');
    stream.promised = revision;
    const due = this.expected(stream, revision).length;
    if (stream.events.length !== due) throw new Error(`${due} events promised, ${stream.events.length} sent`);
  }

  /** The slow twin: what a watcher must have got, by filtering the whole history. */
  expected(stream: Stream, upTo: number): Event[] {
    const { create } = stream;
    const range = parseKeyRange(create.key, create.rangeEnd) as KeyRange; // tests make valid ranges
    const from = create.startRevision === 0 ? stream.createdAt + 1 : create.startRevision;
    const events: Event[] = [];
    for (const item of this.history) {
      if (item.revision < from || item.revision > upTo) continue;
      item.events.forEach((event, i) => {
        if (!rangeContains(range, event.key) || (event.isDelete ? create.noDelete : create.noPut)) return;
        const previous = create.prevKv ? item.previous[i] : undefined;
        events.push(expectedEvent(event, previous));
      });
    }
    return events;
  }
}

export function streamId(connection: number, session: number, watchId: number): string {
  return `${connection}/${session}/${watchId}`;
}

function requestRange(request: HistoryRequest): KeyRange {
  if (request.key.length === 0 && request.rangeEnd.length === 0) {
    return { kind: 'range', begin: new Uint8Array([0]), end: undefined };
  }
  return parseKeyRange(request.key, request.rangeEnd) as KeyRange; // the core asks for valid ranges
}

function filterRevision(item: StoredRevision, range: KeyRange, prevKv: boolean): Revision[] {
  const events: KeyEvent[] = [];
  item.events.forEach((event, i) => {
    if (!rangeContains(range, event.key)) return;
    events.push({ ...event, prevKv: (prevKv ? item.previous[i] : undefined) ?? new Uint8Array(0) });
  });
  return events.length === 0 ? [] : [{ revision: item.revision, events }];
}

function expectedEvent(event: KeyEvent, previous: Uint8Array | undefined): Event {
  const parts = [event.isDelete ? [0x08, 1] : [], [0x12, event.kv.length, ...event.kv]];
  if (previous !== undefined) parts.push([0x1a, previous.length, ...previous]);
  return decodeEvent(new Uint8Array(parts.flat()));
}
