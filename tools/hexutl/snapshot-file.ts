import { createHash } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { BoltFile } from '../../libs/bbolt';
import { EtcdFile, fileProblem } from '../../libs/etcd-file';
import { Failure } from './failure';
import { FileSource } from './file-source';

const HASH_BYTES = 32;
const SECTOR_BYTES = 512;
const CHUNK_BYTES = 1024 * 1024;

/** A snapshot, or the database of an etcd data directory. */
export class SnapshotFile {
  private constructor(
    readonly path: string,
    private readonly source: FileSource,
    readonly database: BoltFile,
    private readonly hasHash: boolean,
  ) {}

  /** Throws Failure when there is no database in the file or it is cut short. */
  static open(given: string): SnapshotFile {
    const path = databasePath(given);
    const source = openSource(path);
    if (isInDataDirectory(path) && source.isLocked()) {
      source.close();
      throw new Failure(`${path} is in use by a running etcd: stop it, or take a snapshot with etcdctl snapshot save`);
    }
    // Databases are whole pages, so this is how etcd's tools know a hash at the end.
    const hasHash = source.size % SECTOR_BYTES === HASH_BYTES;
    const size = hasHash ? source.size - HASH_BYTES : source.size;
    try {
      return new SnapshotFile(path, source, BoltFile.open(source.limitedTo(size)), hasHash);
    } catch (error) {
      source.close();
      throw named(path, error);
    }
  }

  /** Compares the hash at the end of the file with its bytes. Throws Failure. */
  checkHash(): void {
    if (!this.hasHash) {
      if (isInDataDirectory(this.path)) return;
      throw new Failure('snapshot missing hash but --skip-hash-check=false');
    }
    const { source } = this;
    const size = source.size - HASH_BYTES;
    const hash = createHash('sha256');
    for (let at = 0; at < size; at += CHUNK_BYTES) hash.update(source.read(at, Math.min(CHUNK_BYTES, size - at)));
    const expected = Buffer.from(source.read(size, HASH_BYTES));
    const got = hash.digest();
    if (!expected.equals(got)) throw new Failure(`expected sha256 [${expected.join(' ')}], got [${got.join(' ')}]`);
  }

  /** Reads every page. Throws Failure for the first that is damaged, and when this is no database of etcd. */
  checkPages(): EtcdFile {
    return this.reading(() => {
      const walk = this.database.check();
      while (!walk.next().done);
      const file = new EtcdFile(this.database);
      file.checkIsEtcd();
      return file;
    });
  }

  /** Runs what reads the file; its damage becomes a Failure. */
  reading<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      throw named(this.path, error);
    }
  }

  async readingAsync<T>(read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (error) {
      throw named(this.path, error);
    }
  }

  close(): void {
    this.source.close();
  }
}

/** A data directory stands for its database. */
function databasePath(given: string): string {
  const inside = join(given, 'member', 'snap', 'db');
  return existsSync(inside) ? inside : given;
}

function isInDataDirectory(path: string): boolean {
  const snap = dirname(resolve(path));
  return basename(path) === 'db' && basename(snap) === 'snap' && basename(dirname(snap)) === 'member';
}

function openSource(path: string): FileSource {
  try {
    if (statSync(path).isDirectory()) throw new Failure(`${path} is a directory without member/snap/db`);
    return new FileSource(path);
  } catch (error) {
    if (error instanceof Failure) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Failure(code === 'ENOENT' ? `stat ${path}: no such file or directory` : message);
  }
}

/** What is wrong with the file, as a Failure; other errors as they are. */
function named(path: string, error: unknown): unknown {
  const problem = fileProblem(error);
  return problem === undefined ? error : new Failure(`${path}: ${problem}`);
}
