import { BoltError, type BoltFile } from '../bbolt';
import { compareBytes, crc32c, type LoadedVersion, plainEnvironment } from '../mvcc';
import { EtcdFileError } from './errors';
import { Bucket } from './names';
import { EtcdFile, versionOf } from './read';

/** What `snapshot status` prints. */
export interface FileStatus {
  /** CRC-32C of all names, keys and values in order. */
  readonly hash: number;
  /** Of the last row of bucket `key`; 0 without one. */
  readonly revision: number;
  /** Keys that are not deleted. */
  readonly totalKey: number;
  readonly totalSize: number;
  /** Empty before etcd 3.6. */
  readonly version: string;
}

const decoder = new TextDecoder();

/** Reads and checks the whole file. Throws BoltError or EtcdFileError. */
export function fileStatus(file: BoltFile): FileStatus {
  const { compactScheduled, compactFinished, storageVersion } = new EtcdFile(file).meta();
  const live = compactScheduled > compactFinished ? new LiveKeySet() : new LiveKeyCount(compactFinished);
  let hash = 0;
  let revision = 0;
  let isKeys = false;
  for (const { bucket, row } of file.check()) {
    if (row === undefined) {
      hash = crc32c(bucket, hash);
      isKeys = compareBytes(bucket, Bucket.key) === 0;
      continue;
    }
    // etcd's tools hash a nested bucket's name and no value; etcd makes none.
    if (row.isBucket) throw new EtcdFileError(`bucket "${decoder.decode(bucket)}" holds a bucket`);
    hash = crc32c(row.value, crc32c(row.key, hash));
    if (!isKeys) continue;
    const version = versionOf(row.key, row.value);
    revision = version.main;
    if (!('isMarker' in version)) live.see(version);
  }
  return { hash, revision, totalKey: live.count, totalSize: file.bytes, version: storageVersion };
}

/**
 * Live keys without remembering any: of what is compacted only each key's last version is left, and after that a key begins
 * with version 1 and ends with a deletion.
 */
class LiveKeyCount {
  count = 0;

  constructor(private readonly compacted: number) {}

  see({ main, isDelete, version }: LoadedVersion): void {
    if (main <= this.compacted) this.count += isDelete ? 0 : 1;
    else if (isDelete) this.count--;
    else if (version === 1) this.count++;
  }
}

/** The same when compaction has left off half-way and any version may be missing. */
class LiveKeySet {
  private readonly keys = new Set<string>();

  get count(): number {
    return this.keys.size;
  }

  see({ key, isDelete }: LoadedVersion): void {
    const text = plainEnvironment.latin1(key);
    if (isDelete) this.keys.delete(text);
    else this.keys.add(text);
  }
}

/** One line for whatever is wrong with a file; undefined: the error is something else. */
export function fileProblem(error: unknown): string | undefined {
  return error instanceof BoltError || error instanceof EtcdFileError ? error.message : undefined;
}
