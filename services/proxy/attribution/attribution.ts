import type { ProcessConfig } from '../../../libs/config';
import type { Logger } from '../../../libs/process';
import { hostMicros, moment, type Tracing } from '../../../libs/telemetry';
import type { MemberView } from '../member-view';
import { LineLimit } from '../line-limit';
import type { Breakdown } from './breakdown';
import { HotKeys } from './hot-keys';
import { Recorder } from './recorder';
import { RequestSpans } from './request-spans';
import { Slowest } from './slowest';
import { WatchTimes } from './watch-times';

const FADE_MS = 5000;

export interface AttributionOptions {
  readonly config: ProcessConfig;
  /** This process's nonce. */
  readonly origin: number;
  readonly view: Pick<MemberView, 'members'>;
  readonly logger: Logger;
  readonly tracing: Tracing;
}

/** Where the time of this process's requests goes: what is measured, remembered and told. */
export class Attribution {
  readonly slowest = new Slowest();
  readonly hot = new HotKeys();
  /** Undefined: stage stamps are off. */
  readonly recorder: Recorder | undefined;
  /** The same for events on their way to watchers. */
  readonly watch: WatchTimes | undefined;
  private fadeAt = 0;
  private readonly limit: LineLimit;

  constructor(options: AttributionOptions) {
    const { config, origin, view, logger, tracing } = options;
    const spans = tracing.enabled ? new RequestSpans(tracing) : undefined;
    this.limit = new LineLimit(logger, 'more slow requests than are logged one by one');
    const { stageStamps, slowRequestMs } = config.telemetry;
    if (!stageStamps) return;
    const slowMicros = slowRequestMs > 0 ? slowRequestMs * 1000 : Number.POSITIVE_INFINITY;
    const common = {
      slowMicros,
      origin,
      memberName: () => config.name,
      nameOf: (id: bigint) => view.members.get(id)?.name || id.toString(16),
      isTracing: tracing.enabled,
      slowest: this.slowest,
    };
    this.watch = new WatchTimes({
      ...common,
      now: moment,
      onSlow: (breakdown) => {
        const traceId = spans?.exportDelivery(breakdown) ?? '';
        if (this.limit.admits(breakdown.totalMicros / 1000, performance.now()))
          logSlowRequest(logger, { ...breakdown, traceId });
        return traceId;
      },
    });
    this.recorder = new Recorder({
      ...common,
      clock: hostMicros,
      wallClock: Date.now,
      onNotable: (breakdown, request) => {
        const tookMs = breakdown.totalMicros / 1000;
        const traceId = spans?.export(breakdown, request, breakdown.at - tookMs) ?? breakdown.traceId;
        const isSlow = breakdown.totalMicros > slowMicros;
        if (isSlow && this.limit.admits(tookMs, performance.now())) logSlowRequest(logger, { ...breakdown, traceId });
        return traceId;
      },
      hot: this.hot,
    });
  }

  /** What has been answered is accounted for: before anybody looks. */
  settle(): void {
    this.recorder?.settle();
    this.watch?.settle();
  }

  /** Called by the coarse timer; milliseconds. */
  sweep(now: number): void {
    this.settle();
    this.limit.sweep(now);
    this.slowest.sweep(now);
    this.watch?.sweep();
    if (now < this.fadeAt) return;
    this.fadeAt = now + FADE_MS;
    this.hot.fade();
  }
}

/** One line with everything that is known. Never the request's contents: keys and values stay out of the log. */
function logSlowRequest(logger: Logger, breakdown: Breakdown): void {
  const stages = Object.fromEntries(breakdown.stages.map(({ stage, micros }) => [stage, micros / 1000]));
  logger.warn(
    {
      'request-id': breakdown.id,
      ...(breakdown.traceId === '' ? {} : { 'trace-id': breakdown.traceId }),
      op: breakdown.op,
      remote: breakdown.remote,
      'total-ms': breakdown.totalMicros / 1000,
      'stages-ms': stages,
      'unattributed-ms': breakdown.unattributedMicros / 1000,
      stage: breakdown.cause.stage,
      where: breakdown.cause.process,
      reason: breakdown.cause.reason,
      'request-bytes': breakdown.requestBytes,
      'response-bytes': breakdown.responseBytes,
      ...(breakdown.rangeKeys < 0 ? {} : { 'range-keys': breakdown.rangeKeys }),
      ...breakdown.delivered,
      ...(breakdown.detail === undefined ? {} : { detail: breakdown.detail }),
      ...(breakdown.error === '' ? {} : { error: breakdown.error }),
    },
    'slow request',
  );
}
