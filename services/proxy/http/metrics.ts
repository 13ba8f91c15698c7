import { GRPC_CODE_NAMES, GrpcCode } from '../../../libs/errors';
import { counter, gauge, histogram, type MetricFamily, ProcessMetrics } from '../../../libs/telemetry';
import type { MemberView } from '../member-view';
import type { MethodStats } from '../method-stats';
import type { ReadPipeline } from '../reads';
import type { Router } from '../router';
import type { HubClient } from '../watch/hub-client';
import type { WritePipeline } from '../writes';
import type { SiblingInspector } from '../sibling-inspector';
import type { Attribution } from '../attribution/attribution';
import type { HealthCounters } from './health-checks';
import { constantFamilies } from './etcd-families';
import { type MetricsPage, renderFamilies } from '../../../libs/telemetry';
import { stageMetrics } from './stage-metrics';
import { watchMetrics } from './watch-metrics';

export interface MetricSources {
  readonly view: MemberView;
  readonly writes: WritePipeline;
  readonly reads: ReadPipeline;
  readonly router: Router;
  readonly attribution: Pick<Attribution, 'settle' | 'watch'>;
  readonly hub: HubClient;
  readonly health: HealthCounters;
  readonly version: string;
  readonly quotaBytes: number;
  readonly siblings: SiblingInspector;
  readonly traffic: () => { readonly receivedBytes: number; readonly sentBytes: number };
}

type Kind = 'counter' | 'gauge';
export type Labels = Readonly<Record<string, string>>;
export type Sample = readonly [labels: Labels, value: number];

/** Everything that the member tells of itself: this process's numbers and, asked for now, those of its siblings and of its hubs. */
export class Metrics {
  private readonly process = new ProcessMetrics('proxy');

  constructor(private readonly sources: MetricSources) {}

  /** `accept`: the scraper's header, which chooses the format. */
  async page(accept: string): Promise<MetricsPage> {
    return renderFamilies(await this.families(), accept);
  }

  /** `probeDisk`: what the disk of the WAL takes is measured meanwhile. */
  async families(probeDisk = false): Promise<MetricFamily[]> {
    const { siblings: inspector } = this.sources;
    const [siblings, hubs] = await Promise.all([inspector.metrics(probeDisk), inspector.hubMetrics()]);
    const up = (families: readonly MetricFamily[] | undefined): number => (families === undefined ? 0 : 1);
    const answered = [
      ...[...siblings].map(([process, families]): Sample => [{ process }, up(families)]),
      ...hubs.map(({ hub, families }): Sample => [{ process: 'watch', hub }, up(families)]),
    ];
    const all = [...this.process.families(), ...[...siblings.values()].flatMap((families) => families ?? [])];
    return [
      ...this.own(),
      gauge('hexad_process_up', 'Whether a process of the member answered.', [[{ process: 'proxy' }, 1], ...answered]),
      ...all,
      ...hubs.flatMap(({ families }) => families ?? []),
      ...memberTotals(all),
    ];
  }

  /** What this process knows without asking. */
  own(): MetricFamily[] {
    const { attribution, router } = this.sources;
    attribution.settle();
    const page = new Page();
    serverMetrics(page, this.sources);
    grpcMetrics(page, router.stats);
    return [...page.families, ...stageMetrics(router.stats, attribution.watch?.ops), ...constantFamilies()];
  }
}

export class Page {
  readonly families: MetricFamily[] = [];

  one(name: string, kind: Kind, help: string, value: number): void {
    this.many(name, kind, help, [[{}, value]]);
  }

  /** `counts`: for each bound those up to it and above the one before, then the rest. `sum` in the bounds' unit. */
  histogram(
    name: string,
    help: string,
    bounds: readonly number[],
    series: readonly (readonly [labels: Labels, counts: readonly number[], sum: number])[],
  ): void {
    const numbers = series.map(([labels, counts, sum]) => ({ labels, bounds, counts, sum }));
    this.families.push(histogram(name, help, numbers));
  }

  many(name: string, kind: Kind, help: string, samples: readonly Sample[]): void {
    this.families.push(kind === 'counter' ? counter(name, help, samples) : gauge(name, help, samples));
  }
}

/** What dashboards expect of one process, summed up over the six. */
function memberTotals(families: readonly MetricFamily[]): MetricFamily[] {
  const values = (name: string): number[] =>
    families.filter((family) => family.name === name).flatMap(({ samples }) => samples.map(({ value }) => value));
  const sum = (name: string): number => values(name).reduce((total, value) => total + value, 0);
  const files = sum('hexad_process_open_fds');
  const filesMax = Math.max(0, ...values('hexad_process_max_fds'));
  const started = Math.min(...values('hexad_process_start_time_seconds'));
  return [
    counter(
      'process_cpu_seconds_total',
      'CPU time of all processes of the member.',
      sum('hexad_process_cpu_seconds_total'),
    ),
    gauge(
      'process_resident_memory_bytes',
      'Resident memory of all processes of the member.',
      sum('hexad_process_resident_memory_bytes'),
    ),
    gauge('process_start_time_seconds', 'Start of the oldest process since the epoch.', started),
    gauge('process_open_fds', 'Open files of all processes of the member.', files),
    gauge('process_max_fds', 'Files that a process of the member may open.', filesMax),
    gauge('os_fd_used', 'The number of used file descriptors.', files),
    gauge('os_fd_limit', 'The file descriptor limit.', filesMax),
  ];
}

function serverMetrics(
  page: Page,
  { view, writes, reads, router, hub, health, version, quotaBytes, traffic }: MetricSources,
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
  const checks = [...health.checks.values()];
  page.many(
    'etcd_server_healthcheck',
    'gauge',
    'The result of each kind of healthcheck.',
    checks.map(({ type, name, isHealthy }): Sample => [{ type, name }, flag(isHealthy)]),
  );
  page.many(
    'etcd_server_healthchecks_total',
    'counter',
    'The total number of each kind of healthcheck.',
    checks.flatMap(({ type, name, success, error }): Sample[] => [
      [{ type, name, status: 'success' }, success],
      [{ type, name, status: 'error' }, error],
    ]),
  );
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
  const { refusals, requests } = router.admission;
  page.one('hexad_admission_refusals_total', 'counter', 'Requests refused because too many were under way.', refusals);
  page.one('hexad_requests_in_flight', 'gauge', 'Unary requests under way.', requests);
  page.one('hexad_reads_in_flight', 'gauge', 'Reads under way.', reads.size);
  page.one(
    'hexad_proposal_batches_total',
    'counter',
    'Batches of proposals: proposals by batches is their size.',
    writes.counters.batches,
  );
  page.one('hexad_proposals_total', 'counter', 'Proposals sent.', writes.counters.proposed);
  const { receivedBytes, sentBytes } = traffic();
  page.one('etcd_network_client_grpc_received_bytes_total', 'counter', 'Bytes received from clients.', receivedBytes);
  page.one('etcd_network_client_grpc_sent_bytes_total', 'counter', 'Bytes sent to clients.', sentBytes);
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
  promotionMetrics(page, stats);
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

/** Promotions of learners that were asked for here. */
function promotionMetrics(page: Page, stats: readonly MethodStats[]): void {
  const handled = stats.find(
    ({ service, method }) => service.endsWith('.Cluster') && method === 'MemberPromote',
  )?.handled;
  page.one(
    'etcd_server_learner_promote_successes',
    'counter',
    'Learners that were promoted.',
    handled?.[GrpcCode.OK] ?? 0,
  );
  page.many(
    'etcd_server_learner_promote_failures',
    'counter',
    'Promotions of learners that failed.',
    (handled ?? []).flatMap((value, code): Sample[] =>
      code === GrpcCode.OK || value === 0 ? [] : [[{ Reason: GRPC_CODE_NAMES[code] ?? String(code) }, value]],
    ),
  );
}
