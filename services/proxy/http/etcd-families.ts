import { counter, gauge, histogram, type MetricFamily } from '../../../libs/telemetry';

type Row = readonly [type: 'counter' | 'gauge' | 'histogram', name: string, why: string];

const V2 = "API v2's store: there is none.";
const GRPC_PROXY = 'Counts of etcd grpc-proxy: see hexad_watch_hub_groups for what watchers share.';
const SNAPSHOT_FILES = 'Snapshot files: there are none.';

/**
 * Families that tools ask for and that are always zero here, each with the reason. Those of API v2 and of grpc-proxy are always zero
 * in a server of etcd 3.6 too. What something here can be measured by is not listed: the process that owns it tells it.
 */
const CONSTANT: readonly Row[] = [
  ['counter', 'etcd_debugging_store_expires_total', V2],
  ['counter', 'etcd_debugging_store_watch_requests_total', V2],
  ['gauge', 'etcd_debugging_store_watchers', V2],
  ['counter', 'etcd_grpc_proxy_cache_hits_total', GRPC_PROXY],
  ['counter', 'etcd_grpc_proxy_cache_misses_total', GRPC_PROXY],
  ['gauge', 'etcd_grpc_proxy_cache_keys_total', GRPC_PROXY],
  ['counter', 'etcd_grpc_proxy_watchers_coalescing_total', GRPC_PROXY],
  ['counter', 'etcd_grpc_proxy_events_coalescing_total', GRPC_PROXY],
  [
    'histogram',
    'etcd_debugging_disk_backend_commit_rebalance_duration_seconds',
    "A phase of bbolt's commits: LMDB has none.",
  ],
  [
    'histogram',
    'etcd_debugging_disk_backend_commit_spill_duration_seconds',
    "A phase of bbolt's commits: LMDB has none.",
  ],
  [
    'histogram',
    'etcd_debugging_disk_backend_commit_write_duration_seconds',
    "A phase of bbolt's commits: see etcd_disk_backend_commit_duration_seconds.",
  ],
  [
    'histogram',
    'etcd_debugging_mvcc_index_compaction_pause_duration_milliseconds',
    'An index of all keys in memory: there is none to compact.',
  ],
  ['histogram', 'etcd_debugging_snap_save_marshalling_duration_seconds', SNAPSHOT_FILES],
  ['histogram', 'etcd_debugging_snap_save_total_duration_seconds', SNAPSHOT_FILES],
  ['histogram', 'etcd_snap_fsync_duration_seconds', SNAPSHOT_FILES],
  ['histogram', 'etcd_snap_db_fsync_duration_seconds', SNAPSHOT_FILES],
];

export function constantFamilies(): MetricFamily[] {
  return CONSTANT.map(([type, name, why]) => {
    const help = `Always 0. ${why}`;
    if (type === 'histogram') return histogram(name, help, [{ labels: {}, bounds: [], counts: [0], sum: 0 }]);
    return type === 'counter' ? counter(name, help, 0) : gauge(name, help, 0);
  });
}
