import type { Store } from '../../libs/mvcc';
import { counter, gauge, histogram, type MetricFamily } from '../../libs/telemetry';
import type { StorageCounts } from './counts';
import type { RaisedAlarm } from './state/alarms';

export interface StorageMetricSources {
  readonly store: Store;
  readonly counts: StorageCounts;
  readonly leases: () => number;
  readonly alarms: () => readonly RaisedAlarm[];
  readonly queuedBytes: () => number;
  readonly waitingReads: () => number;
  readonly hubs: () => number;
}

const NAMES = ['NONE', 'NOSPACE', 'CORRUPT'];

/** What storage tells of itself, by etcd's names where etcd has one. */
export function storageMetrics(sources: StorageMetricSources): MetricFamily[] {
  const { store, counts } = sources;
  const sizes = store.sizes();
  const alarms = sources.alarms().map(({ memberID, alarm }): [Record<string, string>, number] => {
    return [{ server_id: memberID.toString(16), alarm_type: NAMES[alarm] ?? String(alarm) }, 1];
  });
  return [
    gauge('etcd_mvcc_db_total_size_in_bytes', 'Size of the store on disk.', sizes.file),
    gauge('etcd_mvcc_db_total_size_in_use_in_bytes', 'Size of what is in use in the store.', sizes.inUse),
    gauge('etcd_mvcc_db_open_read_transactions', 'Copies and scans of the store under way.', 0),
    counter('etcd_mvcc_put_total', 'Puts applied.', counts.puts),
    counter('etcd_mvcc_delete_total', 'Deletes applied.', counts.deletes),
    counter('etcd_mvcc_txn_total', 'Transactions applied.', counts.txns),
    counter('etcd_mvcc_range_total', 'Ranges read on this member.', counts.ranges),
    gauge('etcd_debugging_mvcc_total_put_size_in_bytes', 'Bytes of the puts applied.', counts.putBytes),
    gauge('etcd_debugging_mvcc_current_revision', 'The current revision.', store.revision),
    gauge('etcd_debugging_mvcc_compact_revision', 'The last compacted revision.', Math.max(0, store.compactRevision)),
    gauge(
      'hexad_compaction_finished_revision',
      'Everything compacted up to here is deleted.',
      Math.max(0, store.compactFinished),
    ),
    gauge('etcd_debugging_server_alarms', 'Alarms that are raised.', alarms),
    counter('etcd_debugging_lease_granted_total', 'Leases granted.', counts.leasesGranted),
    counter('etcd_debugging_lease_revoked_total', 'Leases revoked.', counts.leasesRevoked),
    gauge('hexad_leases', 'Leases that exist.', sources.leases()),
    histogram('etcd_disk_backend_commit_duration_seconds', 'Latencies of commits to the store.', [
      counts.commit.numbers(),
    ]),
    histogram('etcd_server_apply_duration_seconds', 'Latencies of a slice of apply.', [
      counts.apply.numbers({ version: 'v3', op: 'Slice', success: 'true' }),
    ]),
    histogram('etcd_mvcc_hash_duration_seconds', 'Latencies of hashes.', [counts.hash.numbers()]),
    counter('etcd_server_slow_apply_total', 'Slices of apply that took more than 100 ms.', counts.slowApplies),
    counter('hexad_storage_entries_applied_total', 'Entries applied.', counts.entriesApplied),
    counter('hexad_storage_slices_total', 'Slices of apply: entries by slices is the size of a batch.', counts.slices),
    gauge('hexad_storage_apply_queue_bytes', 'Bytes of entries that wait to be applied.', sources.queuedBytes()),
    gauge('hexad_storage_waiting_reads', 'Reads that wait for an index.', sources.waitingReads()),
    gauge('hexad_storage_overlay_bytes', 'Bytes that are visible and not yet durable.', sizes.overlay),
    gauge('hexad_storage_applied_index', 'The last entry that is visible.', store.applied.index),
    gauge('hexad_storage_durable_index', 'The last entry that is durable in the store.', store.durable.index),
    gauge('hexad_storage_hubs', 'Watch hubs that are attached.', sources.hubs()),
  ];
}
