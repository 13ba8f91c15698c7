import type { ProcessConfig } from '../../../libs/config';
import { type Release, RELEASE } from '../../../libs/limits';
import { startLease } from '../../../services/lease/server';
import type { RaftCore, Ready } from '../../../libs/raft';
import type { Wal } from '../../../libs/wal';
import type { Store } from '../../../libs/mvcc';
import type { StoreSnapshot } from '../../../proto/gen/hexad';
import type { PeerMember } from '../../../services/raft/config';
import type { RaftHost } from '../../../services/raft/host';
import { type ConditionKeeper, SOUND, type StoreState } from '../../../services/storage/condition';
import { startWatch } from '../../../services/watch/server';
import type { SimEngine } from '../world/engine';
import { Machine, SimProcess } from '../world/process';
import type { MembersFileContent } from '../world/members-file';
import { SimStoreDisk } from '../world/store-disk';
import { SimWalDisk } from '../world/wal-disk';
import type { Defect } from './defects';
import { Edge } from './edge-process';
import { observeStore } from './observed-store';
import type { Observer } from './observer';
import { createSimLogger, type LogSink } from './quiet';
import { startRaftProcess } from './raft-process';
import type { ClusterSettings } from './settings';
import { processConfig } from './settings';
import { startStorageProcess } from './storage-process';
import type { Truth } from './truth';

export const PROCESSES = ['raft', 'storage', 'watch', 'lease', 'edge'] as const;
export type ProcessName = (typeof PROCESSES)[number];

/** How long it takes to start a process again, about. */
const RESTART_MS = 300;

export interface MemberOptions {
  readonly engine: SimEngine;
  readonly settings: ClusterSettings;
  readonly observer: Observer;
  readonly truth: Truth;
  readonly defect: Defect;
  readonly log: (member: string, process: string, level: string, detail: unknown, message: string) => void;
  /** The member ended a process by itself; true: that was to be expected. */
  readonly onFatal: (member: Member, process: ProcessName, error: unknown) => boolean;
}

/** One member: a machine with two disks and the processes on it, which may all die and be started again. */
export class Member {
  readonly machine: Machine;
  readonly walDisk: SimWalDisk;
  readonly storeDisk: SimStoreDisk;
  readonly config: ProcessConfig;
  readonly id: bigint;
  readonly processes = new Map<ProcessName, SimProcess>();
  /** As of the processes that run now. */
  core: RaftCore | undefined;
  wal: Wal | undefined;
  store: Store | undefined;
  host: RaftHost | undefined;
  edge: Edge | undefined;
  /** Of the programs that its processes are started with from now on. */
  release: Release = RELEASE;
  /** Entries proposed here in a format that the first release does not understand. */
  newerEntries = 0;
  /** Switched off, until it is started again. */
  isDown = true;
  /** Run once when the edge process ends: clients that wait for it. */
  readonly edgeWaiters = new Set<() => void>();
  hasStarted = false;
  /** For a member that joins: who is there already. */
  knownPeers: readonly PeerMember[] = [];
  private installedSnapshot: StoreSnapshot | undefined;
  /** Copies of another member's store that took the place of this one's. */
  copies = 0;
  private condition: StoreState = SOUND;
  private readonly membersFile: MembersFileContent = { saved: undefined, next: undefined, hints: [] };
  /** The cluster has removed it: it never comes back. */
  isRemoved = false;

  constructor(
    readonly name: string,
    position: number,
    private readonly options: MemberOptions,
  ) {
    const { world } = options.engine.network;
    this.machine = new Machine(world, name, world.random.below(1_000_000));
    this.walDisk = new SimWalDisk(this.machine, options.settings.walMs, options.defect);
    this.storeDisk = new SimStoreDisk(this.machine, options.defect);
    this.config = processConfig(options.settings, position);
    this.id = BigInt(`0x${this.config.memberId}`);
  }

  /** As others are told of it. */
  get asPeer(): PeerMember {
    return { id: this.id, name: this.name, peerUrls: this.config.urls.listenPeer };
  }

  get isLeader(): boolean {
    return !this.isDown && this.processes.has('raft') && this.core?.role === 'leader';
  }

  startAll(): void {
    if (this.isRemoved) return;
    this.isDown = false;
    this.hasStarted = true;
    for (const name of PROCESSES) this.start(name);
  }

  /** Starts a process that is not running. */
  start(name: ProcessName): void {
    if (this.isDown || this.isRemoved || this.processes.has(name)) return;
    const { world } = this.machine;
    const process = new SimProcess(this.machine, `${this.name} ${name}`);
    this.processes.set(name, process);
    process.onEnd = () => this.ended(name, process);
    process.onFatal = (error) => {
      if (!this.options.onFatal(this, name, error)) world.fail(error);
    };
    world.enter(process, () => {
      void this.run(name, process).catch((error: unknown) => process.died(error));
    });
    world.drainSoon();
  }

  /** Ends one process as SIGKILL does; the machine runs on. */
  kill(name: ProcessName): void {
    this.processes.get(name)?.end();
  }

  /** All processes at once; `losesPower`: and what was not synced is lost. */
  goDown(losesPower: boolean): void {
    if (this.isDown) return;
    this.isDown = true;
    this.machine.die();
    if (losesPower) {
      this.walDisk.losePower();
      this.storeDisk.losePower();
    } else this.storeDisk.processKilled();
  }

  private ended(name: ProcessName, process: SimProcess): void {
    const { engine } = this.options;
    const { random } = this.machine.world;
    this.processes.delete(name);
    // A machine that goes down says nothing to the others; they find out.
    engine.processEnded(process, () => (this.isDown ? 200 + 3_000 * random.next() : 0.1 + random.next()));
    if (name === 'raft') this.core = this.wal = this.host = undefined;
    if (name === 'edge') this.edgeEnded();
    if (name === 'storage') this.store = undefined;
    this.options.observer.processEnded(this);
    if (this.isDown) return;
    if (name === 'storage') this.storeDisk.processKilled();
    // The supervisor.
    this.machine.world.after(RESTART_MS * (0.2 + random.next()), undefined, () => this.start(name));
  }

  private edgeEnded(): void {
    this.edge = undefined;
    const waiting = [...this.edgeWaiters];
    this.edgeWaiters.clear();
    for (const tell of waiting) tell();
  }

  /** As one that joins is told: the members that were there, and itself. */
  private get joinedConfig(): ProcessConfig {
    if (this.knownPeers.length === 0) return this.config;
    const initialMembers = [...this.knownPeers, this.asPeer]
      .sort((a, b) => (a.id < b.id ? -1 : 1))
      .map(({ id, name, peerUrls }) => ({ id: id.toString(16), name, peerUrls }));
    return { ...this.config, clusterState: 'existing', initialMembers };
  }

  private async run(name: ProcessName, process: SimProcess): Promise<void> {
    const { settings, defect } = this.options;
    const { release } = this;
    const config = this.joinedConfig;
    const log: LogSink = (level, detail, message) => this.options.log(this.name, name, level, detail, message);
    const logger = createSimLogger(log);
    const context = { config, logger, fatal: process.fatal };
    switch (name) {
      case 'raft': {
        const onCore = (core: RaftCore, wal: Wal): void => this.observeRaft(core, wal, process);
        const { membersFile } = this;
        const onRemoved = (): void => this.goDown(false);
        this.host = await startRaftProcess(process, {
          config,
          settings,
          release,
          defect,
          disk: this.walDisk,
          membersFile,
          onRemoved,
          log,
          onCore,
        });
        return;
      }
      case 'storage':
        return startStorageProcess(process, {
          config,
          settings,
          release,
          disk: this.storeDisk,
          installed: {
            get: () => this.installedSnapshot,
            set: (snapshot) => {
              if (!process.alive) return;
              if (snapshot !== undefined) {
                this.copies++;
                this.condition = SOUND;
              }
              this.installedSnapshot = snapshot;
            },
          },
          condition: this.conditionKeeper(process),
          log,
          onStore: (store) => this.observeStorage(store, process),
        });
      case 'watch':
        await startWatch(context);
        return;
      case 'lease':
        await startLease(context);
        return;
      case 'edge':
        this.edge = new Edge(process, config, release, defect, () => this.newerEntries++);
    }
  }

  /** The file beside the store. */
  private conditionKeeper(process: SimProcess): ConditionKeeper {
    const set = (state: StoreState): void => {
      if (process.alive) this.condition = state;
    };
    const get = (): StoreState => this.condition;
    return {
      get current() {
        return get();
      },
      set,
    };
  }

  private observeRaft(core: RaftCore, wal: Wal, process: SimProcess): void {
    const { observer, defect } = this.options;
    this.core = core;
    this.wal = wal;
    observer.raftStarted({ member: this.name, core, wal });
    defect.raft?.(core);
    const ready = core.ready.bind(core);
    core.ready = () => {
      const work = ready();
      if (work !== undefined && process.alive) this.observeReady(core, work);
      return work;
    };
    const append = wal.append.bind(wal);
    wal.append = (work) => {
      if (process.alive) {
        if (work.snapshot !== undefined) observer.logReplaced(this.name);
        observer.appended(this.name, work.entries);
      }
      append(work);
    };
  }

  private observeReady(core: RaftCore, { softState, committed }: Ready): void {
    const { observer } = this.options;
    for (const entry of committed) observer.delivered(this.name, entry);
    if (softState?.role === 'leader') observer.elected(this.name, core);
  }

  private observeStorage(store: Store, process: SimProcess): void {
    const { observer, defect } = this.options;
    this.store = store;
    observer.storeOpened(this.name, store);
    defect.store?.(store, process);
    observeStore(store, {
      applied: (at, term, hash, made) => {
        if (!process.alive) return;
        const { revision, compactRevision } = store;
        observer.applied({ member: this.name, index: at, term, hash, revision, compactRevision, made });
      },
    });
  }
}
