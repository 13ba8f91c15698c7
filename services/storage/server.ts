import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
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
import { ConditionFile } from './condition';
import { type StorageConfig, storageConfig } from './config';
import { clearInstalled, readInstalled } from './copy/installed';
import { StorageCounts } from './counts';
import { limits } from './limits';
import { storedIdentity } from './state/state';
import { Storage } from './storage';
import { StoreDisk } from './store-disk';

const beforeOpenSnapshot = failpoint('applyBeforeOpenSnapshot');
const afterOpenSnapshot = failpoint('applyAfterOpenSnapshot');

/** A generation that is never put in use, and so is gone with the next start. */
const STAND_IN = 'generation-0';

/** Starts the storage process of a member: opens and locks the store, follows raft, and serves its siblings. */
export async function startStorage(context: DataProcessContext): Promise<RunningProcess> {
  const { config, logger } = context;
  let damaged: (error: CorruptionError) => void = () => undefined;
  const fatal = (error: unknown): never => {
    // Returns only when nothing can be done about it.
    if (error instanceof CorruptionError) damaged(error);
    return context.fatal(error);
  };
  // Whatever reads the store may find it damaged, wherever it is called from.
  process.prependListener('uncaughtException', fatal);
  // Others are for the host, which knows those that follow from a commit that found the disk full.
  process.prependListener('unhandledRejection', (reason) => {
    if (reason instanceof CorruptionError) fatal(reason);
  });
  const settings = storageConfig(config);
  mkdirSync(settings.storeDir, { recursive: true, mode: 0o700 });
  const unlock = await lockDirectory(settings.storeDir);
  const counts = new StorageCounts();
  const { store, generation, installed, condition, disk } = openChecked(settings, fatal, context, counts);
  const tracing = startTracing(config);
  const channelOptions = { engine: config.rpcEngine, maxReceiveBytes: INTERNAL_MESSAGE_BYTES_MAX };
  const raft = parseAddress(config.addresses.raft);
  const deliver = connect(raft, channelOptions);
  const control = connect(raft, channelOptions);
  const bus = config.eventBus === null ? undefined : openEventBus(config.eventBus, config, settings.identity, logger);
  const create = (): Storage =>
    new Storage({
      bus,
      wallMicros,
      config: settings,
      counts,
      disk,
      store,
      attempts: new ApplyAttempts(settings.storeDir),
      logger,
      tracing,
      fatal,
      deliver,
      control,
      installed,
      clearInstalled: () => clearInstalled(generation),
      condition,
      restart: (reason) => context.restart(reason),
    });
  const restart = (reason: string): never => context.restart(reason);
  const storage = orDamaged(create, settings, condition, restart);
  damaged = (error) => storage.damaged(error);
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

/**
 * Opens the store in use. One that is damaged is left as it lies, for a copy of another member's to take its place, and a
 * new and empty one stands in for it meanwhile; with no other member, that is the end of the start, in one line.
 */
function openChecked(
  settings: StorageConfig,
  fatal: (error: unknown) => never,
  { logger }: Pick<DataProcessContext, 'logger'>,
  counts: StorageCounts,
): Opened {
  const { storeDir, checks, hasOthers } = settings;
  const disk = new StoreDisk(storeDir, logger);
  const onCommit = (tookMs: number): void => counts.commit.observe(tookMs / 1000);
  const { patience } = disk;
  const open = (directory: string): Store =>
    openStore({ directory, onFatal: fatal, patience, onCommit, stateHash: checks.divergence });
  try {
    removeOtherGenerations(storeDir);
    const generation = currentGeneration(storeDir);
    const condition = new ConditionFile(generation);
    if (condition.current.condition !== 'damaged') {
      try {
        return { ...openGeneration(generation, condition, open, settings), disk };
      } catch (error) {
        if (!(error instanceof CorruptionError) || !hasOthers) throw error;
        condition.set({ condition: 'damaged', reason: error.message, index: 0 });
      }
    }
    const { reason } = condition.current;
    logger.error({ reason }, 'the store is damaged: waiting for a copy of another member’s');
    return { generation, condition, installed: undefined, disk, store: open(join(storeDir, STAND_IN)) };
  } catch (error) {
    if (!(error instanceof CorruptionError) && !(error instanceof NewerFormatError)) throw error;
    throw new StartError(`cannot open the store in ${storeDir}: ${error.message}`);
  }
}

function openGeneration(
  generation: string,
  condition: ConditionFile,
  open: (directory: string) => Store,
  settings: StorageConfig,
): Omit<Opened, 'disk'> {
  const installed = readInstalled(generation);
  if (installed !== undefined) beforeOpenSnapshot.reach();
  const store = open(generation);
  if (installed !== undefined) afterOpenSnapshot.reach();
  checkOwner(store, settings);
  return { generation, condition, installed, store };
}

/** The tables that are read at once may be what is damaged. */
function orDamaged(
  create: () => Storage,
  { hasOthers, storeDir }: StorageConfig,
  condition: ConditionFile,
  restart: (reason: string) => never,
): Storage {
  try {
    return create();
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error;
    if (!hasOthers) throw new StartError(`cannot open the store in ${storeDir}: ${error.message}`);
    condition.set({ condition: 'damaged', reason: error.message, index: 0 });
    return restart(`the store is damaged: ${error.message}`);
  }
}

function checkOwner(store: Store, { storeDir, identity: { clusterId, memberId } }: StorageConfig): void {
  const owner = storedIdentity(store);
  if (owner === undefined || (owner.clusterId === clusterId && owner.memberId === memberId)) return;
  throw new StartError(
    `the store in ${storeDir} belongs to member ${owner.memberId.toString(16)} of cluster ` +
      `${owner.clusterId.toString(16)}, not to member ${memberId.toString(16)} of cluster ${clusterId.toString(16)}`,
  );
}

interface Opened {
  readonly condition: ConditionFile;
  readonly store: Store;
  readonly disk: StoreDisk;
  /** The directory that it lies in. */
  readonly generation: string;
  /** It came from another member, and raft has not said that it knows. */
  readonly installed: StoreSnapshot | undefined;
}
