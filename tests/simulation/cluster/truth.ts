import type { Change, RevisionChanges } from '../../../libs/mvcc';
import { Violation } from './violation';

/** One change of one key in one revision; `value` undefined: deleted. */
export interface KeyChange {
  readonly key: string;
  readonly value: string | undefined;
}

/** What one member did on applying one entry. */
export interface Applied {
  readonly member: string;
  readonly index: number;
  readonly term: number;
  /** The store's rolling hash: of all effects of all entries up to this one. */
  readonly hash: string;
  /** The store's revisions after the entry. */
  readonly revision: number;
  readonly compactRevision: number;
  readonly made: readonly RevisionChanges[];
}

/**
 * What the cluster has decided: taken down when the first member applies an entry, and what every other member, and every
 * answer, is held against.
 */
export class Truth {
  /** By index. */
  readonly applied: (Applied | undefined)[] = [];
  /** By revision: all changes in it. */
  private readonly revisions: (readonly KeyChange[] | undefined)[] = [];
  /** By revision: the entry that made it. */
  private readonly indexes: number[] = [];
  private readonly byKey = new Map<string, { readonly revision: number; readonly value: string | undefined }[]>();
  /** Values by the revision that wrote them: each is written once. */
  private readonly written = new Map<string, number>();
  highestIndex = 0;
  revision = 1;
  compactRevision = 0;

  /** The first time an index is applied. */
  add(applied: Applied): void {
    this.applied[applied.index] = applied;
    this.highestIndex = Math.max(this.highestIndex, applied.index);
    this.compactRevision = Math.max(this.compactRevision, applied.compactRevision);
    for (const made of applied.made) this.addRevision(made, applied.index);
  }

  private addRevision({ revision, changes }: RevisionChanges, index: number): void {
    if (revision !== this.revision + 1) {
      throw new Violation('monotonic revisions', `revision ${revision} was made after ${this.revision}`);
    }
    this.revision = revision;
    this.indexes[revision] = index;
    const list = changes.map(keyChange);
    this.revisions[revision] = list;
    for (const { key, value } of list) {
      let history = this.byKey.get(key);
      if (history === undefined) this.byKey.set(key, (history = []));
      history.push({ revision, value });
      if (value !== undefined) this.written.set(value, revision);
    }
  }

  changesOf(revision: number): readonly KeyChange[] {
    return this.revisions[revision] ?? [];
  }

  /** The entry that made the revision; 0: none did. */
  indexOf(revision: number): number {
    return this.indexes[revision] ?? 0;
  }

  /** The revision that wrote this value, if any did. */
  revisionOf(value: string): number | undefined {
    return this.written.get(value);
  }

  /** The key's value at a revision; undefined: it was not there. */
  valueAt(key: string, revision: number): string | undefined {
    const history = this.byKey.get(key) ?? [];
    for (let i = history.length - 1; i >= 0; i--) {
      const change = history[i] as (typeof history)[number];
      if (change.revision <= revision) return change.value;
    }
    return undefined;
  }

  /** All keys with their values at a revision, sorted; `prefix` picks some. */
  stateAt(revision: number, prefix = ''): (readonly [string, string])[] {
    const state: (readonly [string, string])[] = [];
    for (const key of [...this.byKey.keys()].sort()) {
      if (!key.startsWith(prefix)) continue;
      const value = this.valueAt(key, revision);
      if (value !== undefined) state.push([key, value]);
    }
    return state;
  }
}

export function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}

function keyChange({ version }: Change): KeyChange {
  return { key: latin1(version.key), value: version.isDelete ? undefined : latin1(version.value) };
}
