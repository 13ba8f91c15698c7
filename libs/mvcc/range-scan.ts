import { compareBytes, concatBytes } from './bytes';
import type { Version } from './record';
import type { Versions } from './versions';

/** A step ends early when it has found so much. */
const STEP_BYTES = 1024 * 1024;
const AFTER = Uint8Array.of(0);

/** The first key after another. */
export function keyAfter(key: Uint8Array): Uint8Array {
  return concatBytes(key, AFTER);
}

/**
 * Goes through the keys of a range at one revision, all at once or in slices between which the store may change: what is
 * asked for is the state at `revision`, which stays readable until a compaction passes it.
 */
export class RangeScan {
  readonly found: Version[] = [];
  /** Live keys seen so far, whether or not they were kept in `found`. */
  count = 0;
  /** Bytes of what was found, values too. */
  bytes = 0;
  /** There is nothing more in the range. */
  isAtEnd: boolean;

  /** Keeps the first `fetch` live versions with start ≤ key < end (undefined: open). */
  constructor(
    private readonly versions: Versions,
    private start: Uint8Array | undefined,
    private readonly end: Uint8Array | undefined,
    private readonly revision: number,
    private readonly fetch: number,
  ) {
    this.isAtEnd = start !== undefined && end !== undefined && compareBytes(start, end) >= 0;
  }

  /** What was to be kept has been found, or is not there. */
  get hasFetched(): boolean {
    return this.isAtEnd || this.found.length >= this.fetch;
  }

  /**
   * Reads about `rowsMax` rows more, with `onlyFetch` no further than to what is to be kept. `current`: the revision of the
   * newest versions, those of an open write included.
   */
  step(rowsMax: number, current: number, onlyFetch: boolean): void {
    if (this.isAtEnd || (onlyFetch && this.hasFetched)) return;
    const rows = this.versions.scan(this.start, this.end);
    const isCurrent = this.revision === current;
    let left = rowsMax;
    const bytesMax = rowsMax === Number.POSITIVE_INFINITY ? rowsMax : this.bytes + STEP_BYTES;
    try {
      while (rows.next()) {
        if (isCurrent) {
          if (!rows.isDelete() && this.count++ < this.fetch) this.keep(rows.version());
        } else {
          const version = this.versions.resolve(rows.version(), this.revision);
          if (version !== undefined && this.count++ < this.fetch) this.keep(version);
        }
        if (--left > 0 && this.bytes < bytesMax && !(onlyFetch && this.found.length >= this.fetch)) continue;
        this.start = keyAfter(rows.key());
        return;
      }
      this.isAtEnd = true;
    } finally {
      rows.close();
    }
  }

  private keep(version: Version): void {
    this.found.push(version);
    this.bytes += version.kv.length;
  }
}
