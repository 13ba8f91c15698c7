import { comparePlaces, placeOf } from './history-blocks';
import type { KeyWalk } from './ordered-keys';
import { OverlayRows } from './overlay-rows';
import type { Version } from './record';

/** How far the Latest table may be behind history, and how it catches up. */
export interface LatestLimits {
  /** A round of writing begins when so many rows, or so many bytes of records, wait. */
  readonly rows: number;
  readonly bytes: number;
  /** Commits over which a round is spread, so that no single one holds the event loop for long. */
  readonly commitsPerRound: number;
  /** A round writes at least so many rows with a commit. */
  readonly rowsPerCommitMin: number;
}

/** When so many rounds' worth waits, the round under way is finished at once: memory goes before evenness. */
const URGENT_ROUNDS = 2;

/** Rows that are being written, in key order, a part with each commit. */
interface Round {
  readonly rows: OverlayRows<Version>;
  readonly walk: KeyWalk;
  /** The revision up to which Latest is complete once the round is. */
  readonly revision: number;
  readonly rowsPerCommit: number;
  rowsLeft: number;
}

/**
 * Last versions of keys that the Latest table does not have yet. Every commit holds all of history, and Latest can be
 * rebuilt from that; so its rows, which lie all over the table, are gathered over many commits and then written in key
 * order. A page that takes hundreds of rows is copied and written once, where rows written with their own commit would
 * copy a page each (measured with 100,000 keys: a third of what a put cost).
 * `indexedRevision` is stored with each commit: what Latest lacks after a crash is in history behind it.
 */
export class LatestRows {
  private recent = new OverlayRows<Version>();
  private recentBytes = 0;
  private round: Round | undefined;
  /** Tombstones that a compaction has removed: still what readers see until the round ends, but not to be written. */
  private readonly buried = new Set<Version>();
  /** Newest first, for scans. */
  overlays: readonly OverlayRows<Version>[] = [this.recent];

  constructor(
    private readonly limits: LatestLimits,
    /** Latest has the last version of every key as of this revision, or a later one. */
    public indexedRevision: number,
  ) {}

  /** Rows that wait or are being written. */
  get size(): number {
    return this.recent.size + (this.round?.rows.size ?? 0);
  }

  /** Bytes of the records that wait for a round, roughly. */
  get waitingBytes(): number {
    return this.recentBytes;
  }

  get(text: string): Version | undefined {
    return this.recent.get(text) ?? this.round?.rows.get(text);
  }

  set(text: string, version: Version): void {
    if (this.buried.size > 0) this.unbury(text);
    this.recent.set(text, version);
    this.recentBytes += version.bytes.length;
  }

  /** The last version of its key is a tombstone that is deleted from everywhere with the commit being put together. */
  bury(text: string, tombstone: Version): void {
    const seen = this.get(text);
    if (seen !== undefined && comparePlaces(placeOf(seen), placeOf(tombstone)) === 0) this.buried.add(seen);
  }

  /**
   * Writes this commit's share, if a round is under way or due; `everything`: all there is. `revision` is that of the
   * commit: whatever is here is in its history.
   */
  write(put: (version: Version) => void, revision: number, everything: boolean): void {
    this.recent.settle();
    const isUrgent = everything || this.recentBytes >= URGENT_ROUNDS * this.limits.bytes;
    if (this.round === undefined && this.recent.size > 0 && (isUrgent || this.isDue())) this.begin(revision);
    const { round } = this;
    if (round === undefined) return;
    this.writeShare(round, put, isUrgent ? Number.POSITIVE_INFINITY : round.rowsPerCommit);
    if (round.rowsLeft === 0) this.indexedRevision = round.revision;
  }

  /** The commit is visible in the engine. */
  committed(): void {
    if (this.round?.rowsLeft !== 0) return;
    this.round = undefined;
    this.overlays = [this.recent];
  }

  private unbury(text: string): void {
    const replaced = this.recent.get(text);
    if (replaced !== undefined) this.buried.delete(replaced);
  }

  private isDue(): boolean {
    return this.recent.size >= this.limits.rows || this.recentBytes >= this.limits.bytes;
  }

  private begin(revision: number): void {
    const rows = this.recent;
    const { commitsPerRound, rowsPerCommitMin } = this.limits;
    const rowsPerCommit = Math.max(rowsPerCommitMin, Math.ceil(rows.size / commitsPerRound));
    this.round = { rows, walk: rows.walk(undefined, undefined, false), revision, rowsPerCommit, rowsLeft: rows.size };
    this.recent = new OverlayRows();
    this.recentBytes = 0;
    this.overlays = [this.recent, rows];
  }

  private writeShare(round: Round, put: (version: Version) => void, rowsMax: number): void {
    const rowsLeft = round.rowsLeft - Math.min(round.rowsLeft, rowsMax);
    for (; round.rowsLeft > rowsLeft; round.rowsLeft--) {
      const text = round.walk.next() as string; // the walk is over the rows' keys
      const version = round.rows.get(text) as Version;
      // A newer version is in this commit's history or an earlier one's: the next round writes it, or it is found there.
      if (!this.buried.delete(version) && this.recent.get(text) === undefined) put(version);
    }
  }
}
