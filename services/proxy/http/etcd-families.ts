import { counter, gauge, histogram, type MetricFamily } from '../../../libs/telemetry';

/**
 * Families that etcd's dashboards and scripts may ask for and that stand for something Hexad does not have: present, and
 * zero. A family that a process fills in is not listed.
 */
const COUNTERS = [
  'etcd_server_learner_promote_successes',
  'etcd_debugging_store_expires_total',
  'etcd_debugging_store_watch_requests_total',
  'etcd_debugging_mvcc_db_compaction_keys_total',
  'etcd_grpc_proxy_cache_hits_total',
  'etcd_grpc_proxy_cache_misses_total',
  'etcd_grpc_proxy_watchers_coalescing_total',
  'etcd_grpc_proxy_events_coalescing_total',
] as const;

const GAUGES = [
  'etcd_debugging_store_watchers',
  'etcd_debugging_mvcc_keys_total',
  'etcd_debugging_mvcc_db_compaction_last',
  'etcd_disk_defrag_inflight',
  'etcd_grpc_proxy_cache_keys_total',
  'etcd_server_snapshot_apply_in_progress_total',
] as const;

const HISTOGRAMS = [
  'etcd_debugging_disk_backend_commit_rebalance_duration_seconds',
  'etcd_debugging_disk_backend_commit_spill_duration_seconds',
  'etcd_debugging_disk_backend_commit_write_duration_seconds',
  'etcd_debugging_lease_ttl_total',
  'etcd_debugging_mvcc_db_compaction_pause_duration_milliseconds',
  'etcd_debugging_mvcc_db_compaction_total_duration_milliseconds',
  'etcd_debugging_mvcc_index_compaction_pause_duration_milliseconds',
  'etcd_debugging_server_watch_send_loop_control_stream_duration_seconds',
  'etcd_debugging_server_watch_send_loop_progress_duration_seconds',
  'etcd_debugging_server_watch_send_loop_watch_stream_duration_per_event_seconds',
  'etcd_debugging_server_watch_send_loop_watch_stream_duration_seconds',
  'etcd_debugging_snap_save_marshalling_duration_seconds',
  'etcd_debugging_snap_save_total_duration_seconds',
  'etcd_disk_backend_defrag_duration_seconds',
  'etcd_disk_backend_snapshot_duration_seconds',
  'etcd_mvcc_hash_rev_duration_seconds',
] as const;

const HELP = 'Not measured by Hexad; present for tools that expect it.';

export function placeholderFamilies(): MetricFamily[] {
  return [
    ...COUNTERS.map((name) => counter(name, HELP, 0)),
    ...GAUGES.map((name) => gauge(name, HELP, 0)),
    ...HISTOGRAMS.map((name) => histogram(name, HELP, [{ labels: {}, bounds: [], counts: [0], sum: 0 }])),
  ];
}
