import { readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';
import { basename, join } from 'node:path';
import { type MessagePort, Worker } from 'node:worker_threads';
import { type Batch, compareBytes, type CopiedSlice, type MovedRow, type RowMover, TABLES, type Table } from '../mvcc';
import { syncDirectory } from '../process';
import { LmdbEngine } from './lmdb-engine';

/** What one commit takes: small, so that the log's own syncs never wait long for this one's. */
const SLICE_BYTES = 256 * 1024;
/** Its work can wait; that of other threads can't. */
const NICENESS = 10;

type Command =
  | { readonly kind: 'table'; readonly table: Table; readonly after: Uint8Array | undefined }
  | { readonly kind: 'rows'; readonly rows: readonly MovedRow[] }
  | { readonly kind: 'close' };

type Report =
  | ({ readonly kind: 'table' } & CopiedSlice)
  | { readonly kind: 'rows'; readonly bytes: number }
  | { readonly kind: 'failed'; readonly message: string };

/** Between which files a thread copies; given to it at its start. */
interface Route {
  /** The LMDB file that this process has open. */
  readonly source: string;
  /** An empty directory. */
  readonly target: string;
}

/**
 * Copies rows of an open LMDB file into a new one, in a thread of its own that reads the file itself: this thread's event loop
 * and heap have no part in it. `workerFile` is a script that calls `runRowMover`.
 */
export class ThreadRowMover implements RowMover {
  private readonly worker: Worker;
  private readonly ended: Promise<void>;
  private waiting: { resolve: (report: Report) => void; reject: (error: Error) => void } | undefined;
  private failure: Error | undefined;

  constructor(workerFile: string, source: string, target: string) {
    const workerData: Route = { source, target };
    this.worker = new Worker(workerFile, { workerData });
    this.worker.on('message', (report: Report) => {
      if (report.kind === 'failed') this.fail(new Error(report.message));
      else this.waiting?.resolve(report);
    });
    this.worker.on('error', (error: unknown) => this.fail(error instanceof Error ? error : new Error(String(error))));
    this.ended = new Promise((resolve) => {
      this.worker.on('exit', () => {
        this.fail(new Error('the thread that copies the store has ended'));
        resolve();
      });
    });
  }

  async copyTable(table: Table, after: Uint8Array | undefined): Promise<CopiedSlice> {
    const report = await this.ask({ kind: 'table', table, after });
    if (report.kind !== 'table') throw new Error(`unexpected report ${report.kind}`);
    return report;
  }

  async copyRows(rows: readonly MovedRow[]): Promise<number> {
    const report = await this.ask({ kind: 'rows', rows });
    if (report.kind !== 'rows') throw new Error(`unexpected report ${report.kind}`);
    return report.bytes;
  }

  /** Resolves when the thread has let go of both files. It is not terminated, since it may be reading. */
  async close(): Promise<void> {
    this.worker.postMessage({ kind: 'close' } satisfies Command);
    await this.ended;
  }

  private ask(command: Command): Promise<Report> {
    return new Promise((resolve, reject) => {
      if (this.failure !== undefined) return reject(this.failure);
      this.waiting = { resolve, reject };
      this.worker.postMessage(command);
    });
  }

  private fail(error: Error): void {
    this.failure ??= error;
    this.waiting?.reject(this.failure);
  }
}

/** The thread's side. */
export function runRowMover(port: MessagePort, { source, target }: Route): void {
  lowerPriority();
  const report = (message: Report): void => port.postMessage(message);
  const opened = attempt(() => new RowCopier(new LmdbEngine(source), new LmdbEngine(join(target, 'db'))));
  if (opened.ok) syncDirectory(target);
  let before: Promise<void> = Promise.resolve();
  const carryOut = async (command: Command): Promise<void> => {
    if (!opened.ok) {
      report({ kind: 'failed', message: opened.message });
      if (command.kind === 'close') port.close();
    } else if (command.kind === 'close') {
      await opened.value.close();
      port.close();
    } else if (command.kind === 'table')
      report({ kind: 'table', ...(await opened.value.copyTable(command.table, command.after)) });
    else report({ kind: 'rows', bytes: await opened.value.copyRows(command.rows) });
  };
  port.on('message', (command: Command) => {
    before = before
      .then(() => carryOut(command))
      .catch((error: unknown) => report({ kind: 'failed', message: textOf(error) }));
  });
}

type Attempt<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly message: string };

function attempt<T>(make: () => T): Attempt<T> {
  try {
    return { ok: true, value: make() };
  } catch (error) {
    return { ok: false, message: textOf(error) };
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Copies rows of one LMDB file into another. */
export class RowCopier {
  /** The greatest key that each table of the target has had. */
  private readonly greatest: (Uint8Array | undefined)[] = TABLES.map(() => undefined);

  constructor(
    private readonly source: LmdbEngine,
    private readonly target: LmdbEngine,
  ) {}

  async copyTable(table: Table, after: Uint8Array | undefined): Promise<CopiedSlice> {
    this.source.renew();
    const batch = this.target.batch();
    const rows = this.source.scan(table, { start: after });
    let last: Uint8Array | undefined;
    let bytes = 0;
    try {
      while (bytes < SLICE_BYTES && rows.next()) {
        const { key, value } = rows;
        if (after !== undefined && last === undefined && compareBytes(key, after) === 0) continue;
        this.put(batch, table, key, value);
        bytes += key.length + value.length;
        last = key;
      }
    } finally {
      rows.close();
    }
    await batch.commit();
    return { last, bytes };
  }

  async copyRows(rows: readonly MovedRow[]): Promise<number> {
    this.source.renew();
    const batch = this.target.batch();
    let bytes = 0;
    for (const { table, key: text } of rows) {
      const key = new Uint8Array(Buffer.from(text, 'latin1'));
      const value = this.source.get(table, key);
      bytes += key.length + (value?.length ?? 0);
      if (value === undefined) batch.delete(table, key);
      // The engine's own bytes are valid only until the next row is asked for.
      else this.put(batch, table, key, value.slice());
    }
    await batch.commit();
    return bytes;
  }

  /** Everything, of a file that nobody changes. */
  async copyAll(): Promise<void> {
    for (const table of TABLES) {
      let after: Uint8Array | undefined;
      do after = (await this.copyTable(table, after)).last;
      while (after !== undefined);
    }
  }

  async close(): Promise<void> {
    await this.source.close();
    await this.target.close();
  }

  /** Rows of the first pass come in key order: appended, they fill their pages, where puts in order leave them half empty. */
  private put(batch: Batch, table: Table, key: Uint8Array, value: Uint8Array): void {
    const greatest = this.greatest[table];
    if (greatest !== undefined && compareBytes(greatest, key) >= 0) return batch.put(table, key, value);
    this.greatest[table] = key;
    batch.append(table, key, value);
  }
}

/** On Linux priorities are a thread's own, and the threads that it starts inherit them. */
function lowerPriority(): void {
  try {
    setPriority(Number(basename(readlinkSync('/proc/thread-self'))), NICENESS);
  } catch {
    // Elsewhere, or where it is not allowed, the copy competes on equal terms.
  }
}
