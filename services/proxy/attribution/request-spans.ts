import { createHash, randomBytes } from 'node:crypto';
import { decodeTrace, type FinishedSpan, parseTraceparent, type Tracing } from '../../../libs/telemetry';
import { readMetadata } from '../auth/call-metadata';
import type { Breakdown } from './breakdown';
import { prefixOf } from './hot-keys';
import type { TimedRequest } from './timed-request';

/**
 * Makes the spans of a request from its stamps, after the fact: one for each stage, under the name of the process that
 * worked on it. A request that was not sampled gets its root span here too: slow and failed ones are always exported.
 */
export class RequestSpans {
  constructor(private readonly tracing: Tracing) {}

  /** `startedAt`: ms since the epoch. Returns the trace's id. */
  export(breakdown: Breakdown, request: TimedRequest, startedAt: number): string {
    const sampled = decodeTrace(request.trace);
    const caller = sampled ?? parseTraceparent(readMetadata(request.call.metadata).traceparent);
    const traceId = caller?.traceId ?? randomBytes(16).toString('hex');
    const rootId = sampled?.spanId ?? spanId();
    const attributes = attributesOf(breakdown, request);
    const { member, error } = breakdown;
    const spans: FinishedSpan[] = [];
    if (sampled === undefined) {
      const endMs = startedAt + breakdown.totalMicros / 1000;
      const name = request.stats.path.slice(1);
      const base = { name, traceId, spanId: rootId, parentSpanId: caller?.spanId ?? '', startMs: startedAt, endMs };
      const failed = error === '' ? {} : { error };
      spans.push({ ...base, attributes, process: 'proxy', member, isServer: true, ...failed });
    }
    this.addStages(spans, breakdown, traceId, rootId, startedAt);
    this.tracing.emit(spans);
    return traceId;
  }

  /** The same of events that came to watchers late: a trace of their own. Returns its id. */
  exportDelivery(breakdown: Breakdown): string {
    const traceId = randomBytes(16).toString('hex');
    const rootId = spanId();
    const { member, at, totalMicros, cause, delivered } = breakdown;
    const startMs = at - totalMicros / 1000;
    const attributes = {
      'hexad.request.id': breakdown.id,
      'hexad.op': breakdown.op,
      'hexad.cause.stage': cause.stage,
      'hexad.cause.process': cause.process,
      'hexad.cause.reason': cause.reason,
      ...(delivered === undefined
        ? { 'network.peer.address': breakdown.remote }
        : {
            'hexad.watch.watchers': delivered.watchers,
            'hexad.watch.events': delivered.events,
            'hexad.revision': delivered.revision,
          }),
    };
    const base = { name: 'watch.delivery', traceId, spanId: rootId, parentSpanId: '', startMs, endMs: at };
    const spans: FinishedSpan[] = [{ ...base, attributes, process: 'proxy', member, isServer: true }];
    this.addStages(spans, breakdown, traceId, rootId, startMs);
    this.tracing.emit(spans);
    return traceId;
  }

  private addStages(
    spans: FinishedSpan[],
    breakdown: Breakdown,
    traceId: string,
    rootId: string,
    startedAt: number,
  ): void {
    const { member } = breakdown;
    let at = startedAt;
    for (const { stage, micros, process } of breakdown.stages) {
      const endMs = at + micros / 1000;
      const [name = 'proxy', where = member] = process.split('@');
      const base = { name: `stage.${stage}`, traceId, spanId: spanId(), parentSpanId: rootId, startMs: at, endMs };
      const detail = stageAttributes(stage, breakdown);
      spans.push({ ...base, attributes: { 'hexad.stage': stage, ...detail }, process: name, member: where });
      at = endMs;
    }
  }
}

function spanId(): string {
  return randomBytes(8).toString('hex');
}

/** Never the key: a hash of its prefix tells equal ones apart. */
function attributesOf(breakdown: Breakdown, { body, stats }: TimedRequest): Record<string, string | number> {
  const prefix = stats.ops.op === 'txn' ? undefined : prefixOf(body);
  const hash = prefix === undefined ? undefined : createHash('sha256').update(prefix).digest('hex').slice(0, 16);
  return {
    'hexad.request.id': breakdown.id,
    'hexad.op': breakdown.op,
    'hexad.request.bytes': breakdown.requestBytes,
    'hexad.response.bytes': breakdown.responseBytes,
    'hexad.cause.stage': breakdown.cause.stage,
    'hexad.cause.process': breakdown.cause.process,
    'hexad.cause.reason': breakdown.cause.reason,
    'network.peer.address': breakdown.remote,
    ...(hash === undefined ? {} : { 'hexad.key_prefix.hash': hash }),
    ...(breakdown.rangeKeys < 0 ? {} : { 'hexad.range.keys': breakdown.rangeKeys }),
  };
}

function stageAttributes(stage: string, { detail }: Breakdown): Record<string, string | number> {
  if (detail === undefined) return {};
  const common = { 'hexad.raft.index': detail.index, 'hexad.raft.leader': detail.leader };
  if (stage === 'wal') {
    return { ...common, 'hexad.raft.batch': detail.batch, 'hexad.wal.fsync_us': detail.fsync };
  }
  if (stage !== 'replicate') return common;
  return {
    ...common,
    'hexad.raft.follower': detail.follower,
    'hexad.raft.round_trip_us': detail.roundTrip,
    'hexad.raft.follower_fsync_us': detail.followerFsync,
  };
}
