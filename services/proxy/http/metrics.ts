import { readdirSync, readFileSync } from 'node:fs';
import { GRPC_CODE_NAMES } from '../../../libs/errors';
import type { MemberView } from '../member-view';
import type { MethodStats } from '../method-stats';
import type { ReadPipeline } from '../reads';
import type { Router } from '../router';
import type { HubClient } from '../watch/hub-client';
import type { WritePipeline } from '../writes';
import type { HealthCounters } from './health-checks';
import { watchMetrics } from './watch-metrics';

export interface MetricSources {
  readonly view: MemberView;
  readonly writes: WritePipeline;
  readonly reads: ReadPipeline;
  readonly router: Router;
  readonly hub: HubClient;
  readonly health: HealthCounters;
  readonly version: string;
  readonly quotaBytes: number;
}

export const METRICS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

type Kind = 'counter' | 'gauge';
export type Labels = Readonly<Record<string, string>>;
export type Sample = readonly [labels: Labels, value: number];

/** Prometheus' text format. Everything is a plain number until somebody scrapes. */
export function renderMetrics(sources: MetricSources): string {
  const page = new Page();
  serverMetrics(page, sources);
  grpcMetrics(page, sources.router.stats);
  processMetrics(page);
  return page.text();
}

export class Page {
  private readonly lines: string[] = [];

  one(name: string, kind: Kind, help: string, value: number): void {
    this.many(name, kind, help, [[{}, value]]);
  }

  many(name: string, kind: Kind, help: string, samples: readonly Sample[]): void {
    this.lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${kind}`);
    for (const [labels, value] of samples) this.lines.push(`${name}${labelText(labels)} ${value}`);
  }

  /** `counts`: for each bound those up to it and above the one before, then the rest. `sum` in the bounds' unit. */
  histogram(
    name: string,
    help: string,
    bounds: readonly number[],
    series: readonly (readonly [labels: Labels, counts: readonly number[], sum: number])[],
  ): void {
    this.lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} histogram`);
    for (const [labels, counts, sum] of series) {
      let total = 0;
      [...bounds, '+Inf'].forEach((bound, at) => {
        total += counts[at] ?? 0;
        this.lines.push(`${name}_bucket${labelText({ ...labels, le: String(bound) })} ${total}`);
      });
      this.lines.push(`${name}_sum${labelText(labels)} ${sum}`, `${name}_count${labelText(labels)} ${total}`);
    }
  }

  text(): string {
    return `${this.lines.join('\n')}\n`;
  }
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

function serverMetrics(
  page: Page,
  { view, writes, reads, router, hub, health, version, quotaBytes }: MetricSources,
): void {
  const flag = (value: boolean): number => (value ? 1 : 0);
  page.one(
    'etcd_server_has_leader',
    'gauge',
    'Whether or not a leader exists. 1 is existence, 0 is not.',
    flag(view.hasLeader),
  );
  page.one(
    'etcd_server_is_leader',
    'gauge',
    'Whether or not this member is a leader. 1 if is, 0 otherwise.',
    flag(view.isLeader),
  );
  page.one(
    'etcd_server_is_learner',
    'gauge',
    'Whether or not this member is a learner. 1 if is, 0 otherwise.',
    flag(view.isLearner),
  );
  page.one(
    'etcd_server_leader_changes_seen_total',
    'counter',
    'The number of leader changes seen.',
    view.leaderChanges,
  );
  page.one(
    'etcd_server_proposals_committed_total',
    'gauge',
    'Index of the last entry known to be committed.',
    Math.max(view.commitIndex, writes.appliedIndex),
  );
  page.one(
    'etcd_server_proposals_applied_total',
    'gauge',
    'Index of the last entry known to be applied.',
    Math.max(view.feedAppliedIndex, writes.appliedIndex),
  );
  page.one('etcd_server_proposals_pending', 'gauge', 'The current number of pending proposals.', writes.size);
  page.one(
    'etcd_server_proposals_failed_total',
    'counter',
    'The number of proposals without a known outcome or refused.',
    writes.counters.failed,
  );
  page.one(
    'etcd_server_read_indexes_failed_total',
    'counter',
    'The number of read indexes that were refused.',
    reads.failedContexts,
  );
  page.one('etcd_server_quota_backend_bytes', 'gauge', 'Quota of the store in bytes.', quotaBytes);
  page.one('etcd_server_health_success', 'counter', 'The number of successful health checks.', health.success);
  page.one('etcd_server_health_failures', 'counter', 'The number of failed health checks.', health.failures);
  page.many('etcd_server_version', 'gauge', 'The version of the server, as a label.', [
    [{ server_version: version }, 1],
  ]);
  page.many('etcd_server_id', 'gauge', 'The id of the server, as a label.', [
    [{ server_id: view.memberId.toString(16) }, 1],
  ]);
  const cluster = /^\d+\.\d+/.exec(view.clusterVersion)?.[0];
  if (cluster !== undefined) {
    page.many('etcd_cluster_version', 'gauge', 'The version of the cluster, as a label.', [
      [{ cluster_version: cluster }, 1],
    ]);
  }
  page.many('etcd_server_client_requests_total', 'counter', 'The number of requests by the version of the client.', [
    ...clientSamples('unary', router.unaryByClient),
    ...clientSamples('stream', router.streamsByClient),
  ]);
  watchMetrics(page, hub);
  page.one('etcd_debugging_auth_revision', 'gauge', 'The current revision of the auth store.', view.authRevision);
}

function clientSamples(type: string, counts: ReadonlyMap<string, number>): Sample[] {
  return [...counts].map(([version, count]) => [
    { client_api_version: version === '' ? 'unknown' : version, type },
    count,
  ]);
}

function grpcMetrics(page: Page, stats: readonly MethodStats[]): void {
  const labels = ({ method, service, type }: MethodStats): Labels => ({
    grpc_method: method,
    grpc_service: service,
    grpc_type: type,
  });
  const count = (name: string, help: string, value: (one: MethodStats) => number): void =>
    page.many(
      name,
      'counter',
      help,
      stats.map((one) => [labels(one), value(one)]),
    );
  count('grpc_server_started_total', 'Total number of RPCs started on the server.', (one) => one.started);
  count('grpc_server_msg_received_total', 'Total number of messages received on the server.', (one) => one.received);
  count('grpc_server_msg_sent_total', 'Total number of messages sent by the server.', (one) => one.sent);
  const handled = stats.flatMap((one) =>
    one.handled.map((value, code): Sample => {
      const name = GRPC_CODE_NAMES[code] ?? String(code);
      return [{ grpc_code: name, ...labels(one) }, value];
    }),
  );
  page.many('grpc_server_handled_total', 'counter', 'Total number of RPCs completed on the server.', handled);
}

function processMetrics(page: Page): void {
  const { user, system } = process.cpuUsage();
  const { rss } = process.memoryUsage();
  const started = Date.now() / 1000 - process.uptime();
  const openFiles = readdirSync('/proc/self/fd').length;
  const limit = Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? 0);
  page.one(
    'process_cpu_seconds_total',
    'counter',
    'User and system CPU time of the proxy process in seconds.',
    (user + system) / 1e6,
  );
  page.one('process_resident_memory_bytes', 'gauge', 'Resident memory of the proxy process in bytes.', rss);
  page.one(
    'process_start_time_seconds',
    'gauge',
    'Start time of the proxy process since the epoch in seconds.',
    started,
  );
  page.one('process_open_fds', 'gauge', 'Open file descriptors of the proxy process.', openFiles);
  page.one('process_max_fds', 'gauge', 'Most file descriptors the proxy process may open.', limit);
  page.one('os_fd_used', 'gauge', 'The number of used file descriptors.', openFiles);
  page.one('os_fd_limit', 'gauge', 'The file descriptor limit.', limit);
}
