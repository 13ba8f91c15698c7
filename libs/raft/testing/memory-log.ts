import { entryBytes } from '../entry-size';
import type { LogEntry, LogIndex, LogStorage, Term } from '../types';

/** The host's log storage, all in memory. */
export class MemoryLog implements LogStorage {
  private held: LogEntry[] = [];
  /** Entries at or below this index are "on disk only": asking for them gives undefined. */
  coldUpTo: LogIndex = 0;
  coldReads = 0;

  constructor(
    private baseIndex: LogIndex = 0,
    private baseTerm: Term = 0,
    entries: readonly LogEntry[] = [],
  ) {
    this.held = [...entries];
  }

  get firstIndex(): LogIndex {
    return this.baseIndex + 1;
  }

  get lastIndex(): LogIndex {
    return this.baseIndex + this.held.length;
  }

  term(index: LogIndex): Term | undefined {
    return index === this.baseIndex ? this.baseTerm : this.held[index - this.baseIndex - 1]?.term;
  }

  entries(lo: LogIndex, hi: LogIndex, maxBytes: number): LogEntry[] | undefined {
    if (lo <= this.coldUpTo) {
      this.coldReads++;
      return undefined;
    }
    const from = lo - this.firstIndex;
    let end = from;
    for (let bytes = 0; end < hi - this.firstIndex; end++) {
      bytes += entryBytes(this.held[end] as LogEntry);
      if (bytes > maxBytes && end > from) break;
    }
    return this.held.slice(from, end);
  }

  /** For checkers, which see what is on disk only too. */
  at(index: LogIndex): LogEntry | undefined {
    return this.held[index - this.firstIndex];
  }

  /** Entries replace everything from the first one's index on. */
  append(entries: readonly LogEntry[]): void {
    const [first] = entries;
    if (first === undefined) return;
    if (first.index <= this.baseIndex || first.index > this.lastIndex + 1) {
      throw new Error(`append at ${first.index} leaves a gap in ${this.firstIndex}–${this.lastIndex}`);
    }
    if (first.index <= this.lastIndex) this.held.length = first.index - this.firstIndex;
    for (const entry of entries) this.held.push(entry);
  }

  compact(index: LogIndex): void {
    const term = this.term(index);
    if (index <= this.baseIndex || term === undefined) return;
    this.held = this.held.slice(index - this.baseIndex);
    this.baseIndex = index;
    this.baseTerm = term;
  }

  reset(index: LogIndex, term: Term): void {
    this.held = [];
    this.baseIndex = index;
    this.baseTerm = term;
  }

  clone(): MemoryLog {
    return new MemoryLog(this.baseIndex, this.baseTerm, this.held);
  }
}
