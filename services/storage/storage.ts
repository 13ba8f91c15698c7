import { join } from 'node:path';
import { type BusyPeriod, BusyPeriods } from '../../libs/attribution';
import { Errors } from '../../libs/errors';
import { CorruptionError, type Store } from '../../libs/mvcc';
import type { Logger } from '../../libs/process';
import type { Channel, Handlers, StreamHandler } from '../../libs/rpc';
import { LmdbEngine } from '../../libs/store';
import { hostMicros, type MetricFamily, moment, type Tracing } from '../../libs/telemetry';
import { type DeliverBatch, STORAGE_PATHS, type StoreSnapshot } from '../../proto/gen/hexad';
import { ApplyStamps } from './apply-stamps';
import { ApplyLoop } from './apply/apply-loop';
import type { Attempts } from './apply/attempts';
import { StateMachine } from './apply/machine';
import { refuseNewerCluster } from './apply/newer-release';
import { compactionPolicy } from './auto-compaction';
import { BackupServer } from './backup/backup-server';
import { Compactor } from './compactor';
import type { ConditionKeeper } from './condition';
import type { StorageConfig } from './config';
import { CopyInServer } from './copy/copy-in';
import { CopyOutServer } from './copy/copy-out';
import { Defragmenter } from './defragmenter';
import { Consistency } from './divergence/consistency';
import { EventStamps } from './event-stamps';
import { type EventBus, EventsFeed } from './feeds/events';
import { StateFeed } from './feeds/feed';
import { HistoryServer } from './feeds/history';
import { ResultsFeed } from './feeds/results';
import { Gate } from './gate';
import { ResponseHeaders } from './headers';
import { limits } from './limits';
import { Outputs } from './outputs';
import { OwnProposals } from './own-proposals';
import { RaftLink } from './raft-link';
import { StorageCounts } from './counts';
import { storageMetrics } from './metrics';
import { Alarm } from './state/alarms';
import { Space } from './space';
import type { StoreDisk } from './store-disk';
import { RangePartsServer } from './reads/range-parts';
import { answersWhen, createReadMethods } from './reads/methods';
import { ReadServer, type Soundness } from './reads/read-server';
import { tracedMethods } from './reads/traced';
import { Scrubber } from './scrubber';
import { openState, type ReplicatedState, saveIdentity, storedIdentity } from './state/state';

export interface StorageOptions {
  readonly config: StorageConfig;
  readonly store: Store;
  /** Absent: nobody asks. */
  readonly counts?: StorageCounts;
  /** Remembers deaths across restarts. */
  readonly attempts: Attempts;
  readonly logger: Logger;
  readonly tracing: Tracing;
  readonly fatal: (error: unknown) => never;
  /** To `raft.sock`: delivery of entries. */
  readonly deliver: Channel;
  /** To `raft.sock`: own proposals and status. */
  readonly control: Channel;
  /** The store came from another member, and raft has not said that it knows; `clearInstalled` notes that it does. */
  readonly installed: StoreSnapshot | undefined;
  readonly clearInstalled: () => void;
  /** What the store is fit for. */
  readonly condition: ConditionKeeper;
  /** Undefined: hubs get events by their streams only. */
  readonly bus?: EventBus | undefined;
  /** Microseconds since the epoch, for the age of events. */
  readonly wallMicros?: () => number;
  /** Undefined: it is never full. */
  readonly disk?: StoreDisk;
  /** Ends the process, to begin anew with another store. */
  readonly restart: (reason: string) => void;
}

/** The storage process without its listener: entries in from raft, results, events, feeds and reads out. */
export class Storage {
  readonly handlers: Handlers;
  private readonly state: ReplicatedState;
  private readonly gate = new Gate();
  /** Opens with the gate if the store may be served. */
  private readonly service = new Gate();
  private readonly counts: StorageCounts;
  private readonly stamps: ApplyStamps | undefined;
  private readonly eventStamps: EventStamps | undefined;
  private readonly compactions = new BusyPeriods();
  private readonly results: ResultsFeed;
  private readonly events: EventsFeed;
  private readonly compactor: Compactor;
  private readonly outputs: Outputs;
  private readonly reads: ReadServer;
  private readonly loop: ApplyLoop;
  private readonly raft: RaftLink;
  private readonly own: OwnProposals;
  private readonly copyIn: CopyInServer;
  private readonly consistency: Consistency;
  private readonly scrubber: Scrubber;
  private readonly defragmenter: Defragmenter;
  private isEmpty: boolean;
  /** Raft's commit when we first met: what must be applied before anything is served. */
  private openAt: number | undefined;
  private readonly durabilityTimer: NodeJS.Timeout;
  /** Whether the store is being compared with the others' before anything is served. */
  private isChecking = false;
  private readonly space: Space;

  constructor(private readonly options: StorageOptions) {
    const { config, store, logger, tracing, fatal } = options;
    const { identity } = config;
    const headers = new ResponseHeaders(identity);
    this.counts = options.counts ?? new StorageCounts();
    const lastCompaction = (now: number): BusyPeriod | undefined => this.compactions.last(now);
    this.stamps = config.stageStamps ? new ApplyStamps(hostMicros, lastCompaction) : undefined;
    this.eventStamps = config.stageStamps ? new EventStamps(moment, lastCompaction) : undefined;
    this.results = new ResultsFeed(this.stamps);
    this.space = new Space({
      store,
      quotaBytes: config.quotaBytes,
      isDiskFull: () => options.disk?.isFull === true,
      logger,
    });
    this.isEmpty = storedIdentity(store) === undefined;
    this.state = openState(store);
    refuseNewerCluster(this.state.clusterVersion, config.release);
    const isOutOfService = (): boolean => this.consistency.isOutOfService;
    const { bus, wallMicros } = options;
    const stamps = this.eventStamps;
    this.events = new EventsFeed({ store, identity, gate: this.service, bus, wallMicros, stamps });
    const feed = new StateFeed(this.state, identity, this.gate);
    this.compactor = new Compactor(store, fatal, this.counts.maintenance, this.compactions);
    this.outputs = new Outputs(this.results, this.events, feed, this.compactor, isOutOfService);
    const context = this.readContext(headers);
    const parts = new RangePartsServer({ context, gate: this.service, fatal });
    const methods = createReadMethods(context);
    this.reads = new ReadServer(
      store,
      this.gate,
      tracing.enabled ? tracedMethods(tracing, methods) : methods,
      this.soundness(),
      { clock: config.stageStamps ? hostMicros : undefined, busy: lastCompaction, counts: this.counts },
    );
    const backups = new BackupServer({
      state: this.state,
      gate: this.service,
      compactor: this.compactor,
      logger,
      fatal,
      stallMs: limits.backupStallMs,
      counts: this.counts.maintenance,
    });
    const history = new HistoryServer(store, identity, this.service);
    const { maintenance } = this.counts;
    const copyOut = new CopyOutServer(store, identity, logger, (error) => this.damaged(error), maintenance);
    const { storeDir } = config;
    this.defragmenter = new Defragmenter({
      store,
      storeDir,
      workerFile: join(__dirname, 'copy-worker.js'),
      gate: this.service,
      logger,
      fatal,
      isReplaced: () => this.copyIn.isActive,
      isDiskFull: () => options.disk?.isWaiting === true,
      openEngine: options.disk?.openEngine ?? ((file) => new LmdbEngine(file)),
      counts: maintenance,
    });
    const neededIndex = (): number => this.neededIndex;
    this.copyIn = new CopyInServer({
      storeDir,
      identity,
      store,
      neededIndex,
      logger,
      counts: maintenance,
      makeWay: () => this.defragmenter.giveUp("a copy of another member's store takes its place"),
      restart: options.restart,
    });
    const ifSound =
      (serve: StreamHandler): StreamHandler =>
      (call) =>
        isOutOfService() ? call.end(Errors.Corrupt) : serve(call);
    this.handlers = {
      unary: { [STORAGE_PATHS.Defragment]: (call) => this.defragmenter.serve(call) },
      stream: {
        [STORAGE_PATHS.Read]: this.reads.handler,
        [STORAGE_PATHS.Results]: (call) => this.results.serve(call),
        [STORAGE_PATHS.Events]: (call) => this.events.serve(call),
        [STORAGE_PATHS.History]: ifSound((call) => history.serve(call)),
        [STORAGE_PATHS.Feed]: (call) => feed.serve(call),
        [STORAGE_PATHS.RangeParts]: ifSound((call) => parts.serve(call)),
        [STORAGE_PATHS.Backup]: ifSound((call) => backups.serve(call)),
        [STORAGE_PATHS.CopyOut]: ifSound((call) => copyOut.serve(call)),
        [STORAGE_PATHS.CopyIn]: (call) => this.copyIn.serve(call),
      },
    };
    const machine = new StateMachine(this.state, headers, this.outputs, config.release, tracing, this.counts);
    this.loop = this.createLoop(machine);
    this.own = this.createOwnProposals();
    this.consistency = this.createConsistency();
    this.scrubber = new Scrubber({
      store,
      bytesPerSecond: config.checks.scrubBytesPerSecond,
      isDue: () => this.gate.isOpen && !this.consistency.isOutOfService,
      damaged: (error) => this.damaged(error),
      logger,
    });
    this.raft = this.createRaftLink();
    // Commits follow the answers by a timer of the store's own; raft learns of them a little later still.
    this.durabilityTimer = setInterval(() => this.raft.acknowledge(), limits.durabilityReportMs);
    this.durabilityTimer.unref();
    if (store.isCompacting) this.compactor.start();
    if (options.disk !== undefined) options.disk.onChange = () => this.own.reconsider();
  }

  /** What this process tells of itself. */
  readonly metrics = (): MetricFamily[] =>
    storageMetrics({
      store: this.options.store,
      counts: this.counts,
      leases: () => this.state.leases.size,
      alarms: () => this.state.alarms.list(Alarm.NONE),
      queuedBytes: () => this.loop.queuedBytes,
      waitingReads: () => this.reads.waitingCount,
      hubs: () => this.events.hubCount,
      isInstalling: () => this.copyIn.isActive,
    });

  /** Takes no more entries and makes everything durable. */
  async close(): Promise<void> {
    this.raft.close();
    this.own.close();
    this.consistency.close();
    this.scrubber.close();
    this.events.close();
    this.compactor.close();
    this.copyIn.close();
    clearInterval(this.durabilityTimer);
    this.loop.reset();
    await this.defragmenter.close();
    await this.options.store.close();
    this.options.attempts.close();
  }

  private readContext(headers: ResponseHeaders) {
    const { state } = this;
    const { quotaBytes } = this.options.config;
    const keysOfLease = (lease: bigint): Uint8Array[] => state.leases.keysOf(lease);
    const counts = this.counts.maintenance;
    return {
      state,
      headers,
      quotaBytes,
      keysOfLease,
      counts,
      damaged: (error: CorruptionError) => this.damaged(error),
    };
  }

  private soundness(): Soundness {
    return {
      mayAnswer: (method) => answersWhen(this.options.condition.current.condition, method),
      damaged: (error) => this.damaged(error),
    };
  }

  /** What was read is not what was written: takes the member out of service, unless it is the only one there is. */
  damaged(error: Error): void {
    this.consistency.damaged(error);
  }

  /** See `Consistency.neededIndex`. */
  get neededIndex(): number {
    return this.consistency.neededIndex;
  }

  private createConsistency(): Consistency {
    const { config, control, logger, condition, restart } = this.options;
    return new Consistency({
      config,
      channel: control,
      state: this.state,
      gate: this.gate,
      condition,
      logger,
      isLeader: () => this.own.isLeader,
      raiseCorrupt: (members) => this.own.raiseCorrupt(members),
      restart,
    });
  }

  private createLoop(machine: StateMachine): ApplyLoop {
    const { store, attempts, logger, fatal } = this.options;
    return new ApplyLoop(store, machine, attempts, {
      onSlice: (bytes) => this.afterSlice(bytes),
      stamps: this.stamps,
      counts: this.counts,
      onHalt: (index) => logger.fatal({ index }, 'apply halts: this entry has ended the process again and again'),
      fatal,
    });
  }

  private createRaftLink(): RaftLink {
    const { deliver, store, logger, fatal, config, installed, clearInstalled } = this.options;
    return new RaftLink({
      channel: deliver,
      store,
      identity: config.identity,
      isEmpty: () => this.isEmpty,
      installed,
      clearInstalled,
      condition: () => this.consistency.storeCondition,
      members: () => this.state.members.list(),
      logger,
      fatal,
      onConnecting: () => {
        this.loop.reset();
        this.stamps?.reset();
        this.eventStamps?.reset();
      },
      onBatch: (batch) => this.receive(batch),
      queuedBytes: () => this.loop.queuedBytes,
    });
  }

  private createOwnProposals(): OwnProposals {
    const { control, logger, config } = this.options;
    return new OwnProposals({
      channel: control,
      state: this.state,
      identity: config.identity,
      gate: this.gate,
      results: this.results,
      logger,
      origin: config.origin,
      name: config.name,
      serverVersion: config.release.version,
      clientUrls: config.clientUrls,
      space: this.space,
      autoDisarm: config.autoDisarm,
      compaction: compactionPolicy(config.compaction.mode, config.compaction.retention, performance.now()),
    });
  }

  private receive({ entries, commitIndex, timings, commitMicros, sentAt }: DeliverBatch): void {
    const first = entries[0];
    const last = entries.at(-1);
    if (first !== undefined && last !== undefined) {
      this.stamps?.received(first.index, last.index, timings);
      this.eventStamps?.received(last.index, commitMicros, sentAt);
    }
    this.openAt ??= commitIndex;
    if (this.isEmpty && entries.length > 0) {
      // In the same transaction as the first entry, which is applied in this very turn.
      this.isEmpty = false;
      saveIdentity(this.options.store, this.options.config.identity);
    }
    this.loop.push(entries);
    this.openWhenCaughtUp();
  }

  private afterSlice(bytes: number): void {
    const { store } = this.options;
    this.outputs.flush(store.applied.index);
    this.eventStamps?.applied(store.applied.index);
    this.openWhenCaughtUp();
    this.reads.afterApply();
    this.consistency.afterApply();
    this.raft.acknowledgeMuch();
    this.raft.relieve();
    this.space.applied(bytes);
    this.own.reconsider();
  }

  private openWhenCaughtUp(): void {
    if (this.gate.isOpen || this.openAt === undefined || this.options.store.applied.index < this.openAt) return;
    if (!this.options.config.checks.initialCorrupt || this.consistency.isOutOfService) this.open();
    else if (!this.isChecking) {
      this.isChecking = true;
      this.consistency.initialCheck().then(() => this.open(), this.options.fatal);
    }
  }

  private open(): void {
    const { logger, store } = this.options;
    logger.info({ index: this.openAt, revision: store.revision }, 'storage serves');
    this.gate.open();
    if (!this.consistency.isOutOfService) this.service.open();
  }
}
