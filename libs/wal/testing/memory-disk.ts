import type { WalDisk, WalFile } from '../disk';

const SECTOR_BYTES = 512;

interface UnsyncedWrite {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

class MemoryFile implements WalFile {
  durable: Uint8Array;
  visible: Uint8Array;
  unsynced: UnsyncedWrite[] = [];

  constructor(
    size: number,
    private readonly disk: MemoryDisk,
  ) {
    this.durable = new Uint8Array(size);
    this.visible = new Uint8Array(size);
  }

  get size(): number {
    return this.visible.length;
  }

  readAll(): Uint8Array {
    return this.visible.slice();
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

  private put(bytes: Uint8Array, offset: number): void {
    this.visible = written(this.visible, bytes, offset);
    this.unsynced.push({ offset, bytes: bytes.slice() });
  }

  close(): void {
    // nothing to give back
  }

  flush(): void {
    for (const { offset, bytes } of this.unsynced) this.durable = written(this.durable, bytes, offset);
    this.unsynced = [];
  }

  /** Of each write that was not synced any set of sectors may have reached the disk. */
  crash(keepSector: () => boolean): void {
    for (const { offset, bytes } of this.unsynced) {
      for (let at = 0; at < bytes.length; ) {
        const end = Math.min(bytes.length, at + SECTOR_BYTES - ((offset + at) % SECTOR_BYTES));
        if (keepSector()) this.durable = written(this.durable, bytes.subarray(at, end), offset + at);
        at = end;
      }
    }
    this.unsynced = [];
    this.visible = this.durable.slice();
  }
}

function written(target: Uint8Array, bytes: Uint8Array, offset: number): Uint8Array {
  let result = target;
  if (offset + bytes.length > target.length) {
    result = new Uint8Array(offset + bytes.length);
    result.set(target);
  }
  result.set(bytes, offset);
  return result;
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
    for (const file of this.files.values()) file.crash(keepSector);
  }
}
