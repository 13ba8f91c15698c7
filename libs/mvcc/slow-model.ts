/**
 * The store's slow, obvious twin for tests: every version of every key in one list, and answers by going through it.
 * Keys and values are latin1 texts, whose order is the order of the bytes.
 */
export interface ModelVersion {
  readonly revision: number;
  readonly sub: number;
  readonly key: string;
  /** undefined: a tombstone */
  readonly value: string | undefined;
  readonly createRevision: number;
  readonly version: number;
}

export class SlowModel {
  revision = 1;
  compactRevision = -1;
  readonly versions: ModelVersion[] = [];
  private sub = 0;

  /** The newest version of a key at a revision, if it is live. */
  at(key: string, revision: number): ModelVersion | undefined {
    const last = this.versions.findLast((version) => version.revision <= revision && version.key === key);
    return last?.value === undefined ? undefined : last;
  }

  /** Live versions of keys from `start` to before `end` (undefined: open), in key order. */
  range(start: string, end: string | undefined, revision: number): ModelVersion[] {
    const keys = [...new Set(this.versions.map((version) => version.key))].sort((a, b) => (a < b ? -1 : 1));
    const within = keys.filter((key) => key >= start && (end === undefined || key < end));
    return within.map((key) => this.at(key, revision)).filter((version) => version !== undefined);
  }

  put(key: string, value: string): void {
    const last = this.at(key, this.revision + 1);
    this.add(key, value, last?.createRevision ?? this.revision + 1, (last?.version ?? 0) + 1);
  }

  delete(key: string): number {
    return this.deleteAll(this.range(key, `${key}\0`, this.revision + 1));
  }

  deleteRange(start: string, end: string | undefined): number {
    return this.deleteAll(this.range(start, end, this.revision + 1));
  }

  finish(): void {
    if (this.sub > 0) this.revision++;
    this.sub = 0;
  }

  private deleteAll(versions: readonly ModelVersion[]): number {
    for (const version of versions) this.add(version.key, undefined, 0, 0);
    return versions.length;
  }

  private add(key: string, value: string | undefined, createRevision: number, version: number): void {
    this.versions.push({ revision: this.revision + 1, sub: this.sub++, key, value, createRevision, version });
  }
}
