import { existsSync, rmSync, statfsSync, statSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Engine } from '../../libs/mvcc';
import type { Logger } from '../../libs/process';
import { isNoSpace, LmdbEngine, type Patience } from '../../libs/store';
import { limits } from './limits';

const RESERVE_FILE = 'reserve';
const CHUNK_BYTES = 1024 * 1024;

/**
 * The disk that the store is on. A file keeps some of its space back; it goes when a commit finds the disk full, so that
 * deletions and compaction, which make room within the store, need no help from outside.
 */
export class StoreDisk {
  /** Told when a commit begins to wait for space, and when it waits no longer. */
  onChange: () => void = () => undefined;
  readonly patience: Patience;
  private closed = false;
  private full = false;
  private making = false;

  constructor(
    private readonly storeDir: string,
    private readonly logger: Logger,
  ) {
    this.patience = {
      isNoSpace: (error) => isNoSpace(error, storeDir),
      onNoSpace: (error) => this.noSpace(error),
      isOver: () => this.closed,
    };
  }

  /** Opens another file as the store that is in use is opened. */
  readonly openEngine = (file: string): Engine => new LmdbEngine(file, this.patience);

  /** A commit that waits for space waits no longer. What it lacks is in the log. */
  close(): void {
    this.closed = true;
  }

  /** A commit is waiting for space, or there is too little left to go on for long. */
  get isFull(): boolean {
    return this.full || this.freeBytes() < limits.diskFreeBytesMin;
  }

  /** A commit is waiting for space. */
  get isWaiting(): boolean {
    return this.full;
  }

  private noSpace(error: unknown): void {
    this.full = error !== undefined;
    if (this.full) {
      this.logger.error({ error: String(error) }, 'no space left on device: the commit waits for it');
      rmSync(this.reserveFile, { force: true });
    } else this.logger.info({}, 'there is space on the device again');
    this.onChange();
  }

  /** Keeps space back, if there is plenty. */
  async reserve(): Promise<void> {
    const isThere = existsSync(this.reserveFile) && statSync(this.reserveFile).size >= limits.diskReserveBytes;
    if (isThere || this.making || this.full || this.freeBytes() < 16 * limits.diskReserveBytes) return;
    this.making = true;
    const temporary = `${this.reserveFile}.tmp`;
    try {
      await writeZeros(temporary, limits.diskReserveBytes);
      await rename(temporary, this.reserveFile);
    } catch (error) {
      this.logger.warn({ error: String(error) }, 'no space could be kept back for a full disk');
      await rm(temporary, { force: true });
    } finally {
      this.making = false;
    }
  }

  private freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.storeDir);
    return bavail * bsize;
  }

  private get reserveFile(): string {
    return join(this.storeDir, RESERVE_FILE);
  }
}

async function writeZeros(path: string, bytes: number): Promise<void> {
  const file = await open(path, 'w', 0o600);
  try {
    const zeros = Buffer.alloc(CHUNK_BYTES);
    for (let at = 0; at < bytes; at += zeros.length) await file.write(zeros, 0, Math.min(zeros.length, bytes - at), at);
  } finally {
    await file.close();
  }
}
