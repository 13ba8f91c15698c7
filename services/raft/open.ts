import { mkdirSync } from 'node:fs';
import { randomInt } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { begunNote, noteBegun, walBootstrap } from '../../libs/bootstrap';
import type { ProcessConfig } from '../../libs/config';
import { failpoint } from '../../libs/failpoints';
import { lockDirectory, type Logger, StartError } from '../../libs/process';
import { createDirectoryDisk, Wal, WalError } from '../../libs/wal';
import { MemberBook, readConfChange } from './conf-changes';
import type { PeerMember, RaftSettings } from './config';
import { forceNewCluster } from './force-new-cluster';
import { MembersFile } from './members-file';
import { createRaft, type RaftCore } from '../../libs/raft';

const beforeBootstrap = failpoint('walBeforeBootstrap');
const afterBootstrap = failpoint('walAfterBootstrap');
const afterNoteBegun = failpoint('raftAfterNoteBegun');
const beforeForce = failpoint('raftBeforeForceNewCluster');
const afterForce = failpoint('raftAfterForceNewCluster');

export interface Opened {
  readonly wal: Wal;
  readonly core: RaftCore;
  readonly book: MemberBook;
  readonly membersFile: MembersFile;
  /** Who was there when this member joined. */
  readonly hints: readonly PeerMember[];
  /** This process's random number below 2^48, new at each start. */
  readonly nonce: number;
  readonly unlock: () => void;
}

/** Opens or begins the WAL and makes the core from it. @throws StartError when this member may not run */
export async function openRaft(
  config: ProcessConfig,
  settings: RaftSettings,
  logger: Logger,
  fatal: (error: unknown) => never,
): Promise<Opened> {
  mkdirSync(config.paths.walDir, { recursive: true, mode: 0o700 });
  const unlock = await lockDirectory(config.paths.walDir);
  const wal = openWal(config, settings, logger, fatal);
  mkdirSync(config.paths.memberDir, { recursive: true, mode: 0o700 });
  const membersFile = new MembersFile(config.paths.memberDir);
  if (wal.recovered === undefined) {
    if (settings.isJoining) membersFile.saveHints(settings.initialMembers);
    await beginWal(wal, config, settings);
  }
  noteBegun(config.paths.memberDir, config);
  afterNoteBegun.reach();
  const book = new MemberBook();
  membersFile.load(book, wal.recovered?.configuration.index ?? 0, wal.firstIndex);
  if (settings.forceNewCluster) {
    beforeForce.reach();
    await forceNewCluster(wal, book, settings, logger);
    afterForce.reach();
  }
  const nonce = randomInt(1, 2 ** 48);
  return {
    wal,
    core: makeCore(wal, settings, nonce, book),
    book,
    membersFile,
    hints: membersFile.hints(),
    nonce,
    unlock,
  };
}

function openWal(config: ProcessConfig, settings: RaftSettings, logger: Logger, fatal: (error: unknown) => never): Wal {
  const { limits } = settings;
  try {
    return new Wal({
      disk: createDirectoryDisk(config.paths.walDir),
      clusterId: settings.clusterId,
      memberId: settings.memberId,
      segmentBytes: limits.walSegmentBytes,
      firstSegmentBytes: limits.walFirstSegmentBytes,
      cacheBytes: limits.entryCacheBytes,
      readBackBytes: limits.readBackBytes,
      checksum: (bytes, seed) => crc32(bytes, seed),
      randomUint32: () => randomInt(0, 2 ** 32),
      now: () => performance.now(),
      fsync: settings.fsync,
      onFatal: (error) => fatal(error),
      onWarning: (message, detail) => logger.warn(detail, message),
    });
  } catch (error) {
    throw error instanceof WalError ? new StartError(error.message) : error;
  }
}

async function beginWal(wal: Wal, config: ProcessConfig, settings: RaftSettings): Promise<void> {
  const begun = begunNote(config.paths.memberDir);
  if (begun !== undefined) {
    throw new StartError(
      `the WAL in ${config.paths.walDir} is missing, though this member has run before (${begun}): ` +
        'without it the member could vote twice; remove it from the cluster, clear its data directory and add it again',
    );
  }
  // A member that joins a cluster which runs has it all from the others.
  beforeBootstrap.reach();
  await wal.bootstrap(walBootstrap(settings.isJoining ? [] : settings.initialMembers));
  afterBootstrap.reach();
}

/** The core as the WAL had it, the configuration as far as it was committed. */
export function makeCore(wal: Wal, settings: RaftSettings, nonce: number, book: MemberBook): RaftCore {
  const recovered = wal.recovered;
  if (recovered === undefined) throw new Error('the WAL has not begun');
  const { hardState, configuration, confEntries } = recovered;
  const { limits } = settings;
  // The log was cut only behind what was committed, which the last record of the commit may not say yet.
  const commit = Math.max(Math.min(hardState.commit, wal.lastIndex), configuration.index, wal.firstIndex - 1);
  const core = createRaft({
    id: settings.memberId,
    confState: configuration.conf,
    confIndex: configuration.index,
    hardState: { ...hardState, commit },
    storage: wal,
    applied: commit,
    electionTicks: settings.electionTicks,
    heartbeatTicks: 1,
    maxInflightMessages: limits.inflightMessages,
    maxInflightBytes: limits.inflightBytes,
    maxMessageBytes: limits.messageBytes,
    maxUncommittedBytes: limits.uncommittedBytes,
    maxCommittedBytes: limits.messageBytes * 4,
    preVote: settings.preVote,
    checkQuorum: true,
    random: Math.random,
    nonce,
  });
  for (const entry of confEntries) {
    if (entry.index > commit) break; // comes as committed later
    if (entry.index <= book.index) continue;
    const steps = book.apply(entry.index, readConfChange(entry.data));
    if (entry.index <= configuration.index) continue;
    const conf = core.applyConfChange(entry.index, steps);
    wal.setConfiguration({ index: entry.index, term: entry.term, conf });
  }
  return core;
}
