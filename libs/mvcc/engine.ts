/**
 * The storage engine under the store: a few ordered tables of bytes to bytes.
 *
 * The crash rule every engine obeys: a commit is atomic; once its promise has resolved it survives any crash; before, a
 * crash leaves either all of it or nothing, and never a later commit without an earlier one.
 * What has been committed is visible to reads at the latest when the promise resolves. A commit that fails rejects, and
 * the caller ends the process.
 */
export const Table = { Latest: 0, Long: 1, History: 2, Small: 3 } as const;
export type Table = (typeof Table)[keyof typeof Table];
export const TABLES: readonly Table[] = [Table.Latest, Table.Long, Table.History, Table.Small];

/** Longest key an engine takes, bytes. The shortest is 1. */
export const ENGINE_KEY_BYTES_MAX = 1920;

export interface ScanRange {
  /** Inclusive; undefined: from the first. */
  readonly start?: Uint8Array | undefined;
  /** Exclusive; undefined: to the last. */
  readonly end?: Uint8Array | undefined;
  /** From the last to the first. */
  readonly reverse?: boolean;
}

/** Rows of a range at one moment. Must be closed, unless `next` has said false. Lives within one turn of the event loop. */
export interface Cursor {
  /** The row that `next` moved to; copies, which stay valid. */
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  next(): boolean;
  close(): void;
}

/** Writes of one commit, all handed over in one turn of the event loop. Byte arrays belong to the engine until it is done. */
export interface Batch {
  put(table: Table, key: Uint8Array, value: Uint8Array): void;
  /** A put of a key that sorts after every key that the table has ever had: pages are filled to the brim. */
  append(table: Table, key: Uint8Array, value: Uint8Array): void;
  /** No error if the row is missing. */
  delete(table: Table, key: Uint8Array): void;
  /** Resolves when durable. One commit at a time. */
  commit(): Promise<void>;
}

export interface EngineSizes {
  /** Bytes of the file. */
  readonly file: number;
  /** Bytes of it that hold data. */
  readonly inUse: number;
  /** The same without Latest and Long, whose rows are in History too. */
  readonly counted: number;
}

export interface Engine {
  /** The row's value, valid until the next call of any method of the engine; undefined if there is none. */
  get(table: Table, key: Uint8Array): Uint8Array | undefined;
  scan(table: Table, range: ScanRange): Cursor;
  batch(): Batch;
  sizes(): EngineSizes;
  close(): Promise<void>;
}
