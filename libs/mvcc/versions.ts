import { equalBytes } from './bytes';
import { CountIndex } from './count-index';
import type { Engine } from './engine';
import { assert, CorruptionError, type Environment } from './environment';
import { comparePlaces, findRecord, HistoryWalk, placeKey, placeOf } from './history-blocks';
import { PageCounts } from './key-count';
import { type LongKeyCursor, LongKeyTable } from './long-keys';
import { firstIndex } from './ordered-keys';
import { type LatestLimits, LatestRows } from './latest-rows';
import { Generation } from './overlay';
import { MergeCursor, type OverlaySource } from './overlay-rows';
import { decodeRecord, isTombstone, type Place, type Version } from './record';
import type { State } from './schema';
import { blockName, keyText } from './scrub';
import { Slab } from './slab';

const ROW_OVERHEAD_BYTES = 200;

/** All versions of all keys as they are visible now: the overlay's generations over the engine's tables. */
export class Versions {
  active = new Generation();
  flushing: Generation | undefined;
  revision: number;
  compactRevision: number;
  readonly longKeys: LongKeyTable;
  private readonly slab = new Slab();
  readonly latestRows: LatestRows;
  readonly countIndex = new CountIndex(this);
  readonly pageCounts: PageCounts;

  constructor(
    readonly engine: Engine,
    readonly environment: Environment,
    state: State,
    latestLimits: LatestLimits,
  ) {
    this.revision = state.revision;
    this.compactRevision = state.compactRevision;
    this.longKeys = new LongKeyTable(engine, environment.latin1, state.nextNode);
    this.latestRows = new LatestRows(latestLimits, state.indexedRevision);
    this.pageCounts = new PageCounts(environment.latin1);
    this.restoreLatestRows();
  }

  /** The active generation becomes the flushing one and a new one takes over. */
  freeze(): Generation {
    assert(this.flushing === undefined, 'one generation is flushed at a time');
    const frozen = this.active;
    this.flushing = frozen;
    this.active = new Generation();
    return frozen;
  }

  /** The flushing generation is durable in the engine. */
  dropFlushing(): void {
    this.flushing = undefined;
    this.latestRows.committed();
  }

  /** The last version of a key, be it a tombstone. */
  latest(key: Uint8Array): Version | undefined {
    return this.latestOf(key, this.environment.latin1(key));
  }

  /** The same where the key's latin1 text is known. */
  latestOf(key: Uint8Array, text: string): Version | undefined {
    const seen = this.latestRows.get(text);
    if (seen !== undefined) return seen;
    const record = this.longKeys.get(key);
    return record === undefined ? undefined : this.decodeLatest(this.slab.copy(record), key);
  }

  /** Like `latest`, but its bytes are valid only until the engine is asked for something else. */
  peek(key: Uint8Array): Version | undefined {
    const seen = this.latestRows.get(this.environment.latin1(key));
    if (seen !== undefined) return seen;
    const record = this.longKeys.get(key);
    return record === undefined ? undefined : this.decodeLatest(record, key);
  }

  append(text: string, version: Version): void {
    const active = this.active;
    this.latestRows.set(text, version);
    if (version.isDelete) this.countIndex.changed(text, -1);
    else if (version.version === 1) this.countIndex.changed(text, 1);
    active.history.push(version);
    active.bytes += version.bytes.length + ROW_OVERHEAD_BYTES;
  }

  /** The version a reader at `revision` sees, given the last version; `revision` is not below the compacted one. */
  resolve(last: Version, revision: number): Version | undefined {
    let version = last;
    while (version.modRevision > revision) {
      const { links } = version;
      const previous = links[0];
      if (previous === undefined) return undefined;
      let step = previous;
      for (let level = links.length - 1; level > 0; level--) {
        const link = links[level] as Place;
        if (link.main <= revision) continue;
        step = link;
        break;
      }
      if (step === previous && previous.main <= revision && version.previousIsTombstone) return undefined;
      version = this.at(step);
    }
    return version.isDelete ? undefined : version;
  }

  /** The version at a place that must exist. Throws CorruptionError if it does not. */
  at(place: Place): Version {
    const version = this.find(place);
    if (version === undefined) throw new CorruptionError(`version ${place.main}.${place.sub} is missing from history`);
    return version;
  }

  find(place: Place): Version | undefined {
    for (const generation of [this.active, this.flushing]) {
      const history = generation?.history;
      if (history === undefined || history.length === 0 || comparePlaces(place, placeOf(history[0] as Version)) < 0)
        continue;
      const found = history[lowerBound(history, place)];
      return found !== undefined && comparePlaces(placeOf(found), place) === 0 ? found : undefined;
    }
    const record = findRecord(this.engine, place);
    return record === undefined ? undefined : this.decodeHistory(record, placeKey(place));
  }

  /** Last versions (tombstones too) of keys with start ≤ key < end. Must be closed; lives within one turn. */
  scan(start: Uint8Array | undefined, end: Uint8Array | undefined, reverse = false): VersionCursor {
    return new VersionCursor(this, this.latestRows.overlays, start, end, reverse);
  }

  /** All versions with from ≤ place < end that have not been deleted, in order. `visit` says whether to go on. */
  walkHistory(from: Place, end: Place, visit: (version: Version) => boolean): void {
    const generations = [this.flushing, this.active].filter(
      (generation) => generation !== undefined && generation.history.length > 0,
    );
    const first = generations[0]?.history[0];
    // The engine may already show what is still in the overlay.
    const engineEnd = first !== undefined && comparePlaces(placeOf(first), end) < 0 ? placeOf(first) : end;
    if (comparePlaces(from, engineEnd) < 0 && !this.walkEngine(from, engineEnd, visit)) return;
    for (const generation of generations) {
      const history = generation?.history ?? [];
      for (let i = lowerBound(history, from); i < history.length; i++) {
        const version = history[i] as Version;
        if (comparePlaces(placeOf(version), end) >= 0 || !visit(version)) return;
      }
    }
  }

  decodeLatest(record: Uint8Array, key: Uint8Array): Version {
    const where = (): string => `the last version of key ${keyText(key)}`;
    const version = decodeRecord(record, this.environment, where);
    // The keys of rows are under no checksum of their own.
    if (!equalBytes(version.key, key)) throw new CorruptionError(`${where()} is that of key ${keyText(version.key)}`);
    return version;
  }

  /** What the Latest table did not have when the store was closed or its process died is in history. */
  private restoreLatestRows(): void {
    const { latin1 } = this.environment;
    const from = { main: this.latestRows.indexedRevision + 1, sub: 0 };
    this.walkHistory(from, { main: this.revision + 1, sub: 0 }, (version) => {
      this.latestRows.set(latin1(version.key), version);
      return true;
    });
  }

  private walkEngine(from: Place, end: Place, visit: (version: Version) => boolean): boolean {
    const walk = new HistoryWalk(this.engine, from, end, (record, block) => this.decodeHistory(record, block));
    try {
      for (let version = walk.next(); version !== undefined; version = walk.next()) {
        if (comparePlaces(placeOf(version), end) >= 0) return true;
        if (!visit(version)) return false;
      }
      return true;
    } finally {
      walk.close();
    }
  }

  private decodeHistory(record: Uint8Array, block: Uint8Array): Version {
    return decodeRecord(record, this.environment, () => `a version in ${blockName(block)}`);
  }
}

function lowerBound(history: readonly Version[], place: Place): number {
  return firstIndex(history.length, (i) => comparePlaces(placeOf(history[i] as Version), place) >= 0);
}

/** Last versions in key order; decodes only what is asked for. */
export class VersionCursor {
  private readonly rows: MergeCursor<Version>;
  private readonly base: LongKeyCursor;

  constructor(
    private readonly versions: Versions,
    overlays: readonly OverlaySource<Version>[],
    start: Uint8Array | undefined,
    end: Uint8Array | undefined,
    reverse: boolean,
  ) {
    const { latin1 } = versions.environment;
    const base = versions.longKeys.scan({ start, end, reverse });
    this.base = base;
    const text = (bound: Uint8Array | undefined): string | undefined =>
      bound === undefined ? undefined : latin1(bound);
    const mergeBase = { next: () => base.next(), keyText: () => latin1(base.key), close: () => base.close() };
    this.rows = new MergeCursor(overlays, mergeBase, text(start), text(end), reverse);
  }

  next(): boolean {
    return this.rows.next();
  }

  /** Whether the current row is a tombstone. Only what would hide a key is read, and so checked, as a whole. */
  isDelete(): boolean {
    return this.rows.row?.isDelete ?? (isTombstone(this.base.value) && this.version().isDelete);
  }

  /** The current row's key; bytes that stay valid. */
  key(): Uint8Array {
    return this.rows.row?.key ?? this.base.key;
  }

  version(): Version {
    return this.rows.row ?? this.versions.decodeLatest(this.base.value, this.base.key);
  }

  close(): void {
    this.rows.close();
  }
}
