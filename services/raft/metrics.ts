import { counter, gauge, histogram, type MetricFamily } from '../../libs/telemetry';
import type { Wal } from '../../libs/wal';
import type { AllPeerCounts, PeerCounts } from './peers/peer-counts';
import type { RaftStats } from './stats';

export interface RaftMetricSources {
  readonly self: bigint;
  readonly stats: RaftStats;
  readonly wal: Wal;
  readonly peers: AllPeerCounts;
  readonly isConnected: (id: string) => boolean;
  readonly term: () => number;
  /** Entries by which each follower is behind, known on the leader. */
  readonly lags: () => readonly (readonly [id: string, entries: number])[];
  readonly backlog: () => number;
}

/** What raft tells of itself, by etcd's names where etcd has one. */
export function raftMetrics(sources: RaftMetricSources): MetricFamily[] {
  const { stats, wal } = sources;
  const { syncSeconds, bytesWritten, syncs, entries } = wal.stats;
  const sync = { labels: {}, bounds: syncSeconds.bounds, counts: syncSeconds.counts, sum: syncSeconds.sum };
  return [
    histogram('etcd_disk_wal_fsync_duration_seconds', 'Latencies of write and fdatasync of the WAL.', [sync]),
    histogram('etcd_disk_wal_write_duration_seconds', 'Latencies of WAL writes: one call writes and syncs.', [sync]),
    counter('etcd_disk_wal_write_bytes_total', 'Bytes written to the WAL.', bytesWritten),
    gauge('hexad_wal_bytes', 'Size of the WAL on disk.', wal.bytesOnDisk),
    gauge('hexad_wal_stalled_seconds', 'How long the WAL write under way has taken so far.', wal.stalledMs / 1000),
    counter('hexad_wal_entries_total', 'Entries written to the WAL.', entries),
    counter('hexad_wal_syncs_total', 'Syncs of the WAL: entries by syncs is the size of a batch.', syncs),
    gauge('hexad_raft_term', 'The current term.', sources.term()),
    counter('hexad_raft_turns_total', 'Turns of the consensus loop.', stats.turns),
    counter('hexad_raft_proposals_received_total', 'Proposals received.', stats.proposalsReceived),
    counter('hexad_raft_proposals_forwarded_total', 'Proposals passed on to the leader.', stats.proposalsForwarded),
    counter('hexad_raft_proposals_refused_total', 'Proposals refused.', stats.proposalsRefused),
    gauge('hexad_raft_proposals_held', 'Proposals that wait for a leader.', stats.proposalsHeld),
    gauge('hexad_raft_apply_backlog_entries', 'Committed entries that storage has not applied.', sources.backlog()),
    gauge(
      'hexad_raft_follower_lag_entries',
      'Entries a follower is behind, on the leader.',
      labelled(sources.lags(), 'To'),
    ),
    counter(
      'hexad_raft_read_rounds_total',
      'Quorum rounds for reads: reads by rounds is the size of a batch.',
      stats.readRounds,
    ),
    counter(
      'etcd_server_heartbeat_send_failures_total',
      'Heartbeats that could not be sent.',
      stats.heartbeatSendFailures,
    ),
    counter('etcd_server_slow_read_indexes_total', 'Read indexes that were not confirmed in time.', stats.readsFailed),
    ...peerMetrics(sources),
  ];
}

function peerMetrics({ self, peers, isConnected }: RaftMetricSources): MetricFamily[] {
  const local = self.toString(16);
  const all = peers.entries();
  const pairs = (value: (counts: PeerCounts, id: string) => number): [Record<string, string>, number][] =>
    all.map(([id, counts]) => [{ Local: local, Remote: id }, value(counts, id)]);
  const by = (label: string, value: (counts: PeerCounts) => number): [Record<string, string>, number][] =>
    all.map(([id, counts]) => [{ [label]: id }, value(counts)]);
  const trips = all.map(([id, { roundTrip }]) => roundTrip.numbers({ To: id }));
  return [
    gauge(
      'etcd_network_known_peers',
      'Members that are known.',
      pairs(() => 1),
    ),
    gauge(
      'etcd_network_active_peers',
      'Members that are connected.',
      pairs((_, id) => (isConnected(id) ? 1 : 0)),
    ),
    counter(
      'etcd_network_disconnected_peers_total',
      'Connections to members that were lost.',
      pairs((one) => one.disconnects),
    ),
    counter(
      'etcd_network_peer_sent_bytes_total',
      'Bytes sent to members.',
      by('To', (one) => one.sentBytes),
    ),
    counter(
      'etcd_network_peer_received_bytes_total',
      'Bytes received from members.',
      by('From', (one) => one.receivedBytes),
    ),
    counter(
      'etcd_network_peer_sent_failures_total',
      'Messages to members that could not be sent.',
      by('To', (one) => one.sentFailures),
    ),
    counter(
      'etcd_network_peer_received_failures_total',
      'Streams of members that were refused.',
      by('From', (one) => one.receivedFailures),
    ),
    histogram('etcd_network_peer_round_trip_time_seconds', 'Round trip of heartbeats, on the leader.', trips),
    counter(
      'etcd_network_snapshot_send_success',
      'Stores sent to members.',
      by('To', (one) => one.snapshotsSent),
    ),
    counter(
      'etcd_network_snapshot_send_failures',
      'Stores that could not be sent.',
      by('To', (one) => one.snapshotsFailed),
    ),
  ];
}

function labelled(values: readonly (readonly [string, number])[], label: string): [Record<string, string>, number][] {
  return values.map(([name, value]) => [{ [label]: name }, value]);
}
