import { sameKv, type StoreModel } from './store-model';
import { type Change, inRange, type Kv } from './types';

export interface WatchEvent {
  readonly kind: 'put' | 'delete';
  /** Of a delete: the key and the revision that deleted it. */
  readonly kv: Kv;
  readonly prev?: Kv | undefined;
}

export type WatchMessage =
  | { readonly kind: 'created' | 'progress'; readonly revision: number }
  | { readonly kind: 'events'; readonly revision: number; readonly events: readonly WatchEvent[] }
  /** `compactRevision` 0: for another reason. */
  | { readonly kind: 'cancelled'; readonly compactRevision: number };

/** What one watch was told, from its creation to the end of its stream. */
export interface WatchRecord {
  readonly client: string;
  readonly key: string;
  readonly end?: string;
  /** 0: from now on. */
  readonly start: number;
  readonly prevKv: boolean;
  readonly messages: readonly WatchMessage[];
}

export interface WatchRules {
  readonly model: StoreModel;
  /** The highest revision that somebody asked to compact. */
  readonly compacted: number;
  /** The watch must have been told everything up to here; absent: its stream broke. */
  readonly reached?: number;
}

/** What is wrong with what a watch was told, or undefined. Complete, in order, nothing twice, a revision at a time. */
export function checkWatch(record: WatchRecord, rules: WatchRules): string | undefined {
  const problem = new WatchCheck(record, rules).run();
  if (problem === undefined) return undefined;
  const range = record.end === undefined ? record.key : `[${record.key}, ${record.end === '\0' ? '\\0' : record.end})`;
  return `watch of ${record.client} on ${range} from revision ${record.start}: ${problem}`;
}

class WatchCheck {
  /** All up to this revision has been told. */
  private told: number | undefined;
  private isOver = false;

  constructor(
    private readonly record: WatchRecord,
    private readonly rules: WatchRules,
  ) {
    if (record.start > 0) this.told = record.start - 1;
  }

  run(): string | undefined {
    const { messages } = this.record;
    for (const message of messages) {
      const problem = this.take(message);
      if (problem !== undefined) return problem;
    }
    const { reached } = this.rules;
    if (reached === undefined || this.isOver) return undefined;
    if (this.told === undefined) return 'it was never created';
    return this.missing(reached, 'the end');
  }

  private take(message: WatchMessage): string | undefined {
    if (this.isOver) return `${message.kind} after it was cancelled`;
    if (message.kind === 'created') {
      if (this.record.start === 0) this.told = message.revision;
      return undefined;
    }
    if (message.kind === 'cancelled') return this.cancelled(message.compactRevision);
    if (this.told === undefined) return `${message.kind} before it was created`;
    if (message.kind === 'events') return this.events(message.events, message.revision);
    // A progress notification may be told before a start revision that lies ahead.
    if (message.revision < this.told && this.record.start === 0)
      return `progress ${message.revision} after revision ${this.told} was told`;
    return this.missing(message.revision, `progress ${message.revision}`);
  }

  private cancelled(compactRevision: number): string | undefined {
    this.isOver = true;
    if (compactRevision === 0) return undefined;
    if (compactRevision > this.rules.compacted)
      return `cancelled for compaction ${compactRevision}, which nobody asked for`;
    if (this.told !== undefined && this.told + 1 >= compactRevision) {
      return `cancelled for compaction ${compactRevision}, but only revision ${this.told + 1} and later were left to tell`;
    }
    return undefined;
  }

  private events(events: readonly WatchEvent[], header: number): string | undefined {
    if (events.length === 0) return 'a message without events';
    for (let at = 0; at < events.length; ) {
      const revision = (events[at] as WatchEvent).kv.mod; // at is within
      let next = at;
      while (next < events.length && events[next]?.kv.mod === revision) next += 1;
      const problem = this.revision(revision, events.slice(at, next), header);
      if (problem !== undefined) return problem;
      at = next;
    }
    return undefined;
  }

  private revision(revision: number, events: readonly WatchEvent[], header: number): string | undefined {
    const told = this.told as number; // the watch was created
    if (revision <= told) return `revision ${revision} again, or out of order: ${told} had been told`;
    if (revision > header) return `revision ${revision} in a message of revision ${header}`;
    if (revision > this.rules.model.revision) return `revision ${revision}, which nobody made`;
    const gap = this.missing(revision - 1, `revision ${revision}`);
    if (gap !== undefined) return gap;
    const expected = this.changes(revision);
    if (expected.length !== events.length) {
      return `revision ${revision} with ${events.length} events in one message, but it had ${expected.length}`;
    }
    for (const { key, kv } of expected) {
      const event = events.find((one) => one.kv.key === key);
      if (event === undefined) return `revision ${revision} without ${key}`;
      const problem = this.event(event, kv, revision);
      if (problem !== undefined) return problem;
    }
    this.told = revision;
    return undefined;
  }

  private event(event: WatchEvent, kv: Kv | undefined, revision: number): string | undefined {
    if ((event.kind === 'delete') !== (kv === undefined))
      return `revision ${revision}: ${event.kind} of ${event.kv.key}`;
    if (kv !== undefined && !sameKv(kv, event.kv))
      return `revision ${revision}: ${event.kv.key} is not what was written`;
    const prev = this.record.prevKv ? this.rules.model.get(event.kv.key, revision - 1) : undefined;
    // etcd leaves out what was compacted away.
    if (event.prev === undefined && (prev === undefined || this.rules.compacted >= prev.mod)) return undefined;
    return sameKv(prev, event.prev) ? undefined : `revision ${revision}: the previous ${event.kv.key} is another`;
  }

  /** Complains if something up to `until` was not told. */
  private missing(until: number, before: string): string | undefined {
    let told = this.told as number; // the watch was created
    for (; told < Math.min(until, this.rules.model.revision); told++) {
      if (this.changes(told + 1).length > 0) return `revision ${told + 1} is missing before ${before}`;
    }
    this.told = told;
    return undefined;
  }

  private changes(revision: number): readonly Change[] {
    const { key, end } = this.record;
    return this.rules.model.changesOf(revision).filter((change) => inRange(change.key, key, end));
  }
}
