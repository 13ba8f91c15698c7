import { crc32 } from 'node:zlib';
import type { ProcessConfig } from '../../../libs/config';
import type { RaftCore } from '../../../libs/raft';
import { createServer } from '../../../libs/rpc';
import { Wal } from '../../../libs/wal';
import { parseAddress } from '../../../libs/process';
import { ConfChangeType, decodeConfChange, encodeConfChange, PEER_PATHS } from '../../../proto/gen/hexad';
import { walBootstrap } from '../../../libs/bootstrap';
import { MemberBook } from '../../../services/raft/conf-changes';
import { type PeerMember, type RaftSettings, raftSettings } from '../../../services/raft/config';
import { RaftHost } from '../../../services/raft/host';
import { makeCore } from '../../../services/raft/open';
import { peerAddress } from '../../../services/raft/peers/peer-address';
import { siblingHandlers } from '../../../services/raft/server';
import type { SimProcess } from '../world/process';
import type { SimWalDisk } from '../world/wal-disk';
import type { Defect } from './defects';
import { createSimLogger, type LogSink, noTracing } from './quiet';
import type { ClusterSettings } from './settings';

export interface RaftProcessOptions {
  readonly config: ProcessConfig;
  readonly settings: ClusterSettings;
  readonly disk: SimWalDisk;
  readonly defect: Defect;
  /** Members that it is told of beside those its log begins with, as by --initial-cluster of one that joins. */
  readonly knownPeers: readonly PeerMember[];
  readonly log: LogSink;
  /** The core is made and has not done anything yet. */
  readonly onCore: (core: RaftCore, wal: Wal) => void;
}

/** The raft process of a member: everything but its listeners' sockets and its disk is the real one. */
export async function startRaftProcess(process: SimProcess, options: RaftProcessOptions): Promise<RaftHost> {
  const { config } = options;
  const settings = limited(raftSettings(config), options.settings);
  const wal = openWal(process, settings, options);
  if (wal.recovered === undefined) await begin(wal, settings);
  const book = new MemberBook();
  for (const { id, name, peerUrls } of options.knownPeers) {
    book.apply(
      decodeConfChange(
        encodeConfChange({ type: ConfChangeType.CONF_UPDATE, nodeId: id, name, peerUrls: [...peerUrls] }),
      ),
    );
  }
  const nonce = 1 + process.machine.world.random.below(2 ** 31);
  const core = makeCore(wal, settings, nonce, book);
  options.onCore(core, wal);
  const logger = createSimLogger(options.log);
  const opened = { wal, core, book, nonce, unlock: () => undefined };
  const host = new RaftHost(config, settings, opened, logger, process.fatal, noTracing(config));
  for (const url of config.urls.listenPeer) {
    const server = createServer();
    server.addHandlers({ stream: { [PEER_PATHS.Messages]: host.servePeers } });
    const parsed = peerAddress(url);
    if (parsed !== undefined) await server.listen(parsed.address);
  }
  const server = createServer();
  server.addHandlers(siblingHandlers(host));
  await server.listen(parseAddress(config.addresses.raft));
  host.start();
  return host;
}

function limited(settings: RaftSettings, { segmentBytes, cacheBytes }: ClusterSettings): RaftSettings {
  const limits = {
    ...settings.limits,
    walSegmentBytes: segmentBytes,
    walFirstSegmentBytes: segmentBytes / 2,
    entryCacheBytes: cacheBytes,
    readBackBytes: 64 * 1024,
    messageBytes: 16 * 1024,
    inflightMessages: 32,
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

function begin(wal: Wal, settings: RaftSettings): Promise<void> {
  return wal.bootstrap(walBootstrap(settings.initialMembers));
}
