import { compareBytes, copyBytes } from '../bytes';
import { TABLES, type Table } from '../engine';
import type { Environment } from '../environment';
import type { Position } from '../types';
import { ChunkWriter, chunkOfRow } from './row-codec';
import type { ChangeTracker, TrackedEngine } from './tracked-engine';

export interface StoreCopyOptions {
  readonly engine: TrackedEngine;
  readonly environment: Environment;
  /** Runs the callback at a moment at which no commit is under way: at once or later, synchronously within that moment. */
  readonly whenQuiet: (callback: (position: Position) => void) => void;
  readonly limits?: Partial<StoreCopyLimits>;
  /** Throws if a row is not what was written, lest damage spreads. */
  readonly verify?: (table: Table, key: Uint8Array, value: Uint8Array) => void;
}

export interface StoreCopyLimits {
  readonly chunkBytes: number;
  /** With at most so many changed rows the copy is brought to its end in one turn. */
  readonly lastRoundKeys: number;
  /** After so many rounds ten times as many rows are taken in one turn, since the store changes as fast as it is copied. */
  readonly patientRounds: number;
  readonly lastRoundBytes: number;
  /** Changed rows that are remembered at most; beyond that the copy fails. */
  readonly changedKeysMax: number;
}

const LIMITS: StoreCopyLimits = {
  chunkBytes: 256 * 1024,
  lastRoundKeys: 4_000,
  patientRounds: 20,
  lastRoundBytes: 32 * 1024 * 1024,
  changedKeysMax: 2_000_000,
};

/** The store changes faster than it can be copied. */
export class CopyOvertakenError extends Error {
  override readonly name = 'CopyOvertakenError';
}

/** What a complete copy is of. */
export interface CopyEnd {
  readonly position: Position;
  readonly chunks: number;
  readonly rows: number;
}

/**
 * A consistent copy of everything in the engine, as chunks of rows, while commits go on and no reader stays open: first
 * all tables are read in key order, a chunk at a time; then, in rounds, the rows that commits have changed behind the
 * reader's back. Each round is shorter than the one before, since less time passes; the last one is read between two
 * commits, in one turn, and makes the copy equal to the engine at that moment.
 */
export class StoreCopy implements ChangeTracker {
  private readonly limits: StoreCopyLimits;
  /** Tables before this position in TABLES are read. */
  private tableAt = 0;
  /** Key after which reading goes on in the table of `tableAt`, as bytes and as text that sorts like them. */
  private cursor: Uint8Array | undefined;
  private cursorText = '';
  private changedKeys = TABLES.map(() => new Set<string>());
  private changedCount = 0;
  private round: { readonly table: Table; readonly key: string }[] = [];
  private roundAt = 0;
  private rounds = 0;
  private lastChunks: Uint8Array[] = [];
  private numbered = 0;
  private rowsRead = 0;
  private ended: CopyEnd | undefined;
  private failure: Error | undefined;
  private began = false;
  private closed = false;

  constructor(private readonly options: StoreCopyOptions) {
    this.limits = { ...LIMITS, ...options.limits };
  }

  /** Set once `next` has given undefined. */
  get end(): CopyEnd | undefined {
    return this.ended;
  }

  /** The next chunk, undefined after the last one. One call at a time. @throws CopyOvertakenError; what `verify` throws */
  async next(): Promise<Uint8Array | undefined> {
    if (!this.began) await this.begin();
    for (;;) {
      if (this.failure !== undefined) throw this.failure;
      const ready = this.lastChunks.shift();
      if (ready !== undefined) return ready;
      if (this.ended !== undefined) return undefined;
      const chunk = this.tableAt < TABLES.length ? this.readTable() : this.readRound();
      if (chunk !== undefined) return chunk;
      if (this.tableAt === TABLES.length && this.roundAt === this.round.length) await this.nextRound();
    }
  }

  close(): void {
    this.closed = true;
    this.options.engine.untrack(this);
  }

  changed(table: Table, key: Uint8Array): void {
    const at = TABLES.indexOf(table);
    const text = this.options.environment.latin1(key);
    // What lies ahead of the reader will be read as it is then: this commit is visible by now.
    if (at > this.tableAt || (at === this.tableAt && (this.cursor === undefined || text > this.cursorText))) return;
    const keys = this.changedKeys[at] as Set<string>; // one for each table
    const before = keys.size;
    keys.add(text);
    this.changedCount += keys.size - before;
    if (this.changedCount > this.limits.changedKeysMax)
      this.failure ??= new CopyOvertakenError(
        `more than ${this.limits.changedKeysMax} rows changed while being copied`,
      );
  }

  /** At a quiet moment, so that there is no commit whose rows are neither visible nor tracked. */
  private begin(): Promise<void> {
    this.began = true;
    return new Promise((resolve) => {
      this.options.whenQuiet(() => {
        if (!this.closed) this.options.engine.track(this);
        resolve();
      });
    });
  }

  private readTable(): Uint8Array | undefined {
    const table = TABLES[this.tableAt] as Table; // in range: the caller has looked
    const { environment, engine, verify } = this.options;
    const writer = new ChunkWriter(this.limits.chunkBytes);
    const { cursor } = this;
    const rows = engine.scan(table, { start: cursor });
    let last: Uint8Array | undefined;
    try {
      while (rows.next()) {
        const { key, value } = rows;
        if (cursor !== undefined && last === undefined && compareBytes(key, cursor) === 0) continue;
        verify?.(table, key, value);
        if (!writer.add(table, key, value)) {
          if (last !== undefined) break;
          this.moveTo(key);
          this.rowsRead += 1;
          return chunkOfRow(table, key, value, this.numbered++, environment);
        }
        last = key;
      }
    } finally {
      rows.close();
    }
    if (last === undefined) {
      this.tableAt += 1;
      this.cursor = undefined;
    } else this.moveTo(last);
    return this.finish(writer);
  }

  private moveTo(key: Uint8Array): void {
    this.cursor = copyBytes(key);
    this.cursorText = this.options.environment.latin1(this.cursor);
  }

  private finish(writer: ChunkWriter): Uint8Array | undefined {
    if (writer.rows === 0) return undefined;
    this.rowsRead += writer.rows;
    return writer.finish(this.numbered++, this.options.environment);
  }

  /** As many rows of the round as fit into a chunk. */
  private readRound(): Uint8Array | undefined {
    const { engine, environment, verify } = this.options;
    const writer = new ChunkWriter(this.limits.chunkBytes);
    while (this.roundAt < this.round.length) {
      const { table, key: text } = this.round[this.roundAt] as { table: Table; key: string };
      const key = bytesOf(text);
      const value = engine.get(table, key);
      if (value !== undefined) verify?.(table, key, value);
      if (!writer.add(table, key, value)) {
        if (writer.rows > 0) break;
        this.roundAt += 1;
        this.rowsRead += 1;
        return chunkOfRow(table, key, value, this.numbered++, environment);
      }
      this.roundAt += 1;
    }
    return this.finish(writer);
  }

  private nextRound(): Promise<void> {
    this.rounds += 1;
    const { lastRoundKeys, patientRounds } = this.limits;
    const keysMax = this.rounds > patientRounds ? 10 * lastRoundKeys : lastRoundKeys;
    if (this.changedCount > keysMax) {
      this.takeChanges();
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      this.options.whenQuiet((position) => {
        // The commit that has just ended may have changed many.
        this.takeChanges();
        if (this.round.length <= 2 * keysMax) this.endHere(position);
        resolve();
      });
    });
  }

  private takeChanges(): void {
    this.round = [];
    this.roundAt = 0;
    this.changedKeys.forEach((keys, at) => {
      for (const key of keys) this.round.push({ table: TABLES[at] as Table, key }); // one set for each table
    });
    this.changedKeys = TABLES.map(() => new Set<string>());
    this.changedCount = 0;
  }

  /** Reads the whole round now, between two commits: the engine is the same for all of it. */
  private endHere(position: Position): void {
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for (let chunk = this.readRound(); chunk !== undefined; chunk = this.readRound()) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > this.limits.lastRoundBytes && this.rounds <= 2 * this.limits.patientRounds) break;
    }
    this.lastChunks = chunks;
    // Too much for one turn: what was read is sent like any other round, and the rest of it after that.
    if (this.roundAt < this.round.length) return;
    this.ended = { position, chunks: this.numbered, rows: this.rowsRead };
    this.close();
  }
}

function bytesOf(latin1: string): Uint8Array {
  const bytes = new Uint8Array(latin1.length);
  for (let i = 0; i < latin1.length; i += 1) bytes[i] = latin1.charCodeAt(i);
  return bytes;
}
