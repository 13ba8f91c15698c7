import { compareBytes } from './bytes';
import { boundsOf } from './range';
import type { Environment } from './environment';
import { RecordEncoder, storedCrc, type Version } from './record';
import type { StateHash } from './state-hash';
import type { Change, RevisionChanges } from './types';
import type { Versions } from './versions';

interface OwnChange extends Change {
  readonly version: Version;
}

/** Makes the changes of one revision. What it has written is visible to reads at `current` at once. */
export class Writer {
  private readonly encoder: RecordEncoder;
  private changes: OwnChange[] = [];

  constructor(
    private readonly versions: Versions,
    environment: Environment,
    private readonly hash: StateHash | undefined,
  ) {
    this.encoder = new RecordEncoder(environment);
  }

  /** The revision that reads within the write see. */
  get current(): number {
    return this.changes.length > 0 ? this.versions.revision + 1 : this.versions.revision;
  }

  /** Gives the live version that was replaced. */
  put(key: Uint8Array, value: Uint8Array, lease: bigint): Version | undefined {
    const { versions } = this;
    const text = versions.environment.latin1(key);
    const last = versions.latestOf(key, text);
    const live = last === undefined || last.isDelete ? undefined : last;
    const at = { main: versions.revision + 1, sub: this.changes.length };
    // A tombstone below the compaction is as good as gone, whether or not it has been deleted already.
    const chained = last?.isDelete && last.modRevision < versions.compactRevision ? undefined : last;
    const version = this.encoder.put(
      key,
      value,
      lease,
      live?.createRevision ?? at.main,
      (live?.version ?? 0) + 1,
      at,
      chained,
    );
    versions.append(text, version);
    this.changes.push({ version, previous: live });
    return live;
  }

  /** Deletes a live key; undefined if there is none. */
  delete(key: Uint8Array): Version | undefined {
    const last = this.versions.latest(key);
    if (last === undefined || last.isDelete) return undefined;
    this.deleteVersion(last);
    return last;
  }

  /** Deletes the live keys of etcd's (key, range_end) in key order. */
  deleteRange(key: Uint8Array, rangeEnd: Uint8Array): readonly Version[] {
    const bounds = boundsOf(key, rangeEnd);
    if (bounds === undefined) {
      const deleted = key.length === 0 ? undefined : this.delete(key);
      return deleted === undefined ? [] : [deleted];
    }
    const { start, end } = bounds;
    if (start !== undefined && end !== undefined && compareBytes(start, end) >= 0) return [];
    const found: Version[] = [];
    const rows = this.versions.scan(start, end);
    try {
      while (rows.next()) if (!rows.isDelete()) found.push(rows.version());
    } finally {
      rows.close();
    }
    for (const version of found) this.deleteVersion(version);
    return found;
  }

  /** Ends the write: its changes become the next revision, if there are any. */
  finish(): RevisionChanges | undefined {
    const { changes, versions } = this;
    if (changes.length === 0) return undefined;
    this.changes = [];
    for (const { version } of changes) this.hash?.note(storedCrc(version.bytes));
    versions.revision++;
    return { revision: versions.revision, changes };
  }

  private deleteVersion(live: Version): void {
    const { versions } = this;
    const version = this.encoder.tombstone({ main: versions.revision + 1, sub: this.changes.length }, live.key, live);
    versions.append(versions.environment.latin1(live.key), version);
    this.changes.push({ version, previous: live });
  }
}
