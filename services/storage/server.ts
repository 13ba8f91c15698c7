import { mkdirSync } from 'node:fs';
import { INTERNAL_MESSAGE_BYTES_MAX } from '../../libs/limits';
import { CorruptionError, NewerFormatError, type Store } from '../../libs/mvcc';
import {
  formatAddress,
  healthHandlers,
  lockDirectory,
  parseAddress,
  type ProcessContext,
  type RunningProcess,
  StartError,
} from '../../libs/process';
import { connect, createServer } from '../../libs/rpc';
import { openStore } from '../../libs/store';
import { startTracing } from '../../libs/telemetry';
import { type StorageConfig, storageConfig } from './config';
import { storedIdentity } from './state/state';
import { Storage } from './storage';

/** Starts the storage process of a member: opens and locks the store, follows raft, and serves its siblings. */
export async function startStorage(context: ProcessContext): Promise<RunningProcess> {
  const { config, logger } = context;
  const fatal = (error: unknown): never => context.fatal(error);
  const settings = storageConfig(config);
  mkdirSync(settings.storeDir, { recursive: true, mode: 0o700 });
  const unlock = await lockDirectory(settings.storeDir);
  const store = openChecked(settings, fatal);
  const tracing = startTracing(config);
  const channelOptions = { engine: config.rpcEngine, maxReceiveBytes: INTERNAL_MESSAGE_BYTES_MAX };
  const raft = parseAddress(config.addresses.raft);
  const deliver = connect(raft, channelOptions);
  const control = connect(raft, channelOptions);
  const storage = new Storage({ config: settings, store, logger, tracing, fatal, deliver, control });
  const server = createServer({ engine: config.rpcEngine, maxReceiveBytes: INTERNAL_MESSAGE_BYTES_MAX });
  server.addHandlers(storage.handlers);
  server.addHandlers(healthHandlers());
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
function openChecked(settings: StorageConfig, fatal: (error: unknown) => never): Store {
  let store: Store;
  try {
    store = openStore({ directory: settings.storeDir, onFatal: fatal });
  } catch (error) {
    if (!(error instanceof CorruptionError) && !(error instanceof NewerFormatError)) throw error;
    throw new StartError(`cannot open the store in ${settings.storeDir}: ${error.message}`);
  }
  const owner = storedIdentity(store);
  const { clusterId, memberId } = settings.identity;
  if (owner !== undefined && (owner.clusterId !== clusterId || owner.memberId !== memberId)) {
    throw new StartError(
      `the store in ${settings.storeDir} belongs to member ${owner.memberId.toString(16)} of cluster ` +
        `${owner.clusterId.toString(16)}, not to member ${memberId.toString(16)} of cluster ${clusterId.toString(16)}`,
    );
  }
  return store;
}
