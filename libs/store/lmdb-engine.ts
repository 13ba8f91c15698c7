import { statSync } from 'node:fs';
import { type Database, open, type RootDatabase, type RootDatabaseOptionsWithPath } from 'lmdb';
import {
  type Batch,
  CorruptionError,
  type Cursor,
  ENGINE_KEY_BYTES_MAX,
  type Engine,
  type EngineSizes,
  type ScanRange,
  Slab,
  TABLES,
  Table,
} from '../mvcc';
import { type Patience, PatientBatch } from './patient-batch';

const DAMAGED = /MDB_(CORRUPTED|PAGE_NOTFOUND|INVALID|PANIC|BAD_TXN|VERSION_MISMATCH|CURSOR_FULL|PAGE_FULL)/;
const PAGE_BYTES = 8192;
/** Address space, not memory. lmdb-js keeps every outgrown map until it closes, so the first should last. */
const MAP_BYTES = 16 * 1024 ** 3;
const TABLE_NAMES = ['latest', 'long', 'history', 'small'] as const;

const slab = new Slab();

/** Bytes as they are; rows of a cursor are copied into slabs. lmdb-js asks a decoder without `needsStableBuffer` at once. */
const valueEncoder = {
  encode: (value: Uint8Array) => value,
  // lmdb-js overrides the length of its shared buffer.
  decode: (shared: Uint8Array, size: number) => slab.copy(new Uint8Array(shared.buffer, shared.byteOffset, size)),
};
const keyEncoder = {
  writeKey(key: Uint8Array, target: Uint8Array, at: number): number {
    target.set(key, at);
    return at + key.length;
  },
  readKey(source: Uint8Array, from: number, to: number): Uint8Array {
    const key = slab.take(to - from);
    for (let i = 0; i < key.length; i++) key[i] = source[from + i] as number;
    return key;
  },
};

type Rows = Omit<Database<Uint8Array, Uint8Array>, 'put'>;
interface Row {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}
/** What lmdb-js has and its type declarations lack. */
interface Untyped {
  /** Bytes of the value that was read last. */
  readonly lastSize: number;
  put(key: Uint8Array, value: Uint8Array, options?: { readonly append: boolean }): Promise<boolean>;
}
interface UntypedOptions extends RootDatabaseOptionsWithPath {
  readonly safeRestore: boolean;
}
interface PageCounts {
  readonly treeBranchPageCount: number;
  readonly treeLeafPageCount: number;
  readonly overflowPages: number;
}

/**
 * LMDB through lmdb-js. A batch is handed to lmdb-js's write thread within one turn of the event loop, which makes it one
 * transaction; its promise resolves after the flush.
 *
 * `overlappingSync` is off: it shortens the time for which the writer's lock is held at the price of a second write of
 * the meta page, and with one commit at a time nobody waits for that lock. `safeRestore` is set all the same, for files
 * that were written with it. Pages of 8 kB took a fifth less CPU per put than pages of 4 kB.
 */
export class LmdbEngine implements Engine {
  private readonly root: RootDatabase<Uint8Array, Uint8Array>;
  private readonly tables: readonly (Rows & Untyped)[];
  private readonly file: string;

  /**
   * `patience`: what to do when the disk is full; without it a commit that finds no space fails. `onCommit` is told how
   * long each commit took, milliseconds.
   */
  constructor(
    file: string,
    private readonly patience?: Patience,
    private readonly onCommit: (tookMs: number) => void = () => undefined,
  ) {
    this.file = file;
    const rows = { encoder: valueEncoder, keyEncoder } as const;
    const options: UntypedOptions = {
      ...rows,
      path: file,
      noSubdir: true,
      pageSize: PAGE_BYTES,
      mapSize: MAP_BYTES,
      maxDbs: TABLES.length + 1,
      maxReaders: 16,
      safeRestore: true,
      overlappingSync: false,
    };
    try {
      this.root = open<Uint8Array, Uint8Array>(options);
      this.tables = TABLE_NAMES.map(
        (name) => this.root.openDB<Uint8Array, Uint8Array>({ name, ...rows }) as unknown as Rows & Untyped,
      );
    } catch (error) {
      throw named(error, file);
    }
  }

  get(table: Table, key: Uint8Array): Uint8Array | undefined {
    const rows = this.rows(table);
    const shared = this.read(rows, key);
    // Not subarray: that of a Buffer is slow.
    return shared === undefined ? undefined : new Uint8Array(shared.buffer, shared.byteOffset, rows.lastSize);
  }

  scan(table: Table, range: ScanRange): Cursor {
    return new LmdbCursor(this.rows(table), range, this.file);
  }

  batch(): Batch {
    const { patience } = this;
    return patience === undefined ? this.plainBatch() : new PatientBatch(() => this.plainBatch(), patience);
  }

  private plainBatch(): Batch {
    let last: Promise<boolean> | undefined;
    const add = (written: Promise<boolean>): void => {
      if (written === last) return;
      // lmdb-js makes a few promises for one transaction; all fail alike, and one is awaited.
      written.catch(() => undefined);
      last = written;
    };
    return {
      put: (table, key, value) => add(this.rows(table).put(key, value)),
      append: (table, key, value) => add(this.rows(table).put(key, value, { append: true })),
      delete: (table, key) => add(this.rows(table).remove(key)),
      commit: async () => {
        const started = performance.now();
        try {
          await last;
          this.onCommit(performance.now() - started);
        } catch (error) {
          throw await commitError(error);
        }
      },
    };
  }

  /** Reads from here on see what other threads have committed by now. Of its own commits an engine knows by itself. */
  renew(): void {
    this.root.resetReadTxn();
  }

  sizes(): EngineSizes {
    const file = statSync(this.file).size;
    const pages = this.tables.map((rows) => pagesOf(rows.getStats() as PageCounts));
    const bytes = (of: readonly number[]): number =>
      Math.min(file, of.reduce((sum, count) => sum + count, 0) * PAGE_BYTES);
    const once = pages.filter((_, at) => at !== Table.Latest && at !== Table.Long);
    return { file, inUse: bytes(pages), counted: bytes(once) };
  }

  async close(): Promise<void> {
    await this.root.close();
  }

  private read(rows: Rows, key: Uint8Array): Uint8Array | undefined {
    try {
      return rows.getBinaryFast(key);
    } catch (error) {
      throw named(error, this.file);
    }
  }

  private rows(table: Table): Rows & Untyped {
    return this.tables[table] as Rows & Untyped;
  }
}

/** What LMDB says of a file whose pages make no sense; other errors as they are. */
function named(error: unknown, file: string): unknown {
  const text = String(error instanceof Error ? error.message : error);
  if (!DAMAGED.test(text)) return error;
  return new CorruptionError(`a page of ${file} is damaged: ${text}`);
}

/** The system's reason for a failed commit, which lmdb-js gives as a promise that rejects with it. */
async function commitError(error: unknown): Promise<Error> {
  const { commitError: reason } = error as { commitError?: Promise<never> };
  try {
    await reason;
  } catch (cause) {
    return new Error(`commit to the store failed: ${String(cause)}`, { cause });
  }
  return new Error(`commit to the store failed: ${String(error)}`, { cause: error });
}

function pagesOf(counts: PageCounts): number {
  return counts.treeBranchPageCount + counts.treeLeafPageCount + counts.overflowPages;
}

const FIRST_KEY = Uint8Array.of(0);
/** Sorts after every key: none is as long. */
const LAST_KEY = new Uint8Array(ENGINE_KEY_BYTES_MAX).fill(0xff);

class LmdbCursor implements Cursor {
  key: Uint8Array = FIRST_KEY;
  value: Uint8Array = FIRST_KEY;
  private readonly rows: Iterator<Row> | undefined;

  constructor(
    rows: Rows,
    { start, end, reverse }: ScanRange,
    private readonly file: string,
  ) {
    const low = start ?? FIRST_KEY;
    const high = end ?? LAST_KEY;
    if (Buffer.compare(low, high) >= 0) return;
    // lmdb-js names the bounds in the order of travel.
    const options = reverse
      ? { start: high, end: low, reverse: true, exclusiveStart: true, inclusiveEnd: true }
      : { start: low, end: high };
    this.rows = rows.getRange(options)[Symbol.iterator]();
  }

  next(): boolean {
    const row = this.step();
    if (row === undefined || row.done) return false;
    this.key = row.value.key;
    this.value = row.value.value;
    return true;
  }

  close(): void {
    this.rows?.return?.();
  }

  private step(): IteratorResult<Row> | undefined {
    try {
      return this.rows?.next();
    } catch (error) {
      throw named(error, this.file);
    }
  }
}
