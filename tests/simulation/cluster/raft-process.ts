import { crc32 } from 'node:zlib';
import type { ProcessConfig } from '../../../libs/config';
import type { RaftCore } from '../../../libs/raft';
import { createServer } from '../../../libs/rpc';
import type { Release } from '../../../libs/limits';
import { Wal } from '../../../libs/wal';
import { type DataProcessContext, type Logger, parseAddress } from '../../../libs/process';
import { PEER_PATHS } from '../../../proto/gen/hexad';
import { bootstrapEntries } from '../../../libs/bootstrap';
import { MemberBook } from '../../../services/raft/conf-changes';
import { type RaftSettings, raftSettings } from '../../../services/raft/config';
import { RaftHost } from '../../../services/raft/host';
import { makeCore } from '../../../services/raft/open';
import { peerAddress } from '../../../libs/peer-address';
import { siblingHandlers } from '../../../services/raft/server';
import { type MembersFileContent, SimMembersFile } from '../world/members-file';
import { ProcessEnded, type SimProcess } from '../world/process';
import type { SimWalDisk } from '../world/wal-disk';
import type { Defect } from './defects';
import { createSimLogger, type LogSink, noTracing } from './quiet';
import type { ClusterSettings } from './settings';

export interface RaftProcessOptions {
  readonly config: ProcessConfig;
  readonly settings: ClusterSettings;
  readonly release: Release;
  readonly disk: SimWalDisk;
  readonly defect: Defect;
  readonly membersFile: MembersFileContent;
  /** The cluster says that this member is no part of it any more. */
  readonly onRemoved: () => void;
  readonly log: LogSink;
  /** The core is made and has not done anything yet. */
  readonly onCore: (core: RaftCore, wal: Wal) => void;
}

/** The raft process of a member: everything but its listeners' sockets and its disk is the real one. */
export async function startRaftProcess(process: SimProcess, options: RaftProcessOptions): Promise<RaftHost> {
  const { config } = options;
  const serverVersion = options.release.version;
  const settings = { ...limited(raftSettings(config), options.settings), serverVersion };
  const wal = openWal(process, settings, options);
  const isNew = wal.recovered === undefined;
  if (isNew) await begin(wal, settings);
  const book = new MemberBook();
  const membersFile = new SimMembersFile(options.membersFile, () => process.alive);
  if (isNew && settings.isJoining) membersFile.saveHints(settings.initialMembers);
  membersFile.load(book, wal.recovered?.configuration.index ?? 0, wal.firstIndex);
  const nonce = 1 + process.machine.world.random.below(2 ** 31);
  const core = makeCore(wal, settings, nonce, book);
  options.onCore(core, wal);
  const logger = createSimLogger(options.log);
  const opened = { wal, core, book, membersFile, hints: membersFile.hints(), nonce, unlock: () => undefined };
  const host = new RaftHost(config, settings, opened, logger, contextOf(process, options, logger), noTracing(config));
  for (const url of config.urls.listenPeer) {
    const server = createServer();
    const { serve } = host.snapshots.receiver;
    server.addHandlers({ stream: { [PEER_PATHS.Messages]: host.peerServer.serve, [PEER_PATHS.Stream]: serve } });
    const parsed = peerAddress(url);
    if (parsed !== undefined) await server.listen(parsed.address);
  }
  const server = createServer();
  server.addHandlers(siblingHandlers(host));
  await server.listen(parseAddress(config.addresses.raft));
  host.start();
  return host;
}

function contextOf(process: SimProcess, { config, onRemoved }: RaftProcessOptions, logger: Logger): DataProcessContext {
  const ends = (run: () => void): never => {
    run();
    throw new ProcessEnded('the process has ended itself');
  };
  return {
    config,
    logger,
    fatal: process.fatal,
    restart: () => ends(() => process.end()),
    removed: () => ends(onRemoved),
  };
}

function limited(settings: RaftSettings, { segmentBytes, cacheBytes, walKeepEntries }: ClusterSettings): RaftSettings {
  const limits = {
    ...settings.limits,
    walSegmentBytes: segmentBytes,
    walFirstSegmentBytes: segmentBytes / 2,
    entryCacheBytes: cacheBytes,
    readBackBytes: 64 * 1024,
    messageBytes: 16 * 1024,
    inflightMessages: 32,
    walKeepEntries,
    walKeepBytes: 4 * segmentBytes,
  };
  return { ...settings, limits };
}

function openWal(process: SimProcess, settings: RaftSettings, { disk, log, defect }: RaftProcessOptions): Wal {
  const { limits } = settings;
  const { random } = process.machine.world;
  return new Wal({
    disk: disk.open(),
    clusterId: settings.clusterId,
    memberId: settings.memberId,
    segmentBytes: limits.walSegmentBytes,
    firstSegmentBytes: limits.walFirstSegmentBytes,
    cacheBytes: limits.entryCacheBytes,
    readBackBytes: limits.readBackBytes,
    checksum: defect.noChecksum === true ? () => 0 : (bytes, seed) => crc32(bytes, seed),
    randomUint32: () => Math.floor(random.next() * 2 ** 32),
    now: () => performance.now(),
    fsync: true,
    onFatal: process.fatal,
    onWarning: (message, detail) => log('warn', detail, message),
  });
}

async function begin(wal: Wal, settings: RaftSettings): Promise<void> {
  const { isJoining, initialMembers } = settings;
  const entries = isJoining ? [] : bootstrapEntries(initialMembers);
  const voters = isJoining ? [] : initialMembers.map(({ id }) => id);
  await wal.bootstrap({
    entries,
    hardState: { term: isJoining ? 0 : 1, vote: 0n, commit: entries.length },
    configuration: { index: entries.length, conf: { voters, votersOutgoing: [], learners: [], learnersNext: [] } },
  });
}
