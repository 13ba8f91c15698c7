import { Errors } from '../../libs/errors';
import { INTERNAL_MESSAGE_BYTES_MAX } from '../../libs/limits';
import {
  formatAddress,
  healthHandlers,
  introspectionHandlers,
  parseAddress,
  type ProcessContext,
  type RunningProcess,
} from '../../libs/process';
import { startTracing } from '../../libs/telemetry';
import { BatchClient, connect, createServer } from '../../libs/rpc';
import { STORAGE_PATHS, WATCH_HUB_PATHS } from '../../proto/gen/hexad';
import { type WatchConfig, watchConfig } from './config';
import { EventsLink } from './events-link';
import { Hub } from './hub';
import { watchMetrics } from './metrics';

/** Starts the watch hub of a member: listens for proxies and follows the member's storage. */
export async function startWatch(
  context: ProcessContext,
  overrides: Partial<WatchConfig> = {},
): Promise<RunningProcess> {
  const { config, logger } = context;
  const settings = { ...watchConfig(config), ...overrides };
  const storage = parseAddress(config.addresses.storage);
  const channelOptions = { engine: config.rpcEngine, maxReceiveBytes: INTERNAL_MESSAGE_BYTES_MAX };
  const live = connect(storage, channelOptions);
  const bulk = connect(storage, channelOptions);
  const reads = new BatchClient({
    channel: live,
    path: STORAGE_PATHS.Read,
    lostError: Errors.TimeoutConnectionLost.id,
    busyError: Errors.TooManyRequests.id,
  });
  const tracing = startTracing(config);
  const hub = new Hub(settings, { reads, history: bulk }, logger, tracing);
  const events = new EventsLink({
    channel: live,
    wantsEvents: () => hub.wantsEvents,
    onMessage: (message) => {
      try {
        hub.receiveEvents(message);
      } catch (error) {
        context.fatal(error);
      }
    },
  });
  hub.onWishChanged(() => events.wishChanged());
  const server = createServer({
    engine: config.rpcEngine,
    maxReceiveBytes: INTERNAL_MESSAGE_BYTES_MAX,
    highWaterBytes: settings.queueBytesSoft,
  });
  server.addHandlers({ stream: { [WATCH_HUB_PATHS.Watch]: hub.serve } });
  server.addHandlers(healthHandlers());
  server.addHandlers(introspectionHandlers('watch', logger, () => watchMetrics(hub)));
  const address = await server.listen(parseAddress(config.addresses.watch));
  return {
    address: formatAddress(address),
    shutdown: async () => {
      hub.close();
      events.close();
      reads.close();
      live.close();
      bulk.close();
      await Promise.all([server.close(), tracing.shutdown()]);
    },
  };
}
