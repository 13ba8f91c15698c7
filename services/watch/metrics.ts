import { counter, gauge, type MetricFamily } from '../../libs/telemetry';
import type { Hub } from './hub';

/** What the hub tells of itself, by etcd's names where etcd has one. */
export function watchMetrics(hub: Hub): MetricFamily[] {
  const { watchers, slowWatchers, groups, eventsDelivered, windowBytes, pendingBytes, liveRevision } = hub.counters;
  const lag = liveRevision < 0 ? 0 : Math.max(0, hub.storageRevision - liveRevision);
  return [
    gauge('etcd_debugging_mvcc_slow_watcher_total', 'Watchers that are behind or held back.', slowWatchers),
    counter('etcd_debugging_mvcc_events_total', 'Events delivered to watchers.', eventsDelivered),
    gauge('etcd_debugging_mvcc_pending_events_total', 'Bytes of events that wait.', pendingBytes),
    gauge('hexad_watch_watchers', 'Watchers of the hub.', watchers),
    gauge('hexad_watch_groups', 'Different ranges that are watched.', groups),
    gauge(
      'hexad_watch_window_bytes',
      'Bytes of recent events kept for watchers that are a little behind.',
      windowBytes,
    ),
    gauge('hexad_watch_lag_revisions', 'Revisions the hub is behind storage.', lag),
    gauge('hexad_watch_queue_bytes', 'Bytes that wait for proxies.', hub.queuedBytes),
  ];
}
