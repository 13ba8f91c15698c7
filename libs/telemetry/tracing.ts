import type { ProcessConfig } from '../config/process-config';
import type { Tracing } from './types';

const OFF: Tracing = {
  enabled: false,
  startRequest: () => undefined,
  startChild: () => undefined,
  emit: () => undefined,
  shutdown: () => Promise.resolve(),
};

/** Tracing of one process under its own `service.name`. The OpenTelemetry SDK costs 0.2 s of CPU to load, so only when asked for. */
export function startTracing(config: ProcessConfig): Tracing {
  if (!config.telemetry.enabled) return OFF;
  const { startSdk } = require('./sdk') as typeof import('./sdk');
  return startSdk(config);
}
