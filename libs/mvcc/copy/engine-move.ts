import { type Engine, TABLES, type Table } from '../engine';
import { assert, CorruptionError, type Environment } from '../environment';
import { decodeState, EMPTY_STATE, STATE_KEY } from '../schema';
import { readSmall } from '../small-tables';
import type { CopiedSlice, MovedRow, Position, RowMover, StoreMove } from '../types';
import type { ChangeTracker, TrackedEngine } from './tracked-engine';

export interface EngineMoveOptions {
  readonly engine: TrackedEngine;
  readonly environment: Environment;
  /** Runs the callback at a moment at which no commit is under way: at once or later, synchronously within that moment. */
  readonly whenQuiet: (callback: (position: Position) => void) => void;
  /** At such a moment: nothing is committed until the function that is returned has been called. */
  readonly holdCommits: () => () => void;
}

/** With at most so many changed rows left, commits are held back until these are copied too. */
const LAST_ROUND_ROWS = 2_000;
/** After so many rounds they are held back however many are left: the store changes as fast as it is copied. */
const ROUNDS_MAX = 12;
const ROWS_PER_CALL = 500;

/**
 * See `Store.move`. First all tables are copied in key order, slice by slice, by a mover that reads the engine by itself; then,
 * in rounds, the rows that commits have changed behind its back. The last round is copied while commits wait, so that the copy
 * is equal to the engine, and stays so until the move is over.
 */
export class EngineMove implements StoreMove, ChangeTracker {
  /** Tables before this position in TABLES are copied. */
  private tableAt = 0;
  /** The current table is copied up to this key, latin1; undefined: nothing of it is. */
  private cursor: string | undefined;
  /** Changes of the current table behind the cursor while a slice is being copied: it may have passed them or not. */
  private ahead: string[] = [];
  private changes: Set<string>[] = TABLES.map(() => new Set<string>());
  private position: Position | undefined;
  private release: (() => void) | undefined;
  private over = false;

  constructor(private readonly options: EngineMoveOptions) {}

  async copy(mover: RowMover, pause: (bytes: number) => Promise<void>): Promise<void> {
    await this.whenQuiet(() => this.options.engine.track(this));
    for (const table of TABLES) await this.copyTable(table, mover, pause);
    for (let round = 1; this.changedCount > LAST_ROUND_ROWS && round < ROUNDS_MAX; round++) {
      await this.copyChanges(mover, pause);
    }
    await this.whenQuiet((position) => {
      this.release = this.options.holdCommits();
      this.options.engine.untrack(this);
      this.position = position;
    });
    await this.copyChanges(mover, () => Promise.resolve());
  }

  changed(table: Table, key: Uint8Array): void {
    const at = TABLES.indexOf(table);
    // A table that nobody has begun to read will be read as it is then: this commit is visible by now.
    if (at > this.tableAt) return;
    const text = this.options.environment.latin1(key);
    if (at === this.tableAt && (this.cursor === undefined || text > this.cursor)) this.ahead.push(text);
    else this.changes[at]?.add(text);
  }

  check(engine: Engine): void {
    const row = readSmall(engine, STATE_KEY, this.options.environment);
    const { applied } = row === undefined ? EMPTY_STATE : decodeState(row);
    const { position } = this;
    if (position === undefined || applied.index !== position.index || applied.term !== position.term)
      throw new CorruptionError(`the copy stands at entry ${applied.index}, not at ${position?.index}`);
  }

  async adopt(engine: Engine): Promise<void> {
    const { release } = this;
    assert(release !== undefined && !this.over, 'a store moves once its copy is complete');
    this.over = true;
    const before = this.options.engine.replace(engine);
    release();
    await before.close();
  }

  close(): void {
    if (this.over) return;
    this.over = true;
    this.options.engine.untrack(this);
    this.release?.();
  }

  private get changedCount(): number {
    return this.changes.reduce((sum, keys) => sum + keys.size, 0);
  }

  private async copyTable(table: Table, mover: RowMover, pause: (bytes: number) => Promise<void>): Promise<void> {
    this.cursor = undefined;
    for (let after: Uint8Array | undefined; ; ) {
      const slice: CopiedSlice = await mover.copyTable(table, after);
      this.settleAhead(slice.last);
      if (slice.last === undefined) break;
      after = slice.last;
      await pause(slice.bytes);
    }
    this.tableAt += 1;
  }

  /** What lies behind the slice's last key will be read as it is by now; without one the whole table has been read. */
  private settleAhead(last: Uint8Array | undefined): void {
    const text = last && this.options.environment.latin1(last);
    for (const key of this.ahead) if (text === undefined || key <= text) this.changes[this.tableAt]?.add(key);
    this.ahead = [];
    if (text !== undefined) this.cursor = text;
  }

  private async copyChanges(mover: RowMover, pause: (bytes: number) => Promise<void>): Promise<void> {
    const rows: MovedRow[] = this.changes.flatMap(
      (keys, at) => Array.from(keys, (key) => ({ table: TABLES[at] as Table, key })), // a set for each table
    );
    this.changes = TABLES.map(() => new Set<string>());
    for (let at = 0; at < rows.length; at += ROWS_PER_CALL) {
      await pause(await mover.copyRows(rows.slice(at, at + ROWS_PER_CALL)));
    }
  }

  private whenQuiet(callback: (position: Position) => void): Promise<void> {
    return new Promise((resolve) => {
      this.options.whenQuiet((position) => {
        if (!this.over) callback(position);
        resolve();
      });
    });
  }
}
