import {
  closeSync,
  constants,
  fdatasyncSync,
  fstatSync,
  openSync,
  promises,
  readdirSync,
  read as readFile,
  readSync,
  write as writeFile,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { failpoint } from '../failpoints';
import { syncDirectory } from '../process';
import type { WalDisk, WalFile } from './disk';

const CHUNK_BYTES = 1024 * 1024;
/** A sync after each so many chunks keeps a preparation from queueing 64 MB in front of the log's own syncs. */
const CHUNKS_PER_SYNC = 4;
const TEMPORARY = 'prepare.tmp';

const beforePrepare = failpoint('walBeforePrepareSegment');
const beforeRename = failpoint('walBeforeRenameSegment');
const afterPrepare = failpoint('walAfterPrepareSegment');

/** The WAL's directory on a real file system. It must exist. */
export function createDirectoryDisk(path: string): WalDisk {
  return {
    path,
    list: () => readdirSync(path),
    open: (name) => new DirectoryFile(join(path, name)),
    prepare: (name, bytes) => prepare(path, name, bytes),
    syncNames: () => syncDirectory(path),
    remove: async (names) => {
      for (const name of names) await promises.unlink(join(path, name));
      await syncNamesLater(path);
    },
  };
}

async function prepare(path: string, name: string, bytes: number): Promise<void> {
  await beforePrepare.pass();
  const temporary = join(path, TEMPORARY);
  const file = await promises.open(temporary, 'w', 0o600);
  try {
    const zeros = Buffer.alloc(Math.min(CHUNK_BYTES, bytes));
    let chunks = 0;
    for (let at = 0; at < bytes; at += zeros.length) {
      await writeFully(file, zeros.subarray(0, Math.min(zeros.length, bytes - at)), at);
      chunks += 1;
      if (chunks % CHUNKS_PER_SYNC === 0) await file.datasync();
    }
    await file.sync();
  } finally {
    await file.close();
  }
  await beforeRename.pass();
  await promises.rename(temporary, join(path, name));
  await syncNamesLater(path);
  await afterPrepare.pass();
}

async function writeFully(file: promises.FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

async function syncNamesLater(path: string): Promise<void> {
  const directory = await promises.open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

class DirectoryFile implements WalFile {
  private readonly fd: number;
  /** The same file, opened so that a write returns when it is durable: one call of the thread pool, not two. */
  private readonly syncedFd: number;
  private bytes: number;

  constructor(path: string) {
    this.fd = openSync(path, 'r+');
    this.syncedFd = openSync(path, constants.O_RDWR | constants.O_DSYNC);
    this.bytes = fstatSync(this.fd).size;
  }

  get size(): number {
    return this.bytes;
  }

  readAll(memory?: Uint8Array): Uint8Array {
    const fits = memory !== undefined && memory.length >= this.bytes;
    const target = fits ? memory.subarray(0, this.bytes) : Buffer.allocUnsafeSlow(this.bytes);
    for (let done = 0; done < target.length; ) {
      const count = readSync(this.fd, target, done, target.length - done, done);
      if (count === 0) throw new Error('the file became shorter while it was read');
      done += count;
    }
    return new Uint8Array(target.buffer, target.byteOffset, target.length);
  }

  read(offset: number, length: number): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const target = new Uint8Array(length);
      const next = (done: number): void => {
        readFile(this.fd, target, done, length - done, offset + done, (error, count) => {
          if (error !== null) reject(error);
          else if (count === 0) reject(new Error(`end of file at ${offset + done}`));
          else if (done + count === length) resolve(target);
          else next(done + count);
        });
      };
      next(0);
    });
  }

  write(bytes: Uint8Array, offset: number, fsync: boolean, callback: (error: Error | undefined) => void): void {
    this.bytes = Math.max(this.bytes, offset + bytes.length);
    const fd = fsync ? this.syncedFd : this.fd;
    const next = (done: number): void => {
      writeFile(fd, bytes, done, bytes.length - done, offset + done, (error, count) => {
        if (error !== null) callback(error);
        else if (done + count < bytes.length) next(done + count);
        else callback(undefined);
      });
    };
    next(0);
  }

  sync(): void {
    fdatasyncSync(this.fd);
  }

  wipe(from: number, to: number): void {
    const zeros = new Uint8Array(to - from);
    for (let done = 0; done < zeros.length; ) {
      done += writeSync(this.fd, zeros, done, zeros.length - done, from + done);
    }
    fdatasyncSync(this.fd);
  }

  close(): void {
    closeSync(this.fd);
    closeSync(this.syncedFd);
  }
}
