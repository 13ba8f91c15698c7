import { mkdirSync } from 'node:fs';
import { INTERNAL_MESSAGE_BYTES_MAX } from '../../libs/limits';
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
import type { StoreSnapshot } from '../../proto/gen/hexad';
import { ApplyAttempts } from './apply/attempts';
import { type StorageConfig, storageConfig } from './config';
import { clearInstalled, readInstalled } from './copy/installed';
import { StorageCounts } from './counts';
import { storedIdentity } from './state/state';
import { Storage } from './storage';

/** Starts the storage process of a member: opens and locks the store, follows raft, and serves its siblings. */
export async function startStorage(context: DataProcessContext): Promise<RunningProcess> {
  const { config, logger } = context;
  const fatal = (error: unknown): never => context.fatal(error);
  const settings = storageConfig(config);
  mkdirSync(settings.storeDir, { recursive: true, mode: 0o700 });
  const unlock = await lockDirectory(settings.storeDir);
  const counts = new StorageCounts();
  const { store, generation, installed } = openChecked(settings, fatal, counts);
  const tracing = startTracing(config);
  const channelOptions = { engine: config.rpcEngine, maxReceiveBytes: INTERNAL_MESSAGE_BYTES_MAX };
  const raft = parseAddress(config.addresses.raft);
  const deliver = connect(raft, channelOptions);
  const control = connect(raft, channelOptions);
  const storage = new Storage({
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
  });
  const server = createServer({ engine: config.rpcEngine, maxReceiveBytes: INTERNAL_MESSAGE_BYTES_MAX });
  server.addHandlers(storage.handlers);
  server.addHandlers(healthHandlers());
  server.addHandlers(introspectionHandlers('storage', logger, storage.metrics));
  const address = await server.listen(parseAddress(config.addresses.storage));
  return {
    address: formatAddress(address),
    shutdown: async () => {
      await storage.close();
      deliver.close();
      control.close();
      await server.close();
      await tracing.shutdown();
      unlock();
    },
  };
}

/** A store that can't be used is the end of the start, in one line; a restart would not mend it. */
function openChecked(settings: StorageConfig, fatal: (error: unknown) => never, counts: StorageCounts): Opened {
  const { storeDir } = settings;
  let opened: Opened;
  try {
    removeOtherGenerations(storeDir);
    const generation = currentGeneration(storeDir);
    const installed = readInstalled(generation);
    const onCommit = (tookMs: number): void => counts.commit.observe(tookMs / 1000);
    opened = { generation, installed, store: openStore({ directory: generation, onFatal: fatal, onCommit }) };
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
  /** The directory that it lies in. */
  readonly generation: string;
  /** It came from another member, and raft has not said that it knows. */
  readonly installed: StoreSnapshot | undefined;
}
