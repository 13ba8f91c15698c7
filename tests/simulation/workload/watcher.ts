import { decodeEventField } from '../../../libs/watch-core/testing/wire';
import type { Delivery } from '../../../services/proxy/watch/delivery';
import type { HubSession, SessionOwner, WatchSpec } from '../../../services/proxy/watch/hub-session';
import { type WatchedEvent, WatchStream } from '../checkers/watch-streams';
import type { Edge } from '../cluster/edge-process';
import type { Member } from '../cluster/member';
import { latin1 } from '../cluster/truth';
import { Violation } from '../cluster/violation';
import { SimProcess } from '../world/process';
import type { ClientSide } from './client';

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1');
const MOVE_MS = 60_000;
const PROGRESS_MS = 5_000;

export interface WatchTotals {
  events: number;
  progress: number;
  compacted: number;
  resumed: number;
}

/** Watches a prefix for ever: goes on elsewhere when its member fails, moves to another one now and then. */
export class Watcher {
  private readonly process: SimProcess;
  private readonly stream: WatchStream;
  private attempt = 0;
  private session: HubSession | undefined;
  private edge: Edge | undefined;

  constructor(
    name: string,
    prefix: string,
    private readonly side: ClientSide,
    private readonly totals: WatchTotals,
  ) {
    this.process = new SimProcess(side.machine, name);
    this.stream = new WatchStream(side.cluster.truth, name, prefix);
  }

  get next(): number {
    return this.stream.next;
  }

  start(): void {
    const { world } = this.side.cluster;
    world.after(world.random.next() * 1_000, this.process, () => this.connect());
    world.after(PROGRESS_MS, this.process, () => this.askProgress());
  }

  /** Once everything has come to rest: all there is has been delivered. */
  checkEnd(): void {
    const { truth } = this.side.cluster;
    this.stream.promised(truth.revision, 'the end');
  }

  private connect(): void {
    const { members, world, truth } = this.side.cluster;
    const attempt = ++this.attempt;
    const member = world.random.pick(members.filter(({ edge }) => edge !== undefined));
    if (member?.edge === undefined) {
      world.after(200, this.process, () => this.connect());
      return;
    }
    const { edge } = member;
    member.edgeWaiters.add(() => this.broken(attempt));
    if (this.next === 0) this.drawStart(truth.revision);
    world.after(0.1, edge.process, () => this.open(edge, member, attempt));
    world.after(MOVE_MS * (0.5 + world.random.next()), this.process, () => this.move(attempt));
  }

  /** From now, from the past, or from a revision that does not exist yet. */
  private drawStart(revision: number): void {
    const { random } = this.side.cluster.world;
    const luck = random.next();
    if (luck < 0.5) this.stream.begins(Math.max(1, revision - random.below(200)));
    else if (luck < 0.7) this.stream.begins(revision + 1 + random.below(40));
  }

  private open(edge: Edge, member: Member, attempt: number): void {
    if (attempt !== this.attempt) return;
    this.edge = edge;
    this.session = edge.hub.openSession(this.owner(member, attempt));
    const last = this.stream.prefix.charCodeAt(this.stream.prefix.length - 1);
    const rangeEnd = this.stream.prefix.slice(0, -1) + String.fromCharCode(last + 1);
    const spec: WatchSpec = {
      key: bytes(this.stream.prefix),
      rangeEnd: bytes(rangeEnd),
      startRevision: this.next,
      progressNotify: false,
      noPut: false,
      noDelete: false,
      prevKv: this.side.cluster.world.random.chance(0.5),
    };
    if (this.next > 0) this.totals.resumed++;
    this.session.create(spec, 1, false);
  }

  private owner(member: Member, attempt: number): SessionOwner {
    const isCurrent = (): boolean => attempt === this.attempt;
    return {
      onCreated: (_, { content }) => {
        if (isCurrent() && this.next === 0) this.stream.begins(content.revision + 1);
      },
      onCanceled: (_, { content }) => {
        if (isCurrent()) this.canceled(member, content.compactRevision, content.cancelReason);
      },
      onEvents: (_, delivery) => {
        if (isCurrent()) this.take(delivery);
      },
      onProgress: (_, { content }) => {
        if (!isCurrent()) return;
        this.totals.progress++;
        this.stream.promised(content.revision, `the promise of revision ${content.revision}`);
      },
      onCanceledByLoss: () => undefined,
    };
  }

  private take({ content }: Delivery): void {
    const events = content.events.map(watchedEvent);
    this.totals.events += events.length;
    this.stream.events(events);
    this.stream.promised(content.revision, `the header's revision ${content.revision}`);
  }

  /** Only a compaction may end it; what it has missed by that it has missed. */
  private canceled(member: Member, compactRevision: number, reason: string): void {
    const { truth, world } = this.side.cluster;
    if (compactRevision === 0 || compactRevision > truth.compactRevision || compactRevision <= this.next) {
      const text = `${member.name} ended a watch from ${this.next} with compact revision ${compactRevision} (${reason})`;
      throw new Violation('watch completeness', `${text}, the log has compacted ${truth.compactRevision}`);
    }
    this.totals.compacted++;
    this.attempt++;
    this.session = undefined;
    // Exactly at the compacted revision: it is still there.
    this.stream.begins(compactRevision);
    world.after(10, this.process, () => this.connect());
  }

  private broken(attempt: number): void {
    if (attempt !== this.attempt) return;
    const { world } = this.side.cluster;
    this.session = undefined;
    this.attempt++;
    world.after(50 + world.random.next() * 500, this.process, () => this.connect());
  }

  private move(attempt: number): void {
    if (attempt !== this.attempt || this.side.isOver) return;
    const { session, edge } = this;
    this.attempt++;
    this.session = undefined;
    if (session !== undefined && edge !== undefined) {
      this.side.cluster.world.after(0.1, edge.process, () => edge.hub.closeSession(session));
    }
    // As another client would: from now, from long ago (which may be compacted), or from a revision still to come.
    if (this.side.cluster.world.random.chance(0.4)) this.stream.begins(0);
    this.connect();
  }

  private askProgress(): void {
    const { world } = this.side.cluster;
    const { session, edge } = this;
    if (session !== undefined && edge !== undefined) {
      world.after(0.1, edge.process, () => {
        if (session === this.session) session.requestProgress();
      });
    }
    world.after(PROGRESS_MS * (0.5 + world.random.next()), this.process, () => this.askProgress());
  }
}

function watchedEvent(field: Uint8Array): WatchedEvent {
  const { type, kv } = decodeEventField(field);
  if (kv === undefined) throw new Violation('watch completeness', 'an event without a key');
  const value = type === 1 ? undefined : latin1(kv.value);
  return { key: latin1(kv.key), value, revision: Number(kv.modRevision) };
}
