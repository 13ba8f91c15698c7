import type { KeptRange } from '../interval-tree';
import { acquireWriter } from '../wire';
import type { SharedEvent } from './event';
import type { Target } from './types';

const TAG_TARGETS = 0x0a;
const TAG_SESSION = 0x08;
const TAG_WATCH_ID = 0x10;

/** Where deliveries go: one proxy's stream. */
export interface Receiver {
  readonly id: number;
  /** The proxy does not drain: no catch-up is added to what waits for it. */
  congested: boolean;
}

/** What a watcher is to its group. */
export interface Member extends Target {
  readonly owner: { readonly connection: Receiver };
  /** Position in its target set, for removal in one step. */
  slot: number;
}

/** Watchers of one connection that get the same deliveries; their encoded form is kept until the set changes. */
export class TargetSet<W extends Member> {
  readonly watchers: W[];
  private encodedForm: Uint8Array | undefined;
  private frozen: readonly W[] | undefined;

  /** Most sets have one watcher: an array that begins with it takes an eighth of what one that grows to it takes. */
  constructor(
    readonly connection: Receiver,
    first: W,
  ) {
    first.slot = 0;
    this.watchers = [first];
  }

  add(watcher: W): void {
    watcher.slot = this.watchers.length;
    this.watchers.push(watcher);
    this.changed();
  }

  remove(watcher: W): void {
    const last = this.watchers.pop() as W; // the set holds at least `watcher`
    if (last !== watcher) {
      this.watchers[watcher.slot] = last;
      last.slot = watcher.slot;
    }
    this.changed();
  }

  /** The set as it is now, for a delivery: it stays so when the set changes. */
  get snapshot(): readonly W[] {
    this.frozen ??= this.watchers.slice();
    return this.frozen;
  }

  /** A hexad.HubTargets. */
  get encoded(): Uint8Array {
    this.encodedForm ??= encodeTargets(this.watchers);
    return this.encodedForm;
  }

  private changed(): void {
    this.encodedForm = undefined;
    this.frozen = undefined;
  }
}

export function encodeTargets(targets: readonly { session: number; watchId: number }[]): Uint8Array {
  const writer = acquireWriter(); // writes from the last field to the first
  for (let i = targets.length - 1; i >= 0; i -= 1) {
    const target = targets[i] as { session: number; watchId: number };
    const before = writer.length;
    if (target.watchId !== 0) {
      writer.int64(target.watchId);
      writer.uint32(TAG_WATCH_ID);
    }
    if (target.session !== 0) {
      writer.int64(target.session);
      writer.uint32(TAG_SESSION);
    }
    writer.endMessage(before, TAG_TARGETS);
  }
  return writer.finish();
}

/** Shared by all that are empty: most groups have neither cohorts nor pending events, and there may be a million. */
const NOBODY: never[] = [];

/** Watchers by connection: few, since a connection is a proxy. */
export class Members<W extends Member> {
  private sets: TargetSet<W>[] = NOBODY;
  private count = 0;

  get size(): number {
    return this.count;
  }

  get targetSets(): readonly TargetSet<W>[] {
    return this.sets;
  }

  add(watcher: W): void {
    const { connection } = watcher.owner;
    this.count += 1;
    const targets = this.sets.find((set) => set.connection === connection);
    if (targets !== undefined) targets.add(watcher);
    else if (this.sets === NOBODY) this.sets = [new TargetSet<W>(connection, watcher)];
    else this.sets.push(new TargetSet<W>(connection, watcher));
  }

  remove(watcher: W): void {
    const { connection } = watcher.owner;
    const at = this.sets.findIndex((set) => set.connection === connection);
    const targets = this.sets[at] as TargetSet<W>; // a member's connection has a set
    targets.remove(watcher);
    this.count -= 1;
    if (targets.watchers.length > 0) return;
    if (this.sets.length === 1) this.sets = NOBODY;
    else this.sets.splice(at, 1);
  }

  /** A copy, so that watchers may move while it is read. */
  list(): W[] {
    return this.sets.flatMap((targets) => targets.watchers);
  }
}

/** Watchers of one group that are behind and need the same next revision: they share every read and every payload. */
export interface Cohort<W extends Member> {
  readonly group: Group<W>;
  readonly members: Members<W>;
  next: number;
  /** Id of the history read under way; 0: none. */
  request: number;
  chunks: number;
  queued: boolean;
}

const NOTHING: Uint8Array[] = [];

/** All watchers with the same range, filters and options: one match and one payload for all of them. */
export class Group<W extends Member> {
  readonly live = new Members<W>();
  private cohortsByNext: Map<number, Cohort<W>> | undefined;
  /** All watchers in whatever state: the group ends with the last. */
  watchers = 0;
  /** Deliveries made to the live members so far; tells whether a watcher was quiet between two looks. */
  deliveries = 0;
  /** Encoded events matched and not yet delivered. */
  private pending = NOTHING;
  private pendingRevision = 0;
  private revisionStart = 0;

  constructor(
    readonly range: KeptRange,
    readonly noPut: boolean,
    readonly noDelete: boolean,
    readonly prevKv: boolean,
  ) {}

  /** By the next revision they need. */
  get cohorts(): Map<number, Cohort<W>> {
    this.cohortsByNext ??= new Map();
    return this.cohortsByNext;
  }

  get hasPending(): boolean {
    return this.pending.length > 0;
  }

  wants(event: SharedEvent): boolean {
    return event.isDelete ? !this.noDelete : !this.noPut;
  }

  collect(revision: number, event: SharedEvent): void {
    if (revision !== this.pendingRevision) {
      this.pendingRevision = revision;
      this.revisionStart = this.pending.length;
    }
    if (this.pending === NOTHING) this.pending = [];
    this.pending.push(event.encoded(this.prevKv));
  }

  /** Takes back what was collected of `revision`: its events go out together or not at all. */
  uncollect(revision: number): void {
    if (revision === this.pendingRevision && this.hasPending) this.pending.length = this.revisionStart;
  }

  takePending(): Uint8Array[] {
    const taken = this.pending;
    this.pending = NOTHING;
    this.revisionStart = 0;
    this.pendingRevision = 0;
    return taken;
  }
}
