import type { WalDisk, WalFile } from '../../../libs/wal/disk';
import { UnsyncedBytes } from '../../../libs/wal/testing/unsynced-bytes';
import type { Machine } from './process';

/** What a planted defect may change about a disk. */
export interface DiskDefects {
  /** fdatasync returns without having done anything. */
  readonly lostSync?: boolean;
  /** The same, of what a process finds when it opens a file. */
  readonly noSyncAtOpen?: boolean;
}

/** One file of a machine. */
export class SimFile extends UnsyncedBytes {
  /** End of what was ever synced here by a write: bad bytes before it are corruption, not a torn write. */
  lastSyncedBatchAt = 0;
  syncedEnd = 0;
}

/**
 * The WAL's directory on a simulated disk: writes take time, and what has not been synced when the power goes is lost, in
 * part and in any order. It outlives the process that uses it; each process opens a view of its own.
 */
export class SimWalDisk {
  private files = new Map<string, SimFile>();
  /** Nothing is finished before this time. */
  hangsUntil = 0;
  readonly counts = { writes: 0, syncs: 0, tornWrites: 0 };

  constructor(
    private readonly machine: Machine,
    /** Milliseconds of one write or one sync. */
    public latency: number,
    private readonly defects: DiskDefects,
  ) {}

  get names(): readonly string[] {
    return [...this.files.keys()].sort();
  }

  file(name: string): SimFile {
    const file = this.files.get(name);
    if (file === undefined) throw new Error(`no file ${name}`);
    return file;
  }

  losePower(): void {
    const { random } = this.machine.world;
    for (const file of this.files.values()) {
      if (file.unsynced.length > 0) this.counts.tornWrites++;
      file.losePower(() => random.chance(0.5));
    }
  }

  /** The disk of a machine that was bought anew. */
  erase(): void {
    this.files = new Map();
  }

  /** What the process that runs now may use, for as long as it lives. */
  open(): WalDisk {
    const process = this.machine.world.current;
    const mayAct = (): boolean => process === undefined || process.alive;
    return {
      path: `/${this.machine.name}/wal`,
      list: () => this.names,
      open: (name: string) => this.openFile(this.file(name), mayAct),
      prepare: (name: string, bytes: number) => this.prepare(name, bytes, mayAct),
      // Names are durable at once here; the fault tests cut the power of a real directory.
      syncNames: () => undefined,
      remove: (names: readonly string[]) => this.remove(names, mayAct),
    };
  }

  private prepare(name: string, bytes: number, mayAct: () => boolean): Promise<void> {
    return this.later('wal-prepare', mayAct, () => void this.files.set(name, new SimFile(bytes)));
  }

  private remove(names: readonly string[], mayAct: () => boolean): Promise<void> {
    return this.later('wal-remove', mayAct, () => {
      for (const name of names) this.files.delete(name);
    });
  }

  /** Something that is durable when it is done, or has not happened. */
  private later(point: string, mayAct: () => boolean, act: () => void): Promise<void> {
    const { machine } = this;
    const { world } = machine;
    const owner = world.current;
    return new Promise((resolve) => {
      world.after(this.duration(), undefined, () => {
        if (!mayAct()) return;
        machine.onIo(`before ${point}`);
        if (!mayAct()) return;
        act();
        machine.onIo(`after ${point}`);
        world.after(0, owner, () => {
          resolve();
          world.drainSoon();
        });
      });
    });
  }

  private openFile(file: SimFile, mayAct: () => boolean): WalFile {
    return {
      get size() {
        return file.visible.length;
      },
      readAll: () => file.visible.slice(),
      read: (offset, length) => this.read(file, offset, length),
      write: (bytes, offset, fsync, callback) => {
        if (mayAct()) this.write(file, bytes, offset, fsync, callback, mayAct);
      },
      sync: () => {
        if (mayAct() && !this.defects.lostSync && !this.defects.noSyncAtOpen) file.flush();
      },
      wipe: (from, to) => {
        if (!mayAct()) return;
        file.put(new Uint8Array(to - from), from);
        file.flush();
      },
      close: () => undefined,
    };
  }

  private read(file: SimFile, offset: number, length: number): Promise<Uint8Array> {
    const { world } = this.machine;
    const owner = world.current;
    return new Promise((resolve) => {
      world.after(this.duration(), owner, () => {
        resolve(file.visible.slice(offset, offset + length));
        world.drainSoon();
      });
    });
  }

  private write(
    file: SimFile,
    bytes: Uint8Array,
    offset: number,
    fsync: boolean,
    callback: (error: Error | undefined) => void,
    mayAct: () => boolean,
  ): void {
    const { machine, defects } = this;
    const { world } = machine;
    const owner = world.current;
    world.after(this.duration(), undefined, () => {
      if (!mayAct()) return;
      machine.onIo('before wal-write');
      // A write that was begun reaches the page cache even if the process is killed in it.
      file.put(bytes, offset);
      this.counts.writes++;
      machine.onIo('after wal-write');
      world.after(this.duration(), undefined, () => {
        if (!mayAct()) return;
        if (fsync && !defects.lostSync) {
          file.flush();
          this.counts.syncs++;
          file.lastSyncedBatchAt = offset;
          file.syncedEnd = offset + bytes.length;
        }
        machine.onIo('after wal-sync');
        world.after(0, owner, () => callback(undefined));
      });
    });
  }

  private duration(): number {
    const { world } = this.machine;
    const wait = Math.max(0, this.hangsUntil - world.now);
    return wait + this.latency * (0.5 + world.random.next());
  }
}
