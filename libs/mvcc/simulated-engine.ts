import { compareBytes, copyBytes } from './bytes';
import {
  type Batch,
  type Cursor,
  ENGINE_KEY_BYTES_MAX,
  type Engine,
  type EngineSizes,
  type ScanRange,
  TABLES,
  Table,
} from './engine';
import { assert } from './environment';
import { firstIndex } from './ordered-keys';

interface Row {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}
type Rows = readonly Row[];
interface Write extends Row {
  readonly table: Table;
  readonly isDelete: boolean;
}

function applyWrites(tables: readonly Rows[], writes: readonly Write[]): readonly Rows[] {
  const next = tables.map((rows) => rows.slice());
  for (const { table, key, value, isDelete } of writes) {
    const rows = next[table] as Row[];
    const at = firstIndex(rows.length, (i) => compareBytes((rows[i] as Row).key, key) >= 0);
    const present = at < rows.length && compareBytes((rows[at] as Row).key, key) === 0;
    if (isDelete) {
      if (present) rows.splice(at, 1);
    } else rows.splice(at, present ? 1 : 0, { key, value });
  }
  return next;
}

/**
 * A disk in memory that survives "crashes" of the engines opened on it. A commit is visible at once and durable when
 * `sync` runs; the promise resolves then. `crash` loses what is not durable and makes every engine opened so far fail.
 */
export class SimulatedDisk {
  private durable: readonly Rows[] = TABLES.map(() => []);
  private generation = 0;
  private pending: { tables: readonly Rows[]; resolve: () => void } | undefined;
  /** Commits become durable by themselves, in a later turn. */
  autoSync = true;
  readonly counters = { commits: 0, puts: 0, deletes: 0, gets: 0, scans: 0, rowsScanned: 0 };

  open(): Engine {
    return new SimulatedEngine(this, this.generation, this.durable);
  }

  /** Makes the commit under way durable. */
  sync(): void {
    const pending = this.pending;
    if (pending === undefined) return;
    this.pending = undefined;
    this.durable = pending.tables;
    pending.resolve();
  }

  crash(): void {
    this.generation++;
    this.pending = undefined;
  }

  isCurrent(generation: number): boolean {
    return generation === this.generation;
  }

  commit(tables: readonly Rows[]): Promise<void> {
    assert(this.pending === undefined, 'one commit at a time');
    this.counters.commits++;
    return new Promise((resolve) => {
      const pending = { tables, resolve };
      this.pending = pending;
      if (this.autoSync) void Promise.resolve().then(() => this.pending === pending && this.sync());
    });
  }
}

class SimulatedEngine implements Engine {
  constructor(
    private readonly disk: SimulatedDisk,
    private readonly generation: number,
    private tables: readonly Rows[],
  ) {}

  get(table: Table, key: Uint8Array): Uint8Array | undefined {
    this.check(key);
    this.disk.counters.gets++;
    const rows = this.tables[table] as Rows;
    const row = rows[firstIndex(rows.length, (i) => compareBytes((rows[i] as Row).key, key) >= 0)];
    return row !== undefined && compareBytes(row.key, key) === 0 ? row.value : undefined;
  }

  scan(table: Table, range: ScanRange): Cursor {
    this.disk.counters.scans++;
    const rows = this.tables[table] as Rows;
    const { start, end } = range;
    if (start !== undefined) this.check(start);
    if (end !== undefined) this.check(end);
    const from =
      start === undefined ? 0 : firstIndex(rows.length, (i) => compareBytes((rows[i] as Row).key, start) >= 0);
    const to =
      end === undefined ? rows.length : firstIndex(rows.length, (i) => compareBytes((rows[i] as Row).key, end) >= 0);
    return new SimulatedCursor(rows, from, Math.max(from, to), range.reverse ?? false, this.disk.counters);
  }

  batch(): Batch {
    const writes: Write[] = [];
    const { puts, deletes } = { puts: 'puts', deletes: 'deletes' } as const;
    const add = (table: Table, key: Uint8Array, value: Uint8Array, isDelete: boolean): void => {
      this.check(key);
      this.disk.counters[isDelete ? deletes : puts]++;
      writes.push({ table, key: copyBytes(key), value: copyBytes(value), isDelete });
    };
    return {
      put: (table, key, value) => add(table, key, value, false),
      append: (table, key, value) => {
        const written = writes.filter((write) => write.table === table && !write.isDelete).map((write) => write.key);
        const last = this.tables[table]?.at(-1)?.key;
        for (const other of last === undefined ? written : [last, ...written])
          assert(compareBytes(other, key) < 0, 'a key that is appended sorts after all others');
        add(table, key, value, false);
      },
      delete: (table, key) => add(table, key, key, true),
      commit: () => {
        assert(this.disk.isCurrent(this.generation), 'a crashed engine is not written to');
        this.tables = applyWrites(this.tables, writes);
        return this.disk.commit(this.tables);
      },
    };
  }

  sizes(): EngineSizes {
    let inUse = 0;
    for (const rows of this.tables) for (const row of rows) inUse += row.key.length + row.value.length;
    return { file: inUse, inUse, counted: inUse };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  private check(key: Uint8Array): void {
    assert(
      key.length > 0 && key.length <= ENGINE_KEY_BYTES_MAX,
      `an engine key has 1 to ${ENGINE_KEY_BYTES_MAX} bytes`,
    );
  }
}

class SimulatedCursor implements Cursor {
  private current: Row | undefined;

  constructor(
    private readonly rows: Rows,
    private from: number,
    private to: number,
    private readonly reverse: boolean,
    private readonly counters: { rowsScanned: number },
  ) {}

  get key(): Uint8Array {
    return (this.current as Row).key;
  }

  get value(): Uint8Array {
    return (this.current as Row).value;
  }

  next(): boolean {
    if (this.from >= this.to) return false;
    this.counters.rowsScanned++;
    this.current = this.rows[this.reverse ? --this.to : this.from++];
    return true;
  }

  close(): void {}
}
