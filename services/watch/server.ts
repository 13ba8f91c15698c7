import { type OpenedAttachment, openAttachment } from '../../libs/attachment';
import { Errors } from '../../libs/errors';
import { type EventSource, type Messenger, NatsMessenger } from '../../libs/event-bus';
import { INTERNAL_MESSAGE_BYTES_MAX } from '../../libs/limits';
import {
  formatAddress,
  healthHandlers,
  introspectionHandlers,
  parseAddress,
  type ProcessContext,
  type RunningProcess,
  StartError,
} from '../../libs/process';
import { parseTraceparent, startTracing, type Tracing } from '../../libs/telemetry';
import { BatchClient, type Channel, createServer } from '../../libs/rpc';
import { type EventBatch, STORAGE_PATHS, WATCH_HUB_PATHS } from '../../proto/gen/hexad';
import { announceHub } from './announce';
import { BusSource } from './bus-source';
import { type WatchConfig, watchConfig } from './config';
import { Hub } from './hub';
import { watchMetrics } from './metrics';
import { MemberWatch } from './member-watch';
import { createStreamSource } from './stream-source';

/** Starts a watch hub: listens for proxies and follows the storage of its member, or of one of those it may attach to. */
export async function startWatch(
  context: ProcessContext,
  overrides: Partial<WatchConfig> = {},
  messenger: Messenger | undefined = openMessenger(context),
): Promise<RunningProcess> {
  const { config, logger } = context;
  const settings = { ...watchConfig(config), ...overrides };
  const opened = await openAttachment(config, messenger, logger);
  const { attachment } = opened;
  const channelOptions = { engine: config.rpcEngine, maxReceiveBytes: INTERNAL_MESSAGE_BYTES_MAX };
  const live = attachment.channel('storage', channelOptions);
  const bulk = attachment.channel('storage', channelOptions);
  const reads = new BatchClient({
    channel: live,
    path: STORAGE_PATHS.Read,
    lostError: Errors.TimeoutConnectionLost.id,
    busyError: Errors.TooManyRequests.id,
  });
  const tracing = startTracing(config);
  const hub = new Hub(settings, { reads, history: bulk }, logger, tracing, wallMicros);
  const memberWatch = config.tiers.attach === null ? undefined : watchMember(context, opened);
  const events = openSource(context, live, messenger, hub, tracing, (batch) => {
    if (hub.accepts(batch)) memberWatch?.heard();
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
  const announcer = announceHub(config, messenger, address);
  return {
    address: formatAddress(address),
    shutdown: async () => {
      // First, so that proxies have moved their watchers before the streams end.
      announcer?.leave();
      hub.close();
      events.close();
      memberWatch?.close();
      reads.close();
      live.close();
      bulk.close();
      opened.close();
      await Promise.all([server.close(), tracing.shutdown(), messenger?.close()]);
    },
  };
}

function openMessenger({ config, logger }: ProcessContext): Messenger | undefined {
  if (config.eventBus === null) return undefined;
  try {
    return new NatsMessenger({ ...config.eventBus, name: `hexad watch ${config.name}` }, logger);
  } catch (error) {
    throw new StartError(`cannot use --event-bus: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function watchMember({ config }: ProcessContext, { attachment }: OpenedAttachment): MemberWatch {
  const raft = attachment.channel('raft', { engine: config.rpcEngine });
  return new MemberWatch({ attachment, raft, leaderlessMaxMs: 3 * config.timing.electionMs, now });
}

function openSource(
  context: ProcessContext,
  channel: Channel,
  messenger: Messenger | undefined,
  hub: Hub,
  tracing: Tracing,
  onStorage: (batch: EventBatch) => void,
): EventSource {
  const options = {
    channel,
    wantsEvents: () => hub.wantsEvents,
    onStorage,
    onBatch: (batch: EventBatch, bytes: number) => {
      try {
        hub.receiveEvents(batch, bytes);
      } catch (error) {
        context.fatal(error);
      }
    },
  };
  if (messenger === undefined) return createStreamSource(options);
  const startSpan = (traceparent: string) => tracing.startChild('watch.events', parseTraceparent(traceparent));
  return new BusSource({ ...options, messenger, now, startSpan });
}

function now(): number {
  return performance.now();
}

function wallMicros(): number {
  return Math.round((performance.timeOrigin + performance.now()) * 1_000);
}
