import { mkdirSync } from 'node:fs';
import { INTERNAL_MESSAGE_BYTES_MAX } from '../../libs/limits';
import { failpoint } from '../../libs/failpoints';
import { CorruptionError, NewerFormatError, type Store } from '../../libs/mvcc';
import {
  formatAddress,
  healthHandlers,
  introspectionHandlers,
  lockDirectory,
  parseAddress,
  type DataProcessContext,
  type RunningProcess,
  StartError,
} from '../../libs/process';
import { connect, createServer } from '../../libs/rpc';
import { currentGeneration, openStore, removeOtherGenerations } from '../../libs/store';
import { startTracing } from '../../libs/telemetry';
import { openEventBus } from './event-bus';
import type { StoreSnapshot } from '../../proto/gen/hexad';
import { ApplyAttempts } from './apply/attempts';
import { type StorageConfig, storageConfig } from './config';
import { clearInstalled, readInstalled } from './copy/installed';
import { StorageCounts } from './counts';
import { limits } from './limits';
import { storedIdentity } from './state/state';
import { Storage } from './storage';
import { StoreDisk } from './store-disk';

const beforeOpenSnapshot = failpoint('applyBeforeOpenSnapshot');
const afterOpenSnapshot = failpoint('applyAfterOpenSnapshot');

/** Starts the storage process of a member: opens and locks the store, follows raft, and serves its siblings. */
export async function startStorage(context: DataProcessContext): Promise<RunningProcess> {
  const { config, logger } = context;
  const fatal = (error: unknown): never => context.fatal(error);
  const settings = storageConfig(config);
  mkdirSync(settings.storeDir, { recursive: true, mode: 0o700 });
  const unlock = await lockDirectory(settings.storeDir);
  const counts = new StorageCounts();
  const { store, generation, installed, disk } = openChecked(settings, fatal, context, counts);
  const tracing = startTracing(config);
  const channelOptions = { engine: config.rpcEngine, maxReceiveBytes: INTERNAL_MESSAGE_BYTES_MAX };
  const raft = parseAddress(config.addresses.raft);
  const deliver = connect(raft, channelOptions);
  const control = connect(raft, channelOptions);
  const bus = config.eventBus === null ? undefined : openEventBus(config.eventBus, config, settings.identity, logger);
  const storage = new Storage({
    bus,
    wallMicros,
    config: settings,
    store,
    counts,
    attempts: new ApplyAttempts(settings.storeDir),
    logger,
    tracing,
    fatal,
    deliver,
    control,
    installed,
    clearInstalled: () => clearInstalled(generation),
    restart: (reason) => context.restart(reason),
    disk,
  });
  const server = createServer({ engine: config.rpcEngine, maxReceiveBytes: INTERNAL_MESSAGE_BYTES_MAX });
  server.addHandlers(storage.handlers);
  server.addHandlers(healthHandlers());
  server.addHandlers(introspectionHandlers('storage', logger, storage.metrics));
  const address = await server.listen(parseAddress(config.addresses.storage));
  // Not before there is something to serve: it is eight megabytes of writing.
  const reserving = setInterval(() => void disk.reserve(), limits.diskReserveCheckMs);
  reserving.unref();
  return {
    address: formatAddress(address),
    shutdown: async () => {
      clearInterval(reserving);
      disk.close();
      await storage.close();
      await bus?.close();
      deliver.close();
      control.close();
      await server.close();
      await tracing.shutdown();
      unlock();
    },
  };
}

function wallMicros(): number {
  return Math.round((performance.timeOrigin + performance.now()) * 1_000);
}

/** A store that can't be used is the end of the start, in one line; a restart would not mend it. */
function openChecked(
  settings: StorageConfig,
  fatal: (error: unknown) => never,
  { logger }: Pick<DataProcessContext, 'logger'>,
  counts: StorageCounts,
): Opened {
  const { storeDir } = settings;
  const disk = new StoreDisk(storeDir, logger);
  let opened: Opened;
  try {
    removeOtherGenerations(storeDir);
    const generation = currentGeneration(storeDir);
    const installed = readInstalled(generation);
    const onCommit = (tookMs: number): void => counts.commit.observe(tookMs / 1000);
    if (installed !== undefined) beforeOpenSnapshot.reach();
    opened = {
      generation,
      installed,
      disk,
      store: openStore({ directory: generation, onFatal: fatal, patience: disk.patience, onCommit }),
    };
    if (installed !== undefined) afterOpenSnapshot.reach();
  } catch (error) {
    if (!(error instanceof CorruptionError) && !(error instanceof NewerFormatError)) throw error;
    throw new StartError(`cannot open the store in ${settings.storeDir}: ${error.message}`);
  }
  const owner = storedIdentity(opened.store);
  const { clusterId, memberId } = settings.identity;
  if (owner !== undefined && (owner.clusterId !== clusterId || owner.memberId !== memberId)) {
    throw new StartError(
      `the store in ${settings.storeDir} belongs to member ${owner.memberId.toString(16)} of cluster ` +
        `${owner.clusterId.toString(16)}, not to member ${memberId.toString(16)} of cluster ${clusterId.toString(16)}`,
    );
  }
  return opened;
}

interface Opened {
  readonly store: Store;
  readonly disk: StoreDisk;
  /** The directory that it lies in. */
  readonly generation: string;
  /** It came from another member, and raft has not said that it knows. */
  readonly installed: StoreSnapshot | undefined;
}
