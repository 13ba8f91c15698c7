import { type Engine, Table } from './engine';
import { assert, type Environment } from './environment';
import { writeGeneration } from './flush';
import { comparePlaces } from './history-blocks';
import type { LatestLimits } from './latest-rows';
import { type Place, RecordEncoder, type Version } from './record';
import { EMPTY_STATE, type State } from './schema';
import { PrefixedTable } from './small-tables';
import type { RevisionPlace, SmallTable, SmallTableName, StoredVersion } from './types';
import { Versions } from './versions';

/** A version made elsewhere, with its place. Of a deletion only place and key count. */
export interface LoadedVersion extends RevisionPlace {
  readonly isDelete: boolean;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly lease: bigint;
  readonly createRevision: number;
  readonly version: number;
}

const FLUSH_BYTES = 8 * 1024 * 1024;
const FLUSH_VERSIONS = 4000;

/**
 * Fills an empty engine with versions that were made elsewhere and keep their places, and with rows of small tables. What it
 * leaves is a store that nothing has been applied to, at a revision and compact revision of the caller's choice.
 */
export class BulkLoader {
  private readonly versions: Versions;
  private readonly encoder: RecordEncoder;
  private last: Place = { main: 1, sub: 0 };
  /** The last revision that is committed, if it was a commit that ended it. */
  private flushed = 0;

  constructor(
    private readonly engine: Engine,
    environment: Environment,
    latest: LatestLimits,
  ) {
    const rows = engine.scan(Table.Small, {});
    assert(!rows.next(), 'a bulk load begins with an empty engine');
    rows.close();
    this.versions = new Versions(engine, environment, EMPTY_STATE, latest);
    this.encoder = new RecordEncoder(environment);
  }

  /** Appends a version; places go up, from 2.0 or later. Gives the key's version before it, a deletion too. */
  append(loaded: LoadedVersion): StoredVersion | undefined {
    const { main, sub, key } = loaded;
    const at: Place = { main, sub };
    assert(comparePlaces(this.last, at) < 0, 'versions are loaded in order');
    const { versions, encoder } = this;
    assert(main > this.flushed, 'no revision is split between commits');
    this.last = at;
    versions.revision = main;
    const text = versions.environment.latin1(key);
    const previous = versions.latestOf(key, text);
    versions.append(text, this.encode(encoder, loaded, at, previous));
    return previous;
  }

  table(name: SmallTableName): SmallTable {
    return new PrefixedTable(name, this.versions, () => undefined);
  }

  /** Whether enough has been collected for a commit: await `flush` before going on with the next revision. */
  get isFull(): boolean {
    const { active } = this.versions;
    return active.bytes >= FLUSH_BYTES || active.history.length >= FLUSH_VERSIONS;
  }

  async flush(): Promise<void> {
    this.flushed = this.last.main;
    await this.commit(EMPTY_STATE, false);
  }

  /** Commits the rest and closes the engine. What is compacted is deleted by the store once it is open. */
  async finish(revision: number, compactRevision: number): Promise<void> {
    assert(
      revision >= this.last.main && revision >= compactRevision,
      'the revision is that of the last version or later',
    );
    const compactCursor = compactRevision > 0 ? { main: 0, sub: 0 } : undefined;
    const state = { ...EMPTY_STATE, revision, compactRevision, compactCursor };
    do await this.commit(state, true);
    while (this.versions.latestRows.isBehind);
    await this.engine.close();
  }

  private encode(encoder: RecordEncoder, loaded: LoadedVersion, at: Place, previous: Version | undefined): Version {
    const { key, value, lease, createRevision, version } = loaded;
    if (loaded.isDelete) return encoder.tombstone(at, key, previous);
    return encoder.put(key, value, lease, createRevision, version, at, previous);
  }

  private async commit(state: State, allLatest: boolean): Promise<void> {
    const { versions } = this;
    const generation = versions.freeze();
    // Made last: writing rows takes node ids and moves the revision that is indexed.
    const stateOf = (): State => ({
      ...state,
      nextNode: versions.longKeys.nextNode,
      indexedRevision: versions.latestRows.indexedRevision,
    });
    await writeGeneration(versions, generation, stateOf, allLatest);
    versions.dropFlushing();
  }
}
