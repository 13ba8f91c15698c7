import type { ProcessConfig } from '../../../libs/config';
import type { RpcError } from '../../../libs/errors';
import { INTERNAL_MESSAGE_BYTES_MAX } from '../../../libs/limits';
import { type Logger, parseAddress } from '../../../libs/process';
import type { ConfState, NodeId } from '../../../libs/raft';
import { type Channel, connect } from '../../../libs/rpc';
import type { PeerStreamHello, StoreSnapshot } from '../../../proto/gen/hexad';
import type { RaftSettings } from '../config';
import type { Consensus } from '../consensus';
import type { Opened } from '../open';
import type { PeerSet } from '../peers/peer-set';
import { InstalledSnapshots } from './installed';
import { StreamReceiver } from './receiver';
import { LogRetention } from './retention';
import { SnapshotSender } from './sender';

export interface SnapshotsOptions {
  readonly config: ProcessConfig;
  readonly settings: RaftSettings;
  readonly opened: Opened;
  readonly consensus: Consensus;
  readonly peers: PeerSet;
  readonly logger: Logger;
  readonly now: () => number;
  /** Up to where storage has everything on disk; 0: not known. */
  readonly durableIndex: () => number;
  /** The log was replaced, and with it the configuration. */
  readonly onReplaced: (conf: ConfState) => void;
  readonly refusalOf: (hello: Pick<PeerStreamHello, 'clusterId' | 'from' | 'to'>) => RpcError | undefined;
}

/** What this process does with copies of stores, and with the log that they make dispensable. */
export class Snapshots {
  readonly receiver: StreamReceiver;
  private readonly sender: SnapshotSender;
  private readonly installed: InstalledSnapshots;
  private readonly retention: LogRetention;

  constructor(options: SnapshotsOptions) {
    const { config, settings, opened, consensus, peers, logger, now, durableIndex, onReplaced, refusalOf } = options;
    const { core, wal, book, membersFile } = opened;
    const { limits, clusterId, memberId } = settings;
    const schedule = (): void => consensus.schedule();
    const copying = { limits, logger, now, connectToStorage: storageConnector(config) };
    this.installed = new InstalledSnapshots({ core, book, membersFile, onReplaced, schedule });
    this.sender = new SnapshotSender({
      ...copying,
      clusterId,
      memberId,
      durableIndex,
      connectTo: (id) => peers.get(id)?.connect(),
      report: (id, ok) => {
        core.reportSnapshot(id, ok);
        schedule();
      },
    });
    this.receiver = new StreamReceiver({
      ...copying,
      refusalOf,
      isRecorded: (index) => core.commit >= index && core.persistedIndex >= index,
    });
    this.retention = new LogRetention({
      core,
      wal,
      book,
      membersFile,
      limits,
      logger,
      durableIndex,
      takenIndex: () => consensus.takenIndex,
      keepFrom: () => this.sender.keepFrom,
      isConnected: (id) => peers.get(id)?.isConnected === true,
    });
  }

  /** True while no more entries should be taken. */
  get isFull(): boolean {
    return this.retention.isFull;
  }

  /** The core wants the member to be sent the store. */
  send(to: NodeId): void {
    this.sender.begin(to);
  }

  /** The store came from another member. True once the WAL says so too. */
  record(snapshot: StoreSnapshot): boolean {
    return this.installed.record(snapshot);
  }

  reconnected(id: NodeId): void {
    this.sender.reconnected(id);
  }

  /** The member was removed. */
  forget(id: NodeId): void {
    this.sender.forget(id);
  }

  tick(): void {
    this.sender.tick();
    this.retention.tick();
  }

  afterTurn(): void {
    this.receiver.afterTurn();
  }

  close(): void {
    this.sender.close();
    this.receiver.close();
  }
}

function storageConnector(config: ProcessConfig): () => Channel {
  const options = { engine: config.rpcEngine, maxReceiveBytes: INTERNAL_MESSAGE_BYTES_MAX };
  return () => connect(parseAddress(config.addresses.storage), options);
}
