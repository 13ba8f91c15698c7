import type { KeyRange } from '../interval-tree';
import { acquireWriter } from '../wire';
import type { SharedEvent } from './event';
import type { Watcher } from './watcher';

const TAG_TARGETS = 0x0a;
const TAG_SESSION = 0x08;
const TAG_WATCH_ID = 0x10;

/** Watchers of one connection that get the same deliveries; their encoded form is kept until the set changes. */
export class TargetSet {
  readonly watchers: Watcher[] = [];
  private encodedForm: Uint8Array | undefined;

  add(watcher: Watcher): void {
    watcher.slot = this.watchers.length;
    this.watchers.push(watcher);
    this.encodedForm = undefined;
  }

  remove(watcher: Watcher): void {
    const last = this.watchers.pop() as Watcher; // the set holds at least `watcher`
    if (last !== watcher) {
      this.watchers[watcher.slot] = last;
      last.slot = watcher.slot;
    }
    this.encodedForm = undefined;
  }

  /** `targets` fields of hexad.HubDelivery. */
  get encoded(): Uint8Array {
    this.encodedForm ??= encodeTargets(this.watchers);
    return this.encodedForm;
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

/** Watchers by connection. */
export class Members {
  readonly byConnection = new Map<number, TargetSet>();
  private count = 0;

  get size(): number {
    return this.count;
  }

  add(watcher: Watcher): void {
    const connection = watcher.owner.connection.id;
    let targets = this.byConnection.get(connection);
    if (targets === undefined) {
      targets = new TargetSet();
      this.byConnection.set(connection, targets);
    }
    targets.add(watcher);
    this.count += 1;
  }

  remove(watcher: Watcher): void {
    const connection = watcher.owner.connection.id;
    const targets = this.byConnection.get(connection) as TargetSet; // a member's connection has a set
    targets.remove(watcher);
    if (targets.watchers.length === 0) this.byConnection.delete(connection);
    this.count -= 1;
  }

  /** A copy, so that watchers may move while it is read. */
  list(): Watcher[] {
    const all: Watcher[] = [];
    for (const targets of this.byConnection.values()) all.push(...targets.watchers);
    return all;
  }
}

/** Watchers of one group that are behind and need the same next revision: they share every read and every payload. */
export interface Cohort {
  readonly group: Group;
  readonly members: Members;
  next: number;
  /** Id of the history read under way; 0: none. */
  request: number;
  chunks: number;
  queued: boolean;
}

/** All watchers with the same range, filters and options: one match and one payload for all of them. */
export class Group {
  readonly live = new Members();
  readonly cohorts = new Map<number, Cohort>();
  /** All watchers in whatever state: the group ends with the last. */
  watchers = 0;
  /** Deliveries made to the live members so far; tells whether a watcher was quiet between two looks. */
  deliveries = 0;
  /** Encoded events matched and not yet delivered. */
  pending: Uint8Array[] = [];
  pendingBytes = 0;
  private pendingRevision = 0;
  private revisionStart = 0;

  constructor(
    readonly range: KeyRange,
    readonly noPut: boolean,
    readonly noDelete: boolean,
    readonly prevKv: boolean,
  ) {}

  wants(event: SharedEvent): boolean {
    return event.isDelete ? !this.noDelete : !this.noPut;
  }

  collect(revision: number, event: SharedEvent): void {
    if (revision !== this.pendingRevision) {
      this.pendingRevision = revision;
      this.revisionStart = this.pending.length;
    }
    const encoded = event.encoded(this.prevKv);
    this.pending.push(encoded);
    this.pendingBytes += encoded.length;
  }

  /** Takes back what was collected of `revision`: its events go out together or not at all. */
  uncollect(revision: number): void {
    if (revision === this.pendingRevision) this.pending.length = this.revisionStart;
  }

  takePending(): Uint8Array[] {
    const taken = this.pending;
    this.pending = [];
    this.pendingBytes = 0;
    this.revisionStart = 0;
    this.pendingRevision = 0;
    return taken;
  }
}
