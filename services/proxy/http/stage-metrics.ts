import { BOUNDS_MICROS, Stage, STAGES } from '../../../libs/attribution';
import { histogram, type HistogramNumbers, type MetricFamily, type MetricSample } from '../../../libs/telemetry';
import { type OpStats, SHARE_BOUNDS } from '../attribution/op-stats';
import type { MethodStats } from '../method-stats';

const BOUNDS_SECONDS = BOUNDS_MICROS.map((bound) => bound / 1e6);

/**
 * Durations of requests by method and stage. A method that was never called has no series: labels are bounded all the same.
 * `watch`: of events on their way to watchers.
 */
export function stageMetrics(stats: readonly MethodStats[], watch?: OpStats): MetricFamily[] {
  const called = stats.filter(({ ops }) => ops.total.count > 0);
  const all = called.map(({ ops }) => ops);
  if (watch !== undefined && watch.total.count > 0) all.push(watch);
  const stages = all.flatMap(stagesOf);
  const range = stats.find(({ ops }) => ops.op === 'range')?.ops;
  return [
    histogram('hexad_stage_duration_seconds', 'Where the time of requests went, by stage.', stages),
    histogram(
      'hexad_request_duration_seconds',
      'Durations of requests.',
      all.map((ops) => totalOf(ops, { op: ops.op })),
    ),
    histogram(
      'hexad_unattributed_time_ratio',
      'Share of the time of a request that its stages do not account for.',
      all.map(sharesOf),
    ),
    histogram(
      'etcd_server_request_duration_seconds',
      'Durations of requests.',
      called.map(({ ops }) => totalOf(ops, { type: ops.op, success: 'true' })),
    ),
    histogram('etcd_server_range_duration_seconds', 'Durations of ranges in storage.', rangeOf(range)),
    histogram(
      'grpc_server_handling_seconds',
      'Durations of unary calls.',
      called.map(({ ops, method, service, type }) =>
        totalOf(ops, { grpc_method: method, grpc_service: service, grpc_type: type }),
      ),
    ),
  ];
}

function stagesOf(ops: OpStats): HistogramNumbers[] {
  return ops.stages.flatMap((one, stage) => {
    if (one === undefined) return [];
    const labels = { stage: STAGES[stage] ?? '', op: ops.op };
    return [{ labels, bounds: BOUNDS_SECONDS, counts: one.buckets, sum: one.sumMicros / 1e6 }];
  });
}

function totalOf(ops: OpStats, labels: Record<string, string>): HistogramNumbers {
  const exemplars = ops.exemplars.map((one): MetricSample['exemplar'] => {
    return one === undefined ? undefined : { traceId: one.traceId, value: one.seconds, timestamp: one.at };
  });
  return { labels, bounds: BOUNDS_SECONDS, counts: ops.total.buckets, sum: ops.total.sumMicros / 1e6, exemplars };
}

function sharesOf(ops: OpStats): HistogramNumbers {
  return { labels: { op: ops.op }, bounds: SHARE_BOUNDS, counts: ops.shares, sum: ops.shareSum };
}

function rangeOf(ops: OpStats | undefined): HistogramNumbers[] {
  const read = ops?.stages[Stage.Read];
  if (read === undefined) return [];
  return [{ labels: { success: 'true' }, bounds: BOUNDS_SECONDS, counts: read.buckets, sum: read.sumMicros / 1e6 }];
}
