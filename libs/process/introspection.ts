import { Errors } from '../errors';
import {
  decodeProcessLogLevel,
  decodeProcessMetricsRequest,
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

/** Measures now, for those who ask for it. */
export type MetricProbe = () => Promise<readonly MetricFamily[]>;

const NO_PROBE: MetricProbe = () => Promise.resolve([]);

/** `hexad.Process`: the process's own metrics and those of `source` and, when asked for, of `probe`; and its log level. */
export function introspectionHandlers(
  process_: string,
  logger: Logger,
  source: MetricSource,
  probe: MetricProbe = NO_PROBE,
): Handlers {
  const metrics = new ProcessMetrics(process_);
  const own = (): MetricFamily[] => [...metrics.families(), ...source()];
  tellAll = own;
  return {
    unary: {
      [PROCESS_PATHS.Metrics]: (call: UnaryCall) => {
        const tell = (probed: readonly MetricFamily[]): void => {
          const families = JSON.stringify([...own(), ...probed]);
          call.reply(encodeProcessMetricsResponse({ families }));
        };
        if (!wantsProbe(call.request)) tell([]);
        else {
          probe().then(tell, (error: unknown) => {
            logger.warn({ error: String(error) }, 'a probe of the disk has failed');
            tell([]);
          });
        }
      },
      [PROCESS_PATHS.LogLevel]: (call: UnaryCall) => changeLevel(call, logger),
    },
  };
}

function wantsProbe(request: Uint8Array): boolean {
  try {
    return decodeProcessMetricsRequest(request).probeDisk;
  } catch {
    return false;
  }
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
