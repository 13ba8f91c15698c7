import { OverlayRows } from './overlay-rows';
import type { Place, Version } from './record';

/** A small table's row that is not yet in the engine; value undefined: deleted. */
export interface SmallRow {
  readonly key: Uint8Array;
  readonly value: Uint8Array | undefined;
}

/** What one commit will write. While `active` it grows; once frozen it only answers reads until it is durable. */
export class Generation {
  /** Every version made, in order. */
  readonly history: Version[] = [];
  readonly small = new OverlayRows<SmallRow>();
  /** Versions that compaction found dead. Their absence changes no answer, so reads ignore this. */
  readonly dead: Place[] = [];
  /** Tombstones whose row in Latest goes, if it is still theirs. */
  readonly deadTombstones: Version[] = [];
  /** Bytes that wait here, roughly. */
  bytes = 0;
}
