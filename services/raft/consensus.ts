import { failpoint } from '../../libs/failpoints';
import {
  type ConfState,
  type ConfStep,
  EntryType,
  type LogEntry,
  type Message,
  MessageType,
  type NodeId,
  type RaftCore,
  type ReadState,
  type Ready,
  type SoftState,
} from '../../libs/raft';
import type { Wal } from '../../libs/wal';
import { readConfChange } from './conf-changes';
import type { RaftStats } from './stats';
import type { ConfChange } from '../../proto/gen/hexad';

const beforeLeaderSend = failpoint('raftBeforeLeaderSend');
const beforeFollowerSend = failpoint('raftBeforeFollowerSend');
const dropHeartbeat = failpoint('raftDropHeartbeat');
const beforeSave = failpoint('raftBeforeSave');
const afterSave = failpoint('raftAfterSave');
const beforeAdvance = failpoint('raftBeforeAdvance');
const afterSaveSnap = failpoint('raftAfterSaveSnap');
const beforeApplyConfChange = failpoint('raftBeforeApplyConfChange');
const afterApplyConfChange = failpoint('raftAfterApplyConfChange');

/** What the rest of the process makes of a turn's results. All are called within the turn. */
export interface ConsensusEvents {
  /** Before the core is asked for work: the last moment to add some. */
  beforeTurn(): void;
  send(messages: readonly Message[]): void;
  /** Whatever was queued for peers leaves now. */
  flushPeers(): void;
  readConfirmed(states: readonly ReadState[]): void;
  readsDropped(contexts: readonly number[]): void;
  leadershipChanged(state: SoftState): void;
  /** What a committed configuration entry does, if it is not without effect. */
  stepsOf(index: number, change: ConfChange | undefined): readonly ConfStep[];
  configurationChanged(conf: ConfState, change: ConfChange | undefined): void;
  /** After the core's work: commit and persisted index are what they will be. */
  afterTurn(): void;
}

/**
 * Drives the core: whatever has arrived by the time the event loop comes to `setImmediate` is one turn. A turn sends the
 * appends to the peers first, then starts the own WAL write, so that all members sync at the same time; what depends on
 * the own sync leaves when that is done.
 */
export class Consensus {
  private scheduled = false;
  private stopped = false;
  private persistedReady = 0;
  private lastSyncedReady = 0;
  /** The Ready with a snapshot's record that is not synced yet; 0: there is none. */
  private snapshotReady = 0;
  /** The last entry that the core has given out as committed; what it says of the members is in force. */
  takenIndex: number;
  /** Messages that wait for the sync of Ready `after`. */
  private readonly waiting: { readonly after: number; readonly messages: readonly Message[] }[] = [];

  constructor(
    readonly core: RaftCore,
    private readonly wal: Wal,
    private readonly events: ConsensusEvents,
    private readonly stats: RaftStats,
    private readonly fatal: (error: unknown) => never,
  ) {
    this.takenIndex = core.commit;
    wal.onPersisted = (number) => this.persisted(number);
    wal.onLoaded = () => {
      core.entriesAvailable();
      this.schedule();
    };
  }

  get isLeader(): boolean {
    return this.core.role === 'leader';
  }

  /** Runs a turn once everything that has arrived has been read. */
  schedule(): void {
    if (this.scheduled || this.stopped) return;
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      this.turn();
    });
  }

  /** No more turns; what is queued for the WAL is left to its `close`. */
  stop(): void {
    this.stopped = true;
  }

  /** The entries that may be delivered: committed, and synced here. */
  get deliverable(): number {
    return Math.min(this.core.commit, this.core.persistedIndex);
  }

  /**
   * A leader whose disk has not answered for `limitMs` would hold the cluster up: the others can go on without it.
   * Returns whom leadership is handed to, 0n: nobody.
   */
  handOverIfStalled(limitMs: number): NodeId {
    const { core } = this;
    if (this.wal.stalledMs < limitMs || !this.isLeader || core.transferee !== 0n) return 0n;
    const target = bestSuccessor(core);
    if (target !== 0n) core.transferLeader(target);
    return target;
  }

  private persisted(number: number): void {
    afterSave.reach();
    if (this.snapshotReady !== 0 && this.snapshotReady <= number) {
      this.snapshotReady = 0;
      afterSaveSnap.reach();
    }
    this.persistedReady = number;
    this.core.persisted(number);
    this.turn();
  }

  private turn(): void {
    if (this.stopped) return;
    try {
      this.stats.turns += 1;
      this.events.beforeTurn();
      if (this.releaseMessages()) this.events.flushPeers();
      for (let ready = this.core.ready(); ready !== undefined; ready = this.core.ready()) this.process(ready);
      this.events.afterTurn();
      this.events.flushPeers();
    } catch (error) {
      this.fatal(error);
    }
  }

  private process(ready: Ready): void {
    this.stats.readies += 1;
    if (ready.messages.length > 0) {
      this.send(ready.messages);
      // That something is committed, storage is told before the followers: the client's answer waits for it.
      if (!ready.messages.every(tellsOnlyCommit)) this.events.flushPeers();
    }
    this.persist(ready);
    if (ready.messagesAfterPersist.length > 0) {
      this.waiting.push({ after: this.lastSyncedReady, messages: ready.messagesAfterPersist });
      this.releaseMessages();
    }
    if (ready.softState !== undefined) this.events.leadershipChanged(ready.softState);
    for (const entry of ready.committed) if (entry.type === EntryType.Conf) this.applyConf(entry);
    this.takenIndex = ready.committed.at(-1)?.index ?? this.takenIndex;
    if (ready.committed.length > 0) beforeAdvance.reach();
    if (ready.readStates.length > 0) this.events.readConfirmed(ready.readStates);
    if (ready.droppedReads.length > 0) this.events.readsDropped(ready.droppedReads);
  }

  private persist(ready: Ready): void {
    const { number, mustSync, entriesToPersist, hardState, snapshot } = ready;
    if (!mustSync && hardState === undefined) return;
    if (mustSync) {
      this.lastSyncedReady = number;
      beforeSave.reach();
    }
    if (snapshot !== undefined) this.snapshotReady = number;
    const marker = snapshot === undefined ? undefined : { index: snapshot.index, term: snapshot.term, conf: snapshot };
    this.wal.append({ number, mustSync, entries: entriesToPersist, hardState, snapshot: marker });
  }

  /** Whether there were any. */
  private releaseMessages(): boolean {
    const { length } = this.waiting;
    for (
      let first = this.waiting[0];
      first !== undefined && first.after <= this.persistedReady;
      first = this.waiting[0]
    ) {
      this.waiting.shift();
      this.send(first.messages);
    }
    return this.waiting.length < length;
  }

  private send(messages: readonly Message[]): void {
    if (this.isLeader) beforeLeaderSend.reach();
    else beforeFollowerSend.reach();
    const kept = dropHeartbeat.isSet ? messages.filter(isNoDroppedHeartbeat) : messages;
    if (kept.length > 0) this.events.send(kept);
  }

  private applyConf(entry: LogEntry): void {
    beforeApplyConfChange.reach();
    const change = readConfChange(entry.data);
    const conf = this.core.applyConfChange(entry.index, this.events.stepsOf(entry.index, change));
    this.wal.setConfiguration({ index: entry.index, term: entry.term, conf });
    this.events.configurationChanged(conf, change);
    afterApplyConfChange.reach();
  }
}

function isNoDroppedHeartbeat({ type }: Message): boolean {
  return type !== MessageType.Heartbeat || dropHeartbeat.reach() === undefined;
}

function tellsOnlyCommit({ type, entries }: Message): boolean {
  return type === MessageType.Append && entries.length === 0;
}

/** The voter that is nearest to the end of the log and has answered lately, to hand leadership to; 0n: none. */
export function bestSuccessor(core: RaftCore): NodeId {
  let best = 0n;
  let match = -1;
  for (const progress of core.progress()) {
    if (progress.id === core.id || progress.isLearner || !progress.recentlyActive || progress.match <= match) continue;
    best = progress.id;
    match = progress.match;
  }
  return best;
}
