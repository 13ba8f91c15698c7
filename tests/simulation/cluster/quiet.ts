import type { Logger } from '../../../libs/process';
import type { Tracing } from '../../../libs/telemetry';
import { startTracing } from '../../../libs/telemetry';
import type { ProcessConfig } from '../../../libs/config';

export type LogSink = (level: string, detail: unknown, message: string) => void;

/** A logger that hands its lines to `sink`. */
export function createSimLogger(sink: LogSink): Logger {
  const at = (level: string) => (detail: unknown, message?: string) => sink(level, detail, message ?? '');
  const logger = { debug: () => undefined, info: at('info'), warn: at('warn'), error: at('error'), fatal: at('fatal') };
  return logger as unknown as Logger; // the services log by these five alone
}

export function noTracing(config: ProcessConfig): Tracing {
  return startTracing(config);
}
