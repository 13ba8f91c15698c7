import { join } from 'node:path';
import {
  clusterId,
  formatId,
  memberId,
  PROCESS_NAMES,
  type ProcessConfig,
  type ProcessName,
} from '../../../libs/config';

import { defaultEngine } from '../../../libs/rpc';

/** The configuration of the raft process of member `position`, all data under `directory`. */
export function testConfig(
  directory: string,
  peerPorts: readonly number[],
  position: number,
  electionMs = 500,
): ProcessConfig {
  const members = peerPorts.map((port, i) => ({ name: `m${i + 1}`, peerUrls: [`http://127.0.0.1:${port}`] }));
  const ids = members.map(({ peerUrls }) => memberId(peerUrls, 'test'));
  const name = `m${position + 1}`;
  const memberDir = join(directory, name, 'member');
  const addresses = Object.fromEntries(
    PROCESS_NAMES.map((process_) => [process_, `unix:${join(directory, `${name}-${process_}.sock`)}`]),
  ) as Record<ProcessName, string>;
  const urls = members[position]?.peerUrls ?? [];
  return {
    process: 'raft',
    name,
    memberId: formatId(ids[position] ?? 0n),
    clusterId: formatId(clusterId(ids)),
    clusterToken: 'test',
    clusterState: 'new',
    initialMembers: members
      .map((member, i) => ({ id: ids[i] ?? 0n, ...member }))
      .sort((a, b) => (a.id < b.id ? -1 : 1))
      .map((member) => ({ ...member, id: formatId(member.id) })),
    addresses,
    rpcEngine: defaultEngine,
    eventBus: null,
    tiers: { attach: null, watchHubs: null, watchAdvertise: '' },
    watchRecheckPermissions: false,
    paths: {
      dataDir: join(directory, name),
      memberDir,
      walDir: join(memberDir, 'wal'),
      storeDir: join(memberDir, 'db'),
    },
    urls: {
      listenClient: [],
      listenClientHttp: [],
      advertiseClient: [],
      listenPeer: urls,
      advertisePeer: urls,
      listenMetrics: [],
    },
    tls: { client: null, peer: null },
    timing: {
      heartbeatMs: 50,
      electionMs,
      initialElectionTickAdvance: true,
      watchProgressNotifyMs: 0,
      warningUnaryRequestMs: 0,
      warningApplyMs: 0,
      authTokenTtlSeconds: 0,
      autoCompactionMode: 'periodic',
      autoCompactionRetention: 0,
      compactionSleepMs: 0,
    },
    limits: {
      maxRequestBytes: 1_572_864,
      maxTxnOps: 128,
      maxConcurrentStreams: 1000,
      maxLearners: 1,
      quotaBackendBytes: 0,
      autoDisarm: false,
      snapshotCount: 10_000,
      snapshotCatchupEntries: 5_000,
      compactionBatchLimit: 1000,
      watchMemoryMaxBytes: 0,
      walSegmentBytes: 64 * 1024 * 1024,
    },
    keepalive: { minTimeMs: 0, intervalMs: 0, timeoutMs: 0 },
    raft: { preVote: true, strictReconfigCheck: true, forceNewCluster: false },
    auth: { token: 'simple', bcryptCost: 4 },
    http: { enableGateway: false, cors: '', hostWhitelist: '', metrics: 'basic', enablePprof: false },
    checks: { divergence: true, initialCorrupt: false, corruptMs: 0, scrubBytesPerSecond: 0 },
    leaseCheckpoint: false,
    internalTls: null,
    unsafeNoFsync: false,
    telemetry: {
      enabled: false,
      endpoint: '',
      serviceName: '',
      instanceId: '',
      samplingPerMillion: 0,
      stageStamps: true,
      slowRequestMs: 100,
    },
    log: { level: 'info', format: 'json', outputs: ['default'], rotation: null },
  } as ProcessConfig;
}
