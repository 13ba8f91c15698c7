import { failpoint } from '../failpoints';
import { comparePlaces, placeOf } from './history-blocks';
import type { Place, Version } from './record';
import type { State } from './schema';
import type { Versions } from './versions';

const beforeSetFinished = failpoint('compactBeforeSetFinishedCompact');
const afterSetFinished = failpoint('compactAfterSetFinishedCompact');

/** More dead versions than this in one commit would hold the event loop for too long when it is put together. */
const DEAD_PER_COMMIT_MAX = 4000;

/**
 * Physical deletion after a compaction to C: one walk over history from the previous compaction to C, in slices. Each
 * version makes its predecessor dead, since both are ≤ C; a tombstone below C is dead itself and takes its row in Latest
 * along. A tombstone exactly at C stays until the next compaction, which therefore begins its walk at C.
 * What is dead is deleted with the next commit, together with the progress of the walk, so a crash repeats at most what
 * was not deleted. No answer depends on how far the walk is.
 */
export class Compaction {
  finished: number;
  cursor: Place | undefined;
  compactedVersions = 0;

  constructor(
    private readonly versions: Versions,
    state: State,
  ) {
    this.finished = state.compactFinished;
    this.cursor = state.compactCursor;
  }

  get isRunning(): boolean {
    return this.cursor !== undefined;
  }

  /** Whether the next commit has as many deletions as it should: go on after it. */
  get isStalled(): boolean {
    return this.isRunning && this.room() <= 0;
  }

  /** The compact revision has gone up from `before`. */
  extend(before: number): void {
    const again: Place = { main: Math.max(before, 0), sub: 0 };
    // A walk under way may have passed tombstones at the old compact revision, which are dead now.
    if (this.cursor === undefined || comparePlaces(again, this.cursor) < 0) this.cursor = again;
  }

  /** Reads at most `rowsMax` versions; true when nothing is left to do. */
  slice(rowsMax: number): boolean {
    const { versions } = this;
    const target = versions.compactRevision;
    if (this.cursor === undefined) return true;
    let left = Math.min(rowsMax, this.room());
    if (left <= 0) return false;
    let next: Place | undefined;
    versions.walkHistory(this.cursor, { main: target + 1, sub: 0 }, (version) => {
      if (left-- === 0) {
        next = placeOf(version);
        return false;
      }
      this.examine(version, target);
      return true;
    });
    this.cursor = next;
    if (next !== undefined) return false;
    beforeSetFinished.reach();
    this.finished = target;
    afterSetFinished.reach();
    return true;
  }

  /** Versions that may still be read before the next commit; each makes two others dead at most. */
  private room(): number {
    return Math.floor((DEAD_PER_COMMIT_MAX - this.versions.active.dead.length) / 2);
  }

  private examine(version: Version, target: number): void {
    const { dead, deadTombstones } = this.versions.active;
    const previous = version.links[0];
    if (previous !== undefined) {
      dead.push(previous);
      this.compactedVersions++;
    }
    if (!version.isDelete || version.modRevision >= target) return;
    dead.push(placeOf(version));
    this.compactedVersions++;
    deadTombstones.push(version);
  }
}
