import type { Batch, Table } from '../mvcc';

/** How often a commit that found no space is tried again. */
const RETRY_MS = 500;

export interface Patience {
  /** Whether a failed commit is one that the disk had no room for: nothing of it is in the file, and it may be made again. */
  readonly isNoSpace: (error: unknown) => boolean;
  /** Called at the first failure of a commit and, with undefined, when it has succeeded after all. */
  readonly onNoSpace: (error: unknown) => void;
  /** The store is being closed: no more waiting. */
  readonly isOver: () => boolean;
}

interface Row {
  readonly table: Table;
  readonly key: Uint8Array;
  /** Undefined: deleted. */
  readonly value: Uint8Array | undefined;
  readonly isAppended: boolean;
}

/**
 * A commit that waits for space instead of failing for want of it: the same rows are written again until there is room. Any
 * other failure is final, since after a failed sync nobody knows what is on the disk.
 */
export class PatientBatch implements Batch {
  private readonly rows: Row[] = [];
  private batch: Batch;

  constructor(
    private readonly newBatch: () => Batch,
    private readonly patience: Patience,
  ) {
    this.batch = newBatch();
  }

  put(table: Table, key: Uint8Array, value: Uint8Array): void {
    this.rows.push({ table, key, value, isAppended: false });
    this.batch.put(table, key, value);
  }

  append(table: Table, key: Uint8Array, value: Uint8Array): void {
    this.rows.push({ table, key, value, isAppended: true });
    this.batch.append(table, key, value);
  }

  delete(table: Table, key: Uint8Array): void {
    this.rows.push({ table, key, value: undefined, isAppended: false });
    this.batch.delete(table, key);
  }

  async commit(): Promise<void> {
    let failures = 0;
    for (;;) {
      try {
        await this.batch.commit();
        if (failures > 0) this.patience.onNoSpace(undefined);
        return;
      } catch (error) {
        if (!this.patience.isNoSpace(error)) throw error;
        if (failures++ === 0) this.patience.onNoSpace(error);
        await this.pause(error);
      }
      this.again();
    }
  }

  private async pause(error: unknown): Promise<void> {
    const until = performance.now() + RETRY_MS;
    while (performance.now() < until) {
      if (this.patience.isOver()) throw error;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS / 10));
    }
  }

  private again(): void {
    this.batch = this.newBatch();
    for (const { table, key, value, isAppended } of this.rows) {
      if (value === undefined) this.batch.delete(table, key);
      else if (isAppended) this.batch.append(table, key, value);
      else this.batch.put(table, key, value);
    }
  }
}
