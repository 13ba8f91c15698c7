import { concatBytes, copyBytes } from './bytes';
import { assert, type Environment } from './environment';
import { type Engine, Table } from './engine';
import { MergeCursor } from './overlay-rows';
import type { SmallRow } from './overlay';
import { openSmall, SMALL_TABLE_NUMBERS } from './schema';
import type { StateHash } from './state-hash';
import type { SmallTable, SmallTableName } from './types';
import type { Versions } from './versions';

const KEY_BYTES_MAX = 1900;
/** Tells a row from the deletion of one, and where its key ends from where its value begins. */
const ONE_BYTE = Uint8Array.of(1);

/** One small table: a prefix of the engine's Small table, through the same overlay as everything else. */
export class PrefixedTable implements SmallTable {
  private readonly number: number;

  constructor(
    name: SmallTableName,
    private readonly versions: Versions,
    private readonly onWrite: () => void,
    /** Takes in what is written; undefined: the rows are the member's own. */
    private readonly hash?: StateHash,
  ) {
    this.number = SMALL_TABLE_NUMBERS[name];
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const { active, flushing, environment, engine } = this.versions;
    const full = this.fullKey(key);
    const text = environment.latin1(full);
    const row = active.small.get(text) ?? flushing?.small.get(text);
    if (row !== undefined) return row.value;
    return readSmall(engine, full, environment);
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.write(key, copyBytes(value));
  }

  delete(key: Uint8Array): void {
    this.write(key, undefined);
  }

  scan(start?: Uint8Array, end?: Uint8Array): readonly (readonly [Uint8Array, Uint8Array])[] {
    const { active, flushing, environment, engine } = this.versions;
    const { latin1 } = environment;
    const from = start === undefined ? Uint8Array.of(this.number) : this.fullKey(start);
    const to = end === undefined ? Uint8Array.of(this.number + 1) : this.fullKey(end);
    if (latin1(from) >= latin1(to)) return [];
    const base = engine.scan(Table.Small, { start: from, end: to });
    const mergeBase = { next: () => base.next(), keyText: () => latin1(base.key), close: () => base.close() };
    const overlays = flushing === undefined ? [active.small] : [active.small, flushing.small];
    const rows = new MergeCursor<SmallRow>(overlays, mergeBase, latin1(from), latin1(to), false);
    const found: (readonly [Uint8Array, Uint8Array])[] = [];
    try {
      while (rows.next()) {
        const key = rows.row === undefined ? base.key : rows.row.key;
        const value = rows.row === undefined ? openSmall(key, base.value, environment) : rows.row.value;
        if (value !== undefined) found.push([key.subarray(1), value]);
      }
    } finally {
      rows.close();
    }
    return found;
  }

  private write(key: Uint8Array, value: Uint8Array | undefined): void {
    assert(key.length > 0 && key.length <= KEY_BYTES_MAX, `a small table's key has 1 to ${KEY_BYTES_MAX} bytes`);
    const { active, environment } = this.versions;
    const full = this.fullKey(key);
    active.small.set(environment.latin1(full), { key: full, value });
    active.bytes += full.length + (value?.length ?? 0) + 100;
    this.onWrite();
    this.hash?.note(environment.crc32(value === undefined ? full : concatBytes(full, ONE_BYTE, value)));
  }

  private fullKey(key: Uint8Array): Uint8Array {
    const full = new Uint8Array(key.length + 1);
    full[0] = this.number;
    full.set(key, 1);
    return full;
  }
}

/** A row of the Small table as it is in the engine. */
export function readSmall(engine: Engine, key: Uint8Array, environment: Environment): Uint8Array | undefined {
  const stored = engine.get(Table.Small, key);
  return stored === undefined ? undefined : openSmall(key, stored, environment);
}
