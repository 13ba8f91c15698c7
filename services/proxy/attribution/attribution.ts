import type { ProcessConfig } from '../../../libs/config';
import type { Logger } from '../../../libs/process';
import { hostMicros } from '../../../libs/telemetry';
import type { MemberView } from '../member-view';
import type { Breakdown } from './breakdown';
import { HotKeys } from './hot-keys';
import { Recorder } from './recorder';
import { Slowest } from './slowest';
import type { TimedRequest } from './timed-request';

const FADE_MS = 5000;

export interface AttributionOptions {
  readonly config: ProcessConfig;
  /** This process's nonce. */
  readonly origin: number;
  readonly view: Pick<MemberView, 'members'>;
  readonly logger: Logger;
}

export type NotableListener = (breakdown: Breakdown, request: TimedRequest, startedAt: number) => void;

/** Where the time of this process's requests goes: what is measured, remembered and told. */
export class Attribution {
  readonly slowest = new Slowest();
  readonly hot = new HotKeys();
  /** Undefined: stage stamps are off. */
  readonly recorder: Recorder | undefined;
  /** Told of requests that were slow or failed. */
  onNotable: NotableListener = () => undefined;
  private fadeAt = 0;

  constructor(options: AttributionOptions) {
    const { config, origin, view, logger } = options;
    const { stageStamps, slowRequestMs } = config.telemetry;
    if (!stageStamps) return;
    const slowMicros = slowRequestMs > 0 ? slowRequestMs * 1000 : Number.POSITIVE_INFINITY;
    this.recorder = new Recorder({
      slowMicros,
      clock: hostMicros,
      wallClock: Date.now,
      origin,
      memberName: () => config.name,
      nameOf: (id) => view.members.get(id)?.name || id.toString(16),
      onNotable: (breakdown, request, startedAt) => {
        if (breakdown.totalMicros > slowMicros) logSlowRequest(logger, breakdown);
        this.onNotable(breakdown, request, startedAt);
      },
      slowest: this.slowest,
      hot: this.hot,
    });
  }

  /** Called by the coarse timer; milliseconds. */
  sweep(now: number): void {
    this.slowest.sweep(now);
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
      ...(breakdown.detail === undefined ? {} : { detail: breakdown.detail }),
      ...(breakdown.error === '' ? {} : { error: breakdown.error }),
    },
    'slow request',
  );
}
