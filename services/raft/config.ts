import type { ProcessConfig } from '../../libs/config';
import { PROPOSALS_HELD_MAX, RELEASE } from '../../libs/limits';
import type { NodeId } from '../../libs/raft';

export interface PeerMember {
  readonly id: NodeId;
  readonly name: string;
  readonly peerUrls: readonly string[];
}

export interface RaftSettings {
  /** What the other members are told. */
  readonly serverVersion: string;
  readonly memberId: NodeId;
  readonly clusterId: bigint;
  /** Joins a cluster that runs, rather than begin one. */
  readonly isJoining: boolean;
  /** Sorted by id. Counts only while the WAL is new. */
  readonly initialMembers: readonly PeerMember[];
  readonly heartbeatMs: number;
  readonly electionMs: number;
  readonly electionTicks: number;
  readonly initialElectionTickAdvance: boolean;
  readonly preVote: boolean;
  readonly fsync: boolean;
  readonly strictReconfigCheck: boolean;
  /** Forget the other members, whatever they say. */
  readonly forceNewCluster: boolean;
  /** Whether entries note where their time goes. */
  readonly stageStamps: boolean;
  readonly limits: RaftLimits;
}

/** Bounds of what this process holds; bytes, entries and milliseconds. */
export interface RaftLimits {
  readonly walSegmentBytes: number;
  readonly walFirstSegmentBytes: number;
  /** Entries that storage has made durable and that are kept for followers that are a little behind. */
  readonly walKeepEntries: number;
  /** How much of the WAL is kept for a follower that is connected, or is being sent the store, at most. */
  readonly walKeepBytes: number;
  /** Size of a WAL that storage does not work off at which a follower takes no more entries. */
  readonly walUnappliedBytes: number;
  readonly entryCacheBytes: number;
  readonly readBackBytes: number;
  readonly inflightMessages: number;
  readonly inflightBytes: number;
  readonly messageBytes: number;
  readonly uncommittedBytes: number;
  /** Proposals that wait for a leader. */
  readonly heldProposals: number;
  readonly heldBytes: number;
  readonly heldMs: number;
  /** A read that waits for a confirmation is asked for again after this long, and given up after `readTimeoutMs`. */
  readonly readRetryMs: number;
  readonly readTimeoutMs: number;
  /** Committed entries that may wait for a storage that is not there, and for one that is. */
  readonly backlogDetached: number;
  readonly backlogAttached: number;
  readonly deliverBatchBytes: number;
  /** What a stream may leave unread before messages for it are dropped (peers) or it is ended (siblings). */
  readonly queueBytes: number;
  readonly relayTimeoutMs: number;
  /** A copy of the store that makes no progress for so long is given up; the next attempt waits, ever longer. */
  readonly copyStallMs: number;
  readonly copyRetryFirstMs: number;
  readonly copyRetryMaxMs: number;
}

const MIB = 1024 * 1024;

export function raftSettings(config: ProcessConfig): RaftSettings {
  const { heartbeatMs, electionMs, initialElectionTickAdvance } = config.timing;
  return {
    serverVersion: RELEASE.version,
    memberId: BigInt(`0x${config.memberId}`),
    clusterId: BigInt(`0x${config.clusterId}`),
    isJoining: config.clusterState === 'existing',
    initialMembers: config.initialMembers
      .map(({ id, name, peerUrls }) => ({ id: BigInt(`0x${id}`), name, peerUrls }))
      .sort((a, b) => (a.id < b.id ? -1 : 1)),
    heartbeatMs,
    electionMs,
    electionTicks: Math.max(2, Math.floor(electionMs / heartbeatMs)),
    initialElectionTickAdvance,
    preVote: config.raft.preVote,
    fsync: !config.unsafeNoFsync,
    strictReconfigCheck: config.raft.strictReconfigCheck,
    forceNewCluster: config.raft.forceNewCluster,
    stageStamps: config.telemetry.stageStamps,
    limits: raftLimits(electionMs, config.limits),
  };
}

export function raftLimits(electionMs: number, configured: ProcessConfig['limits']): RaftLimits {
  const { walSegmentBytes, snapshotCatchupEntries } = configured;
  return {
    walSegmentBytes,
    walFirstSegmentBytes: Math.min(4 * MIB, walSegmentBytes),
    walKeepEntries: snapshotCatchupEntries,
    walKeepBytes: 512 * MIB,
    walUnappliedBytes: 1024 * MIB,
    entryCacheBytes: 64 * MIB,
    readBackBytes: 16 * MIB,
    inflightMessages: 256,
    inflightBytes: 32 * MIB,
    messageBytes: MIB,
    uncommittedBytes: 64 * MIB,
    heldProposals: PROPOSALS_HELD_MAX,
    heldBytes: 32 * MIB,
    heldMs: 4 * electionMs,
    readRetryMs: 500,
    readTimeoutMs: 5_000 + 2 * electionMs,
    backlogDetached: 5_000,
    backlogAttached: 100_000,
    deliverBatchBytes: MIB,
    queueBytes: 64 * MIB,
    relayTimeoutMs: 5_000 + 2 * electionMs,
    copyStallMs: 30_000,
    copyRetryFirstMs: 500,
    copyRetryMaxMs: 30_000,
  };
}
