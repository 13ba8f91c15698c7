import type { LogEntry, ProposedEntry } from './types';

// What an entry costs beside its data, in memory and on the wire, so that empty entries are bounded too.
const ENTRY_OVERHEAD_BYTES = 16;

/** What one entry counts against every limit given in bytes. */
export function entryBytes(entry: LogEntry | ProposedEntry): number {
  return entry.data.length + ENTRY_OVERHEAD_BYTES;
}

/** What all of them count. */
export function entriesBytes(entries: readonly (LogEntry | ProposedEntry)[]): number {
  let total = 0;
  for (const entry of entries) total += entryBytes(entry);
  return total;
}
