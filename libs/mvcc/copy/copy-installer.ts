import { compareBytes } from '../bytes';
import { type Engine, TABLES, type Table } from '../engine';
import { CorruptionError, type Environment } from '../environment';
import { readChunk } from './row-codec';
import type { CopyEnd } from './store-copy';

/** Builds a store from the chunks of a StoreCopy, in an engine that is empty and that nobody reads. */
export class CopyInstaller {
  private waiting: Uint8Array[] = [];
  private waitingBytes = 0;
  private chunks = 0;
  private rows = 0;
  /** The greatest key that each table has had. */
  private readonly greatest: (Uint8Array | undefined)[] = TABLES.map(() => undefined);

  /** `commitBytes`: what one commit takes; it holds the event loop for about 15 ms per megabyte of small rows. */
  constructor(
    private readonly engine: Engine,
    private readonly environment: Environment,
    private readonly commitBytes: number,
  ) {}

  /** The bytes belong to this from now on. @throws CorruptionError; or when the engine can't take it */
  async add(chunk: Uint8Array): Promise<void> {
    this.waiting.push(chunk);
    this.waitingBytes += chunk.length;
    if (this.waitingBytes >= this.commitBytes) await this.commit();
  }

  /** The copy is complete: everything is durable then. @throws CorruptionError if it is not what was sent */
  async finish(end: CopyEnd): Promise<void> {
    await this.commit();
    if (this.chunks !== end.chunks || this.rows !== end.rows) {
      throw new CorruptionError(
        `a store copy has ${end.chunks} chunks with ${end.rows} rows, but ${this.chunks} with ${this.rows} came`,
      );
    }
  }

  /** Rows of the first pass come in key order: appended, they fill their pages, where puts in order leave them half empty. */
  private isAfterAll(table: Table, key: Uint8Array): boolean {
    const before = this.greatest[table];
    if (before !== undefined && compareBytes(before, key) >= 0) return false;
    this.greatest[table] = key;
    return true;
  }

  /** All in one turn of the event loop, which makes it one commit. */
  private async commit(): Promise<void> {
    if (this.waiting.length === 0) return;
    const batch = this.engine.batch();
    for (const chunk of this.waiting) {
      this.rows += readChunk(chunk, this.chunks, this.environment, (table, key, value) => {
        if (value === undefined) batch.delete(table, key);
        else if (this.isAfterAll(table, key)) batch.append(table, key, value);
        else batch.put(table, key, value);
      });
      this.chunks += 1;
    }
    this.waiting = [];
    this.waitingBytes = 0;
    await batch.commit();
  }
}
