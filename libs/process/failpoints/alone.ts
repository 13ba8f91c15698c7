import { FAILPOINTS, type FailpointProcess, registeredFailpoint } from '../../failpoints';
import type { Logger } from '../logger';
import type { FailpointEnvironment } from './environment';
import { applyFailpointSettings, carryOutOrder, hostFailpoints } from './host';
import { serveFailpoints } from './http';

/** Failpoints of a process that runs without a supervisor: it has an endpoint of its own, and its panic ends it alone. */
export async function hostOwnFailpoints(
  name: FailpointProcess,
  { settings, http }: FailpointEnvironment,
  logger: Logger,
): Promise<void> {
  hostFailpoints({
    onPanic: (message) => logger.fatal(message),
    print: (message) => logger.info(message),
    whileHeld: () => undefined,
  });
  applyFailpointSettings(settings, (message) => logger.warn(message));
  if (http === undefined) return;
  const names: readonly string[] = FAILPOINTS[name];
  const server = await serveFailpoints(http, {
    list: () => [...names].sort().map((point) => ({ name: point, terms: termsOf(point) })),
    carryOut: (order) => Promise.resolve(carryOutOrder(order)),
  });
  server.unref();
}

function termsOf(name: string): string {
  return registeredFailpoint(name)?.setting?.text ?? '';
}
