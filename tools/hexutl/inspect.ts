import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Errors } from '../../libs/errors';
import { type FileStatus, fileStatus } from '../../libs/etcd-file';
import type { HashKvResult } from '../../libs/mvcc';
import { openStore } from '../../libs/store';
import { Failure } from './failure';
import { loadStore } from './load';
import { SnapshotFile } from './snapshot-file';

/** Reads and checks a whole file. Throws Failure. */
export function snapshotStatus(path: string): FileStatus {
  const snapshot = SnapshotFile.open(path);
  try {
    return snapshot.reading(() => fileStatus(snapshot.database));
  } finally {
    snapshot.close();
  }
}

/** The hash of the keys' history up to a revision (0: the last), by way of a store in the directory for temporary files. */
export async function snapshotHashKv(path: string, revision: number): Promise<HashKvResult> {
  const snapshot = SnapshotFile.open(path);
  const directory = mkdtempSync(join(tmpdir(), 'hexutl-'));
  try {
    const file = snapshot.checkPages();
    await snapshot.readingAsync(() =>
      loadStore(file, directory, { bumpRevision: 0, markCompacted: false, identity: undefined }),
    );
    return await hashKv(directory, revision);
  } finally {
    snapshot.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function hashKv(directory: string, revision: number): Promise<HashKvResult> {
  const store = openStore({
    directory,
    onFatal: (error) => {
      throw error;
    },
  });
  const outcome = await store.hashKv(revision, () => Promise.resolve());
  await store.close();
  if (outcome.ok) return outcome.value;
  const error = outcome.error === 'compacted' ? Errors.Compacted : Errors.FutureRev;
  throw new Failure(error.message.replace(/^etcdserver: /, ''));
}
