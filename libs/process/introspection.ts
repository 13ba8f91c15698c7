import { Errors } from '../errors';
import {
  decodeProcessLogLevel,
  encodeProcessLogLevel,
  encodeProcessMetricsResponse,
  PROCESS_PATHS,
} from '../../proto/gen/hexad';
import type { Handlers, UnaryCall } from '../rpc';
import { type MetricFamily, type MetricSource, ProcessMetrics } from '../telemetry';
import { isLogLevel, type Logger, setLogLevel } from './logger';

let tellAll: () => MetricFamily[] = () => [];

/** What this process tells of itself once it serves `hexad.Process`. */
export function ownFamilies(): MetricFamily[] {
  return tellAll();
}

/** `hexad.Process`: the process's own metrics and those of `source`, and its log level. */
export function introspectionHandlers(process_: string, logger: Logger, source: MetricSource): Handlers {
  const metrics = new ProcessMetrics(process_);
  tellAll = () => [...metrics.families(), ...source()];
  return {
    unary: {
      [PROCESS_PATHS.Metrics]: (call: UnaryCall) => {
        const families = JSON.stringify([...metrics.families(), ...source()]);
        call.reply(encodeProcessMetricsResponse({ families }));
      },
      [PROCESS_PATHS.LogLevel]: (call: UnaryCall) => changeLevel(call, logger),
    },
  };
}

function changeLevel(call: UnaryCall, logger: Logger): void {
  let level: string;
  try {
    ({ level } = decodeProcessLogLevel(call.request));
  } catch {
    call.fail(Errors.MalformedRequest);
    return;
  }
  if (level !== '' && !isLogLevel(level)) {
    call.fail(Errors.MalformedRequest);
    return;
  }
  if (level !== '') setLogLevel(logger, level);
  call.reply(encodeProcessLogLevel({ level: logger.level }));
}
