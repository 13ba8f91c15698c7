import type { ProcessConfig } from '../../../libs/config';
import type { StoreOptions } from '../../../libs/mvcc';
import { type Release, RELEASE } from '../../../libs/limits';
import type { Random } from '../../../libs/raft/testing/random';
import { testConfig } from '../../../services/raft/testing/process-config';

/** Members there may ever be in a run: the first ones form the cluster, the others may join later. */
export const MEMBERS_MAX = 7;
const PEER_PORT = 2380;

/** A release that does not exist yet: it understands one format of entries more. */
export const NEXT_RELEASE: Release = { version: '3.8.0', formatsSince: [...RELEASE.formatsSince, '3.8.0'] };

/** What a seed draws for the whole cluster. */
export interface ClusterSettings {
  readonly members: number;
  readonly heartbeatMs: number;
  readonly electionMs: number;
  readonly preVote: boolean;
  readonly leaseCheckpoint: boolean;
  /** Small, so that a run fills several. */
  readonly segmentBytes: number;
  /** Few in some seeds, so that members fall behind the log and are sent the store. */
  readonly walKeepEntries: number;
  /** Small, so that entries must be read back from disk. */
  readonly cacheBytes: number;
  /** Of one write and of one sync of the WAL. */
  readonly walMs: number;
  readonly flushMs: number;
  /** How far the table of last versions may stay behind what is committed. */
  readonly latest: StoreOptions['latest'];
}

export function drawSettings(random: Random): ClusterSettings {
  const heartbeatMs = random.pick([100, 150, 200]);
  return {
    members: random.pick([1, 3, 3, 3, 3, 3, 5]),
    heartbeatMs,
    electionMs: heartbeatMs * random.pick([5, 10, 10]),
    preVote: random.chance(0.8),
    leaseCheckpoint: random.chance(0.3),
    segmentBytes: random.pick([16, 32, 64]) * 1024,
    cacheBytes: random.pick([2, 16, 1024]) * 1024,
    walMs: random.pick([0.1, 0.1, 0.1, 3]),
    walKeepEntries: random.pick([5_000, 5, 50]),
    flushMs: random.pick([50, 100, 400]),
    latest: {
      rows: random.pick([1, 10, 1_000]),
      bytes: 1 << 20,
      commitsPerRound: random.pick([1, 4]),
      rowsPerCommitMin: random.pick([1, 8]),
      cacheBytes: random.pick([0, 500, 1 << 20]),
    },
  };
}

/** The document that the supervisor would hand the processes of member `position`. */
export function processConfig(settings: ClusterSettings, position: number): ProcessConfig {
  const ports = Array.from({ length: MEMBERS_MAX }, (_, i) => PEER_PORT + i);
  const config = testConfig('/sim', ports, position, settings.electionMs);
  const founders = new Set(Array.from({ length: settings.members }, (_, i) => `m${i + 1}`));
  return {
    ...config,
    initialMembers: config.initialMembers.filter(({ name }) => founders.has(name)),
    timing: { ...config.timing, heartbeatMs: settings.heartbeatMs, electionMs: settings.electionMs },
    limits: { ...config.limits, watchMemoryMaxBytes: 64 * 1024 * 1024 },
    raft: { ...config.raft, preVote: settings.preVote },
    leaseCheckpoint: settings.leaseCheckpoint,
    // Stamps tell of real time, of which a simulation has none.
    telemetry: { ...config.telemetry, stageStamps: false },
  };
}
