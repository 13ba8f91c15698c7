import type { LogEntry } from '../raft';

/** What an entry costs beyond its data: its object, its array slot, its frame. */
const ENTRY_OVERHEAD_BYTES = 120;

export function entryBytes(entry: LogEntry): number {
  return entry.data.length + ENTRY_OVERHEAD_BYTES;
}

/** The newest entries, contiguous up to the end of the log, within a budget of bytes. */
export class EntryCache {
  private entries: LogEntry[] = [];
  /** Slots of `entries` before this one are empty. */
  private head = 0;
  private bytes = 0;

  constructor(private readonly budgetBytes: number) {}

  /** Entries from a hit: as many of lo ≤ index < hi as fit into `maxBytes` of data, at least one; undefined: a miss. */
  slice(lo: number, hi: number, maxBytes: number): LogEntry[] | undefined {
    const first = this.entries[this.head];
    if (first === undefined || lo < first.index) return undefined;
    const from = this.head + lo - first.index;
    const limit = Math.min(this.entries.length, from + hi - lo);
    return takeWithin(this.entries, from, limit, maxBytes);
  }

  append(run: readonly LogEntry[]): void {
    const first = run[0];
    if (first === undefined) return;
    this.cut(first.index);
    for (const entry of run) {
      this.entries.push(entry);
      this.bytes += entryBytes(entry);
    }
    this.evict();
  }

  /** Forgets everything from `index` on. A gap before `index` empties the cache. */
  cut(index: number): void {
    let last = this.entries[this.entries.length - 1];
    if (last !== undefined && last.index + 1 < index) return this.clear();
    while (last !== undefined && last.index >= index && this.entries.length > this.head) {
      this.entries.pop();
      this.bytes -= entryBytes(last);
      last = this.entries[this.entries.length - 1];
    }
    if (this.entries.length === this.head) this.clear();
  }

  clear(): void {
    this.entries = [];
    this.head = 0;
    this.bytes = 0;
  }

  private evict(): void {
    while (this.bytes > this.budgetBytes && this.head < this.entries.length - 1) {
      this.bytes -= entryBytes(this.entries[this.head] as LogEntry);
      // The slot must not hold on to the entry until the array is rebuilt; nothing reads before `head`.
      (this.entries as (LogEntry | undefined)[])[this.head] = undefined;
      this.head += 1;
    }
    if (this.head > 4096 && this.head * 2 > this.entries.length) {
      this.entries = this.entries.slice(this.head);
      this.head = 0;
    }
  }
}

/** Entries read back from disk, a few chunks, the least recently used going first. */
export class ReadBackCache {
  private chunks: { readonly entries: readonly LogEntry[]; readonly bytes: number }[] = [];
  private bytes = 0;

  constructor(private readonly budgetBytes: number) {}

  slice(lo: number, hi: number, maxBytes: number): LogEntry[] | undefined {
    for (let i = 0; i < this.chunks.length; i += 1) {
      const chunk = this.chunks[i] as (typeof this.chunks)[number]; // i < length
      const at = lo - (chunk.entries[0] as LogEntry).index; // chunks are not empty
      if (at < 0 || at >= chunk.entries.length) continue;
      if (i > 0) {
        this.chunks.splice(i, 1);
        this.chunks.unshift(chunk);
      }
      return takeWithin(chunk.entries, at, Math.min(chunk.entries.length, at + hi - lo), maxBytes);
    }
    return undefined;
  }

  add(entries: readonly LogEntry[]): void {
    let bytes = 0;
    for (const entry of entries) bytes += entryBytes(entry);
    this.chunks.unshift({ entries, bytes });
    this.bytes += bytes;
    while (this.bytes > this.budgetBytes && this.chunks.length > 1) this.bytes -= this.chunks.pop()?.bytes ?? 0;
  }

  /** Forgets the chunks that reach `index`. */
  cut(index: number): void {
    this.chunks = this.chunks.filter((chunk) => {
      const stays = (chunk.entries[chunk.entries.length - 1] as LogEntry).index < index;
      if (!stays) this.bytes -= chunk.bytes;
      return stays;
    });
  }
}

function takeWithin(
  entries: readonly LogEntry[],
  from: number,
  limit: number,
  maxBytes: number,
): LogEntry[] | undefined {
  if (from >= limit) return undefined;
  let bytes = (entries[from] as LogEntry).data.length;
  let to = from + 1;
  while (to < limit) {
    bytes += (entries[to] as LogEntry).data.length;
    if (bytes > maxBytes) break;
    to += 1;
  }
  return entries.slice(from, to);
}
