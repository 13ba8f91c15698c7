import { comparePlaces, placeOf } from './history-blocks';
import { type KeyWalk, OrderedKeys } from './ordered-keys';
import type { OverlaySource } from './overlay-rows';
import type { Version } from './record';

/** How far the Latest table may be behind history, how it catches up, and how much of it is kept in memory. */
export interface LatestLimits {
  /** A round of writing begins when so many rows, or so many bytes of records, wait. */
  readonly rows: number;
  readonly bytes: number;
  /** Commits over which a round is spread, so that no single one holds the event loop for long. */
  readonly commitsPerRound: number;
  /** A round writes at least so many rows with a commit. */
  readonly rowsPerCommitMin: number;
  /** Rows that are written are kept until there is more than this, bytes of records and of what holds them. */
  readonly cacheBytes: number;
}

/** When so many rounds' worth waits, the round under way is finished at once: memory goes before evenness. */
const URGENT_ROUNDS = 2;
/** What a row costs beside its record: the version, its view and links, the key's text, the table's entry. */
const ROW_BYTES = 200;
/** Rows looked at in one go when the cache is full. */
const EVICT_STEPS_MAX = 10_000;

/** Rows that are being written, in key order, a part with each commit. */
interface Round {
  readonly keys: OrderedKeys;
  readonly walk: KeyWalk;
  /** The revision up to which Latest is complete once the round is. */
  readonly revision: number;
  readonly rowsPerCommit: number;
  rowsLeft: number;
}

/**
 * Last versions of keys that the Latest table does not have yet, and a bounded number of those it has. Every commit holds
 * all of history, and Latest can be rebuilt from that; so its rows, which lie all over the table, are gathered over many
 * commits and then written in key order. A page that takes hundreds of rows is copied and written once, where rows
 * written with their own commit would copy a page each (measured with 100,000 keys: a third of what a put cost).
 * `indexedRevision` is stored with each commit: what Latest lacks after a crash is in history behind it.
 */
export class LatestRows {
  /** By latin1 key: the last version of every key written after `cleanRevision`, and others as they are in the engine. */
  private readonly rows = new Map<string, Version>();
  private rowsBytes = 0;
  /** Keys written since the last round began; a key may be in the round as well. */
  private recent = new OrderedKeys();
  private recentBytes = 0;
  private round: Round | undefined;
  /** The engine shows Latest as of this revision. */
  private cleanRevision: number;
  /** Tombstones that a compaction has removed: still what readers see, but not to be written. */
  private readonly buried = new Set<Version>();
  private evicting = this.rows.entries();
  /** What the engine does not show, newest first, for scans. */
  overlays: readonly OverlaySource<Version>[] = this.makeOverlays();

  constructor(
    private readonly limits: LatestLimits,
    /** Latest has the last version of every key as of this revision, or a later one. */
    public indexedRevision: number,
  ) {
    this.cleanRevision = indexedRevision;
  }

  /** Whether the engine lacks something. */
  get isBehind(): boolean {
    return this.recent.size > 0 || this.round !== undefined;
  }

  get(text: string): Version | undefined {
    return this.rows.get(text);
  }

  set(text: string, version: Version): void {
    const before = this.rows.get(text);
    this.rows.set(text, version);
    const { length } = version.bytes;
    this.rowsBytes += before === undefined ? length + ROW_BYTES : length - before.bytes.length;
    if (before !== undefined && before.modRevision > (this.round?.revision ?? this.cleanRevision)) {
      if (this.buried.size > 0) this.buried.delete(before);
      return;
    }
    this.recent.add(text);
    this.recentBytes += length;
  }

  /** The last version of its key is a tombstone that is deleted from everywhere with the commit being put together. */
  bury(text: string, tombstone: Version): void {
    const seen = this.rows.get(text);
    if (seen === undefined || seen.modRevision <= this.cleanRevision) return;
    if (comparePlaces(placeOf(seen), placeOf(tombstone)) === 0) this.buried.add(seen);
  }

  /**
   * Writes this commit's share, if a round is under way or due; `everything`: all there is. `revision` is that of the
   * commit: whatever is here is in its history.
   */
  write(put: (version: Version) => void, revision: number, everything: boolean): void {
    this.recent.settle();
    this.evict();
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
    this.cleanRevision = this.round.revision;
    this.round = undefined;
    this.overlays = this.makeOverlays();
  }

  private isDue(): boolean {
    return this.recent.size >= this.limits.rows || this.recentBytes >= this.limits.bytes;
  }

  private begin(revision: number): void {
    const keys = this.recent;
    const { commitsPerRound, rowsPerCommitMin } = this.limits;
    const rowsPerCommit = Math.max(rowsPerCommitMin, Math.ceil(keys.size / commitsPerRound));
    const walk = keys.walk(undefined, undefined, false);
    this.round = { keys, walk, revision, rowsPerCommit, rowsLeft: keys.size };
    this.recent = new OrderedKeys();
    this.recentBytes = 0;
    this.overlays = this.makeOverlays();
  }

  private writeShare(round: Round, put: (version: Version) => void, rowsMax: number): void {
    const rowsLeft = round.rowsLeft - Math.min(round.rowsLeft, rowsMax);
    for (; round.rowsLeft > rowsLeft; round.rowsLeft--) {
      const text = round.walk.next() as string; // the walk has rowsLeft keys more
      const version = this.rows.get(text) as Version; // what the engine lacks is not evicted
      // A newer version is in this commit's history or an earlier one's: the next round writes it, or it is found there.
      if (version.modRevision <= round.revision && !this.buried.delete(version)) put(version);
    }
  }

  /** Drops the rows that came first among those that the engine has. */
  private evict(): void {
    // To look at a row twice in one go is of no use: none may go while all wait to be written.
    const stepsMax = Math.min(EVICT_STEPS_MAX, this.rows.size);
    for (let steps = 0; this.rowsBytes > this.limits.cacheBytes && steps < stepsMax; steps++) {
      const { value, done } = this.evicting.next();
      if (done) {
        this.evicting = this.rows.entries();
        continue;
      }
      const [text, version] = value;
      if (version.modRevision > this.cleanRevision) continue;
      this.rows.delete(text);
      this.rowsBytes -= version.bytes.length + ROW_BYTES;
    }
  }

  private makeOverlays(): OverlaySource<Version>[] {
    const source = (keys: OrderedKeys): OverlaySource<Version> => ({ keys, get: (text) => this.rows.get(text) });
    return this.round === undefined ? [source(this.recent)] : [source(this.recent), source(this.round.keys)];
  }
}
