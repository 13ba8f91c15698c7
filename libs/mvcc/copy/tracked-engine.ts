import type { Batch, Cursor, Engine, EngineSizes, ScanRange, Table } from '../engine';

/** Learns which rows a commit has changed, once it is durable. */
export interface ChangeTracker {
  changed(table: Table, key: Uint8Array): void;
}

/**
 * An engine that tells who asks which rows each commit changes. While nobody asks, batches are the engine's own, so that
 * writes cost nothing more.
 */
export class TrackedEngine implements Engine {
  private readonly trackers = new Set<ChangeTracker>();

  constructor(private engine: Engine) {}

  /** From here on everything is read from and written to another engine, which has the same rows. Gives the one before. */
  replace(engine: Engine): Engine {
    const before = this.engine;
    this.engine = engine;
    return before;
  }

  track(tracker: ChangeTracker): void {
    this.trackers.add(tracker);
  }

  untrack(tracker: ChangeTracker): void {
    this.trackers.delete(tracker);
  }

  get(table: Table, key: Uint8Array): Uint8Array | undefined {
    return this.engine.get(table, key);
  }

  scan(table: Table, range: ScanRange): Cursor {
    return this.engine.scan(table, range);
  }

  batch(): Batch {
    const batch = this.engine.batch();
    // A tracker that comes while this commit is under way scans later than its rows are visible, or tracks the next one:
    // see `StoreCopy.begin`.
    return this.trackers.size === 0 ? batch : new TrackedBatch(batch, this.trackers);
  }

  sizes(): EngineSizes {
    return this.engine.sizes();
  }

  close(): Promise<void> {
    return this.engine.close();
  }
}

/** Remembers its rows until it is durable: before that, a reader may still have seen the old ones. */
class TrackedBatch implements Batch {
  private readonly tables: Table[] = [];
  private readonly keys: Uint8Array[] = [];

  constructor(
    private readonly batch: Batch,
    private readonly trackers: ReadonlySet<ChangeTracker>,
  ) {}

  put(table: Table, key: Uint8Array, value: Uint8Array): void {
    this.note(table, key);
    this.batch.put(table, key, value);
  }

  append(table: Table, key: Uint8Array, value: Uint8Array): void {
    this.note(table, key);
    this.batch.append(table, key, value);
  }

  delete(table: Table, key: Uint8Array): void {
    this.note(table, key);
    this.batch.delete(table, key);
  }

  async commit(): Promise<void> {
    await this.batch.commit();
    for (const tracker of this.trackers) {
      this.keys.forEach((key, at) => tracker.changed(this.tables[at] as Table, key)); // as many as keys
    }
  }

  private note(table: Table, key: Uint8Array): void {
    this.tables.push(table);
    this.keys.push(key);
  }
}
