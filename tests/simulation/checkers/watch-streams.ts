import type { Truth } from '../cluster/truth';
import { Violation } from '../cluster/violation';

export interface WatchedEvent {
  readonly key: string;
  readonly value: string | undefined;
  readonly revision: number;
}

/** What one watcher is sent, held against the history: complete, in order, nothing twice, nothing from before its start. */
export class WatchStream {
  /** Everything before this revision has been delivered; 0: not known yet. */
  next = 0;
  delivered = 0;

  constructor(
    private readonly truth: Truth,
    readonly name: string,
    readonly prefix: string,
  ) {}

  /** The watcher begins (or goes on) after what it has. */
  begins(next: number): void {
    this.next = next;
  }

  /** One delivery. */
  events(events: readonly WatchedEvent[]): void {
    for (let from = 0; from < events.length; ) {
      const { revision } = events[from] as WatchedEvent;
      let to = from;
      while (to < events.length && (events[to] as WatchedEvent).revision === revision) to++;
      this.revision(revision, events.slice(from, to));
      from = to;
    }
  }

  /** The hub says that everything up to `revision` has been sent. */
  promised(revision: number, what: string): void {
    if (revision < this.next) return;
    this.expectNothing(revision, what);
    this.next = revision + 1;
  }

  private revision(revision: number, events: readonly WatchedEvent[]): void {
    if (revision < this.next) {
      throw new Violation(
        'watch order',
        `${this.name} was sent revision ${revision} again, or out of order (next: ${this.next})`,
      );
    }
    this.expectNothing(revision - 1, `revision ${revision}`);
    const wanted = this.wanted(revision);
    const isSame =
      wanted.length === events.length &&
      wanted.every(({ key, value }, i) => events[i]?.key === key && events[i]?.value === value);
    if (!isSame) {
      const text = `${this.name} was sent ${JSON.stringify(events)} for revision ${revision}, which is ${JSON.stringify(wanted)}`;
      throw new Violation('watch completeness', text);
    }
    this.next = revision + 1;
    this.delivered += events.length;
  }

  private expectNothing(until: number, before: string): void {
    for (let revision = this.next; revision <= until; revision++) {
      if (this.wanted(revision).length === 0) continue;
      throw new Violation('watch completeness', `${this.name} did not get revision ${revision} before ${before}`);
    }
  }

  private wanted(revision: number): readonly { readonly key: string; readonly value: string | undefined }[] {
    return this.truth.changesOf(revision).filter(({ key }) => key.startsWith(this.prefix));
  }
}
