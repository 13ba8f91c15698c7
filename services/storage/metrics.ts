import type { Store } from '../../libs/mvcc';
import { counter, gauge, type Histogram, histogram, type MetricFamily } from '../../libs/telemetry';
import { limits } from './limits';
import type { StorageCounts } from './counts';
import type { MaintenanceCounts } from './maintenance-counts';
import type { RaisedAlarm } from './state/alarms';

export interface StorageMetricSources {
  readonly store: Store;
  readonly counts: StorageCounts;
  readonly leases: () => number;
  readonly alarms: () => readonly RaisedAlarm[];
  readonly queuedBytes: () => number;
  readonly waitingReads: () => number;
  readonly hubs: () => number;
  readonly isInstalling: () => boolean;
}

const NAMES = ['NONE', 'NOSPACE', 'CORRUPT'];

/** What storage tells of itself, by etcd's names where etcd has one. */
export function storageMetrics(sources: StorageMetricSources): MetricFamily[] {
  const { store, counts } = sources;
  const sizes = store.sizes();
  const keys = store.keyCount(limits.keysCountedPerScrape);
  const alarms = sources.alarms().map(({ memberID, alarm }): [Record<string, string>, number] => {
    return [{ server_id: memberID.toString(16), alarm_type: NAMES[alarm] ?? String(alarm) }, 1];
  });
  return [
    gauge('etcd_mvcc_db_total_size_in_bytes', 'Size of the store on disk.', sizes.file),
    gauge('etcd_mvcc_db_total_size_in_use_in_bytes', 'Size of what is in use in the store.', sizes.inUse),
    gauge(
      'etcd_mvcc_db_open_read_transactions',
      'Backups and copies of the store under way.',
      counts.maintenance.openReads,
    ),
    gauge(
      'etcd_debugging_mvcc_keys_total',
      'Keys that exist; not told while those of a large store are being counted, some at each scrape.',
      keys === undefined ? [] : keys,
    ),
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
    counter('etcd_server_slow_apply_total', 'Slices of apply that took more than 100 ms.', counts.slowApplies),
    counter('hexad_storage_entries_applied_total', 'Entries applied.', counts.entriesApplied),
    counter('hexad_storage_slices_total', 'Slices of apply: entries by slices is the size of a batch.', counts.slices),
    gauge('hexad_storage_apply_queue_bytes', 'Bytes of entries that wait to be applied.', sources.queuedBytes()),
    gauge('hexad_storage_waiting_reads', 'Reads that wait for an index.', sources.waitingReads()),
    gauge('hexad_storage_overlay_bytes', 'Bytes that are visible and not yet durable.', sizes.overlay),
    gauge('hexad_storage_applied_index', 'The last entry that is visible.', store.applied.index),
    gauge('hexad_storage_durable_index', 'The last entry that is durable in the store.', store.durable.index),
    gauge('hexad_storage_hubs', 'Watch hubs that are attached.', sources.hubs()),
    histogram('etcd_debugging_lease_ttl_total', 'Seconds that leases were granted for.', [counts.leaseTtl.numbers()]),
    gauge(
      'etcd_server_snapshot_apply_in_progress_total',
      "1 while a copy of another member's store is taking the place of this one.",
      sources.isInstalling() ? 1 : 0,
    ),
    ...maintenanceMetrics(counts.maintenance, store),
  ];
}

/** The work beside apply and reads, by etcd's names. */
function maintenanceMetrics(counts: MaintenanceCounts, store: Store): MetricFamily[] {
  const took = (name: string, help: string, one: Histogram): MetricFamily => histogram(name, help, [one.numbers()]);
  return [
    counter(
      'etcd_debugging_mvcc_db_compaction_keys_total',
      'Versions that compaction has found dead.',
      store.compactedVersions,
    ),
    gauge(
      'etcd_debugging_mvcc_db_compaction_last',
      'When the last compaction was done, in seconds since the epoch; 0: not since the process began.',
      counts.compactedAt,
    ),
    took(
      'etcd_debugging_mvcc_db_compaction_pause_duration_milliseconds',
      'How long a slice of compaction held everything else up.',
      counts.compactionPause,
    ),
    took(
      'etcd_debugging_mvcc_db_compaction_total_duration_milliseconds',
      'How long compactions took, from the first slice to the last.',
      counts.compactionTotal,
    ),
    gauge('etcd_disk_defrag_inflight', 'Whether a defragmentation is under way.', counts.defragmentations),
    took('etcd_disk_backend_defrag_duration_seconds', 'How long defragmentations took.', counts.defragmentation),
    took('etcd_disk_backend_snapshot_duration_seconds', 'How long backups took.', counts.backup),
    took(
      'etcd_snap_db_save_total_duration_seconds',
      "How long taking over a copy of another member's store took.",
      counts.copyIn,
    ),
    took('etcd_mvcc_hash_duration_seconds', 'How long Hash took.', counts.hash),
    took('etcd_mvcc_hash_rev_duration_seconds', 'How long HashKV took.', counts.hashAtRevision),
  ];
}
