import type { Segment } from './segments';

/** Segments that may go, oldest first, and the segment that the log then begins with. */
export interface Obsolete {
  readonly gone: readonly Segment[];
  readonly next: Segment;
}

/**
 * Which whole segments hold nothing behind `index`. A segment holds the entries up to the one that its successor was begun
 * behind. The successor must be synced: its first batch repeats term, vote and configuration, which are then the only copy.
 *
 * @param segments ascending
 * @param syncedSegment the newest segment that a sync has finished in
 */
export function obsoleteSegments(
  segments: readonly Segment[],
  syncedSegment: number,
  index: number,
): Obsolete | undefined {
  let keep = 0;
  for (let at = 1; at < segments.length; at += 1) {
    const segment = segments[at] as Segment; // at < length
    if (segment.number > syncedSegment || segment.metadata.previousIndex > index) break;
    keep = at;
  }
  const next = segments[keep];
  return keep === 0 || next === undefined ? undefined : { gone: segments.slice(0, keep), next };
}
