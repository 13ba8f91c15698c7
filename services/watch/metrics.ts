import { gauge, type MetricFamily } from '../../libs/telemetry';
import type { Hub } from './hub';

/** What the hub tells of itself, beside what its proxies report. */
export function watchMetrics(hub: Hub): MetricFamily[] {
  const { watchers, groups, windowBytes, pendingBytes } = hub.counters;
  return [
    gauge('etcd_debugging_mvcc_pending_events_total', 'Bytes of events that wait.', pendingBytes),
    gauge('hexad_watch_watchers', 'Watchers of the hub.', watchers),
    gauge('hexad_watch_groups', 'Different ranges that are watched.', groups),
    gauge(
      'hexad_watch_window_bytes',
      'Bytes of recent events kept for watchers that are a little behind.',
      windowBytes,
    ),
    gauge('hexad_watch_queue_bytes', 'Bytes that wait for proxies.', hub.queuedBytes),
  ];
}
