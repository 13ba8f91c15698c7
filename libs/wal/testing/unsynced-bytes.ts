const SECTOR_BYTES = 512;

interface UnsyncedWrite {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** A file's bytes as the kernel sees them (`visible`) and as a power cut would leave them (`durable`, and any part of `unsynced`). */
export class UnsyncedBytes {
  visible: Uint8Array;
  durable: Uint8Array;
  unsynced: UnsyncedWrite[] = [];

  constructor(size: number) {
    this.visible = new Uint8Array(size);
    this.durable = new Uint8Array(size);
  }

  put(bytes: Uint8Array, offset: number): void {
    this.visible = written(this.visible, bytes, offset);
    this.unsynced.push({ offset, bytes: bytes.slice() });
  }

  flush(): void {
    for (const { offset, bytes } of this.unsynced) this.durable = written(this.durable, bytes, offset);
    this.unsynced = [];
  }

  /** Of each write that was not synced any set of sectors may have reached the disk. */
  losePower(keepSector: () => boolean): void {
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
