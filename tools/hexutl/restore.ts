import { existsSync, fsyncSync, mkdirSync, openSync, closeSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { randomInt } from 'node:crypto';
import { dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import { noteBegun, walBootstrap } from '../../libs/bootstrap';
import { memberConfig, type MemberConfig, parseArguments } from '../../libs/config';
import { createLogger } from '../../libs/process';
import { createDirectoryDisk, Wal } from '../../libs/wal';
import { ExitCode, Failure } from './failure';
import { loadStore } from './load';
import { SnapshotFile } from './snapshot-file';

export interface RestoreOptions {
  readonly dataDir: string;
  readonly walDir: string;
  readonly name: string;
  readonly initialCluster: string;
  readonly initialClusterToken: string;
  readonly initialAdvertisePeerUrls: string;
  readonly skipHashCheck: boolean;
  readonly bumpRevision: number;
  readonly markCompacted: boolean;
}

const WAL_SEGMENT_BYTES = 4 * 1024 * 1024;

/**
 * Makes the data directory of a member of a new cluster from a snapshot: the store, then the log that begins as on a first
 * start. Throws Failure or ConfigError; what had been made is then taken away again.
 */
export async function restoreSnapshot(path: string, options: RestoreOptions): Promise<void> {
  const { bumpRevision, markCompacted } = options;
  if (bumpRevision > 0 !== markCompacted)
    throw new Failure('--mark-compacted required if --revision-bump > 0', ExitCode.BAD_ARGS);
  const config = configOf(options);
  const { dataDir, memberDir, walDir, storeDir } = config.paths;
  checkTargets(config);
  const snapshot = SnapshotFile.open(path);
  try {
    if (!options.skipHashCheck) snapshot.checkHash();
    const file = snapshot.checkPages();
    const log = createLogger('hexutl', 'info', config.name);
    const where = { path: snapshot.path, 'wal-dir': walDir, 'data-dir': dataDir, 'store-dir': storeDir };
    log.info(where, 'restoring snapshot');
    const cleanUp = [existsSync(dataDir) ? memberDir : dataDir, ...(walDir.startsWith(memberDir) ? [] : [walDir])];
    try {
      const partial = join(memberDir, 'restoring');
      const loaded = await snapshot.readingAsync(() =>
        loadStore(file, partial, { bumpRevision, markCompacted, identity: identityOf(config) }),
      );
      // Only a whole store gets the name under which a member looks for it.
      renameSync(partial, storeDir);
      syncDirectory(memberDir);
      await beginLog(config);
      log.info({ ...where, ...loaded }, 'restored snapshot');
    } catch (error) {
      for (const directory of cleanUp) rmSync(directory, { recursive: true, force: true });
      throw error;
    }
  } finally {
    snapshot.close();
  }
}

/** The member's own configuration, with its checks, from the flags that both have. */
function configOf(options: RestoreOptions): MemberConfig {
  return memberConfig(
    parseArguments([
      `--name=${options.name}`,
      `--data-dir=${options.dataDir}`,
      `--wal-dir=${options.walDir}`,
      `--initial-cluster=${options.initialCluster}`,
      `--initial-cluster-token=${options.initialClusterToken}`,
      `--initial-advertise-peer-urls=${options.initialAdvertisePeerUrls}`,
    ]),
  );
}

function identityOf(config: MemberConfig): { clusterId: bigint; memberId: bigint } {
  return { clusterId: BigInt(`0x${config.clusterId}`), memberId: BigInt(`0x${config.memberId}`) };
}

function checkTargets({ paths: { dataDir, walDir, memberDir } }: MemberConfig): void {
  if (!isEmptyDirectory(dataDir)) throw new Failure(`data-dir "${dataDir}" not empty or could not be read`);
  if (!walDir.startsWith(memberDir) && existsSync(walDir)) throw new Failure(`wal-dir "${walDir}" exists`);
}

/** True too for one that does not exist. */
function isEmptyDirectory(directory: string): boolean {
  try {
    return !existsSync(directory) || readdirSync(directory).length === 0;
  } catch {
    return false;
  }
}

async function beginLog(config: MemberConfig): Promise<void> {
  const { walDir, memberDir } = config.paths;
  mkdirSync(walDir, { recursive: true, mode: 0o700 });
  const { clusterId, memberId } = identityOf(config);
  const wal = new Wal({
    disk: createDirectoryDisk(walDir),
    clusterId,
    memberId,
    segmentBytes: WAL_SEGMENT_BYTES,
    firstSegmentBytes: WAL_SEGMENT_BYTES,
    cacheBytes: WAL_SEGMENT_BYTES,
    readBackBytes: WAL_SEGMENT_BYTES,
    checksum: (bytes, seed) => crc32(bytes, seed),
    randomUint32: () => randomInt(0, 2 ** 32),
    now: () => performance.now(),
    fsync: true,
    onFatal: (error) => {
      throw error;
    },
    onWarning: () => undefined,
  });
  const members = config.initialMembers.map(({ id, ...member }) => ({ ...member, id: BigInt(`0x${id}`) }));
  await wal.bootstrap(walBootstrap(members));
  await wal.close();
  noteBegun(memberDir, config);
  for (const directory of [memberDir, dirname(memberDir)]) syncDirectory(directory);
}

function syncDirectory(directory: string): void {
  const fd = openSync(directory, 'r');
  fsyncSync(fd);
  closeSync(fd);
}
