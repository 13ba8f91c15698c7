import type { ProcessConfig } from '../../../libs/config';
import type { Release } from '../../../libs/limits';
import { openMvccStore, type Store, type StoreOptions } from '../../../libs/mvcc';
import { parseAddress } from '../../../libs/process';
import { connect, createServer } from '../../../libs/rpc';
import { nodeEnvironment } from '../../../libs/store/environment';
import type { ConditionKeeper } from '../../../services/storage/condition';
import type { Attempts } from '../../../services/storage/apply/attempts';
import { storageConfig } from '../../../services/storage/config';
import { Storage } from '../../../services/storage/storage';
import { STORAGE_PATHS, type StoreSnapshot } from '../../../proto/gen/hexad';
import type { SimProcess } from '../world/process';
import type { SimStoreDisk } from '../world/store-disk';
import { serveCopyIn } from './copy-in';
import { createSimLogger, type LogSink, noTracing } from './quiet';
import type { ClusterSettings } from './settings';

export interface StorageProcessOptions {
  readonly config: ProcessConfig;
  readonly settings: ClusterSettings;
  readonly release: Release;
  readonly disk: SimStoreDisk;
  readonly log: LogSink;
  /** What the store is fit for: lies beside it. */
  readonly condition: ConditionKeeper;
  /** What the store stands for, if it came from another member and raft has not said that it knows. */
  readonly installed: { get(): StoreSnapshot | undefined; set(snapshot: StoreSnapshot | undefined): void };
  /** The store is open and nothing has been applied yet. */
  readonly onStore: (store: Store) => void;
}

/** Poison entries have a test of their own. */
const NO_ATTEMPTS: Attempts = {
  isPoison: () => false,
  batchMax: (_first, countMax) => countMax,
  begin: () => undefined,
  end: () => undefined,
  close: () => undefined,
};

/** The storage process of a member over a simulated disk. */
export async function startStorageProcess(process: SimProcess, options: StorageProcessOptions): Promise<void> {
  const { config, settings, release, disk, installed, log, onStore, condition } = options;
  const storeOptions: StoreOptions = {
    flushBytes: 256 * 1024,
    flushVersions: 200,
    overlayBytesMax: 1024 * 1024,
    latest: settings.latest,
    onFatal: process.fatal,
  };
  const store = openMvccStore(disk.open(), nodeEnvironment, storeOptions);
  onStore(store);
  setInterval(() => store.startFlush(), settings.flushMs);
  const raft = parseAddress(config.addresses.raft);
  const storage = new Storage({
    config: { ...storageConfig(config), release },
    store,
    attempts: NO_ATTEMPTS,
    logger: createSimLogger(log),
    tracing: noTracing(config),
    fatal: process.fatal,
    deliver: connect(raft),
    control: connect(raft),
    condition,
    installed: installed.get(),
    clearInstalled: () => installed.set(undefined),
    restart: () => process.end(),
  });
  const server = createServer();
  server.addHandlers(storage.handlers);
  const copyIn = serveCopyIn({
    process,
    identity: storageConfig(config).identity,
    store: storeOptions,
    neededIndex: () => storage.neededIndex,
    install: (copy, snapshot) => {
      disk.replaceBy(copy);
      installed.set(snapshot);
    },
  });
  server.addHandlers({ stream: { [STORAGE_PATHS.CopyIn]: copyIn } });
  await server.listen(parseAddress(config.addresses.storage));
}
