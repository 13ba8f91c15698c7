import { WATCH_LAG_SECONDS } from '../../../libs/limits';
import type { Histogram } from '../../../libs/telemetry';
import type { HubStatus } from '../../../proto/gen/hexad';
import type { HubClient } from '../watch/hub-client';
import type { Labels, Page, Sample } from './metrics';

/** The watches of this proxy, by etcd's names, and what each of its hubs said of itself within the last second. */
export function watchMetrics(page: Page, hub: HubClient): void {
  const hubs: [Labels, HubStatus][] = [];
  for (const { name, status } of hub.hubs) if (status !== undefined) hubs.push([{ hub: name }, status]);
  const total = (value: (status: HubStatus) => number): number => hubs.reduce((sum, [, one]) => sum + value(one), 0);
  page.one('etcd_debugging_mvcc_watch_stream_total', 'gauge', 'The number of watch streams.', hub.sessionCount);
  page.one('etcd_debugging_mvcc_watcher_total', 'gauge', 'The number of watchers.', hub.watcherCount);
  page.one(
    'etcd_debugging_mvcc_slow_watcher_total',
    'gauge',
    'The number of watchers of the hubs that are behind or held back.',
    total(({ slowWatchers }) => slowWatchers),
  );
  page.one('etcd_debugging_mvcc_events_total', 'counter', 'The number of events sent to watchers.', hub.eventsSent);
  const loop = hub.sendLoop;
  const spent = (name: string, help: string, { bounds, counts, sum }: Histogram): void =>
    page.histogram(`etcd_debugging_server_watch_send_loop_${name}_seconds`, help, bounds, [[{}, counts, sum]]);
  spent('watch_stream_duration', 'Time to hand a batch of events to all its watchers.', loop.events);
  spent('watch_stream_duration_per_event', 'The same for each event and watcher.', loop.perEvent);
  spent('control_stream_duration', 'Time to tell clients of watches made and ended.', loop.control);
  spent('progress_duration', 'Time to tell clients of progress.', loop.progress);
  const each = (name: string, kind: 'counter' | 'gauge', help: string, value: (status: HubStatus) => number): void =>
    page.many(
      `hexad_watch_hub_${name}`,
      kind,
      help,
      hubs.map(([labels, status]): Sample => [labels, value(status)]),
    );
  each('watchers', 'gauge', 'Watchers of the hub, of all proxies.', (one) => one.watchers);
  each('slow_watchers', 'gauge', 'Watchers that are behind or held back.', (one) => one.slowWatchers);
  each('groups', 'gauge', 'Sets of watchers that share a match and a payload.', (one) => one.groups);
  each('events_total', 'counter', 'Events delivered, one for each watcher.', (one) => one.eventsDelivered);
  each('history_reads_total', 'counter', "Reads of storage's history.", (one) => one.historyReads);
  each('window_bytes', 'gauge', 'Memory of the recent events.', (one) => one.windowBytes);
  each('queued_bytes', 'gauge', 'What waits for proxies and for gaps to be filled.', (one) => one.queuedBytes);
  each('revision', 'gauge', 'The revision up to which events have been matched.', (one) => one.revision);
  each('lag_revisions', 'gauge', 'Revisions that storage has and the hub has not matched.', (one) => one.lagRevisions);
  page.histogram(
    'hexad_watch_hub_delivery_seconds',
    'Time from the commit of a live event to its leaving the hub, one for each delivery.',
    WATCH_LAG_SECONDS,
    hubs.map(([labels, { lagCounts, lagSumMicros }]) => [labels, lagCounts, lagSumMicros / 1e6] as const),
  );
}
