import { compareBytes } from './bytes';
import type { Version } from './record';
import type { Versions } from './versions';

/** Versions looked at in one step. */
const VERSIONS_PER_STEP = 2_000;
/** After so many it is quicker to read the range itself. */
const VERSIONS_MAX = 50_000;

/**
 * How many live keys a range has at a revision: those it has now, less what has been created there since and more by what has
 * been deleted.
 */
export class KeyCount {
  /** It would take longer than to read the range. */
  isTooOld = false;
  private change = 0;
  private seenTo: number;
  private seen = 0;

  constructor(
    private readonly versions: Versions,
    private readonly start: Uint8Array | undefined,
    private readonly end: Uint8Array | undefined,
    revision: number,
  ) {
    this.seenTo = revision;
  }

  /** The count; undefined: call again. `current`: the revision of the newest versions, those of an open write included. */
  step(rowsMax: number, current: number): number | undefined {
    this.followChanges(rowsMax === Number.POSITIVE_INFINITY ? rowsMax : VERSIONS_PER_STEP, current);
    if (this.isTooOld || this.seenTo < current) return undefined;
    const now = this.versions.countIndex.count(this.start, this.end, rowsMax);
    return now === undefined ? undefined : now - this.change;
  }

  private followChanges(versionsMax: number, current: number): void {
    if (this.seenTo >= current) return;
    let left = versionsMax;
    let reached = current;
    this.versions.walkHistory({ main: this.seenTo + 1, sub: 0 }, { main: current + 1, sub: 0 }, (version) => {
      // Only whole revisions are left behind.
      if (left <= 0 && version.modRevision > reached) return false;
      reached = version.modRevision;
      left--;
      this.seen++;
      this.follow(version);
      return true;
    });
    this.seenTo = left > 0 ? current : reached;
    if (this.seen > VERSIONS_MAX && versionsMax !== Number.POSITIVE_INFINITY) this.isTooOld = true;
  }

  private follow({ key, isDelete, version }: Version): void {
    if (!isDelete && version !== 1) return;
    if (this.start !== undefined && compareBytes(key, this.start) < 0) return;
    if (this.end !== undefined && compareBytes(key, this.end) >= 0) return;
    this.change += isDelete ? -1 : 1;
  }
}

/** Pages whose counts are remembered. */
const PAGES_MAX = 256;

/** What is known of the pages that are to be asked for next: how many keys a range has at a revision from there on. */
export class PageCounts {
  private readonly counts = new Map<string, number>();

  constructor(private readonly latin1: (bytes: Uint8Array) => string) {}

  get(start: Uint8Array, end: Uint8Array | undefined, revision: number): number | undefined {
    return this.counts.get(this.nameOf(start, end, revision));
  }

  set(start: Uint8Array, end: Uint8Array | undefined, revision: number, count: number): void {
    this.counts.set(this.nameOf(start, end, revision), count);
    if (this.counts.size <= PAGES_MAX) return;
    for (const oldest of this.counts.keys()) {
      this.counts.delete(oldest);
      return;
    }
  }

  private nameOf(start: Uint8Array, end: Uint8Array | undefined, revision: number): string {
    return `${revision} ${start.length} ${this.latin1(start)} ${end === undefined ? '' : `${this.latin1(end)}.`}`;
  }
}
