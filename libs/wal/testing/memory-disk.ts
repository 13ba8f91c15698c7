import type { WalDisk, WalFile } from '../disk';
import { UnsyncedBytes } from './unsynced-bytes';

class MemoryFile extends UnsyncedBytes implements WalFile {
  constructor(
    size: number,
    private readonly disk: MemoryDisk,
  ) {
    super(size);
  }

  get size(): number {
    return this.visible.length;
  }

  readAll(memory?: Uint8Array): Uint8Array {
    if (memory === undefined || memory.length < this.visible.length) return this.visible.slice();
    memory.set(this.visible);
    return memory.subarray(0, this.visible.length);
  }

  read(offset: number, length: number): Promise<Uint8Array> {
    return Promise.resolve(this.visible.slice(offset, offset + length));
  }

  write(bytes: Uint8Array, offset: number, fsync: boolean, callback: (error: Error | undefined) => void): void {
    this.disk.syncs += 1;
    if (this.disk.writeError === undefined) this.put(bytes, offset);
    this.disk.waiting.push(() => {
      const error = this.disk.writeError ?? this.disk.syncError;
      if (error === undefined && fsync) this.flush();
      callback(error);
    });
    if (!this.disk.holdSyncs) setImmediate(() => this.disk.releaseSyncs());
  }

  sync(): void {
    this.flush();
  }

  wipe(from: number, to: number): void {
    this.put(new Uint8Array(to - from), from);
    this.flush();
  }

  close(): void {
    // nothing to give back
  }
}

/** A directory in memory whose unsynced writes a crash loses in part. */
export class MemoryDisk implements WalDisk {
  readonly path = '/memory';
  readonly files = new Map<string, MemoryFile>();
  /** Writes with their syncs that were begun. */
  syncs = 0;
  /** While true, syncs wait for `releaseSyncs`. */
  holdSyncs = false;
  syncError: Error | undefined;
  writeError: Error | undefined;
  prepareError: Error | undefined;
  readonly waiting: (() => void)[] = [];

  list(): readonly string[] {
    return [...this.files.keys()];
  }

  open(name: string): MemoryFile {
    const file = this.files.get(name);
    if (file === undefined) throw new Error(`no file ${name}`);
    return file;
  }

  prepare(name: string, bytes: number): Promise<void> {
    if (this.prepareError !== undefined) return Promise.reject(this.prepareError);
    this.files.set(name, new MemoryFile(bytes, this));
    return Promise.resolve();
  }

  syncNames(): void {
    // names are durable at once here; tests/faults cuts the power of a real directory
  }

  remove(names: readonly string[]): Promise<void> {
    for (const name of names) this.files.delete(name);
    return Promise.resolve();
  }

  releaseSyncs(): void {
    for (const release of this.waiting.splice(0)) release();
  }

  crash(keepSector: () => boolean): void {
    this.waiting.length = 0;
    for (const file of this.files.values()) file.losePower(keepSector);
  }
}
