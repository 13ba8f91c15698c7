import { Raft } from '../raft';
import type {
  ConfState,
  HardState,
  LogEntry,
  LogIndex,
  Message,
  NodeId,
  RaftConfig,
  Ready,
  SnapshotMetadata,
  Term,
} from '../types';
import { EntryType } from '../types';
import { parseConfSteps, toText } from './conf-text';
import { MemoryLog } from './memory-log';

export type NodeSettings = Omit<RaftConfig, 'id' | 'confState' | 'confIndex' | 'hardState' | 'storage' | 'applied'>;

interface Store {
  readonly applied: LogIndex;
  readonly term: Term;
  readonly conf: ConfState;
  readonly confIndex: LogIndex;
}

/** What survives a crash. */
interface Disk {
  readonly log: MemoryLog;
  hardState: HardState;
  store: Store;
}

/** A member as its host runs it: the core, a disk on which writes wait for a sync, a state machine that remembers all. */
export class SimNode {
  raft: Raft;
  /** Everything this incarnation was given to apply, in order. */
  applied: LogEntry[] = [];
  readonly disk: Disk;
  /** Written and not synced. */
  unsynced: Ready[] = [];
  /** Called when a write has become durable, with the disk as it was at that point of the order of writes. */
  onDurable: (ready: Ready) => void = () => undefined;
  private log: MemoryLog;
  private store: Store;
  private history: Store[] = [];

  constructor(
    readonly id: NodeId,
    private settings: NodeSettings,
    conf: ConfState,
    start: { readonly index: LogIndex; readonly term: number },
  ) {
    const store = { applied: start.index, term: start.term, conf, confIndex: start.index };
    const hardState = { term: start.term, vote: 0n, commit: start.index };
    this.disk = { log: new MemoryLog(start.index, start.term), hardState, store };
    this.log = this.disk.log.clone();
    this.store = store;
    this.raft = this.start();
  }

  get conf(): ConfState {
    return this.store.conf;
  }

  get storage(): MemoryLog {
    return this.log;
  }

  private start(): Raft {
    const { log, hardState, store } = this.disk;
    this.log = log.clone();
    this.store = store;
    this.history = [store];
    this.unsynced = [];
    this.applied = [];
    const { conf: confState, confIndex, applied } = store;
    return new Raft({ ...this.settings, id: this.id, confState, confIndex, hardState, storage: this.log, applied });
  }

  /** Takes a Ready and does all of it that needs no sync. Returns the messages that may leave. */
  process(ready: Ready): Message[] {
    if (ready.snapshot !== undefined) this.install(ready.snapshot);
    this.log.append(ready.entriesToPersist);
    this.unsynced.push(ready);
    for (const entry of ready.committed) this.apply(entry);
    return ready.messages;
  }

  private install({ index, term, ...conf }: SnapshotMetadata): void {
    this.log.reset(index, term);
    this.remember({ applied: index, term, conf, confIndex: index });
    this.applied = [];
    this.disk.store = this.store;
  }

  private apply(entry: LogEntry): void {
    this.applied.push(entry);
    let { conf, confIndex } = this.store;
    if (entry.type === EntryType.Conf) {
      conf = this.raft.applyConfChange(entry.index, parseConfSteps(toText(entry.data)));
      confIndex = entry.index;
    }
    this.remember({ applied: entry.index, term: entry.term, conf, confIndex });
  }

  private remember(store: Store): void {
    this.store = store;
    this.history.push(store);
  }

  /** Syncs the first `count` writes. Returns the messages that waited for them. */
  sync(count: number = this.unsynced.length): Message[] {
    const done = this.unsynced.splice(0, count);
    for (const ready of done) {
      this.makeDurable(ready);
      this.onDurable(ready);
    }
    const synced = done.filter((ready) => ready.mustSync);
    const last = synced[synced.length - 1];
    if (last !== undefined) this.raft.persisted(last.number);
    return done.flatMap((ready) => ready.messagesAfterPersist);
  }

  private makeDurable({ snapshot, entriesToPersist, hardState }: Ready): void {
    const { disk } = this;
    if (snapshot !== undefined) disk.log.reset(snapshot.index, snapshot.term);
    disk.log.append(entriesToPersist);
    if (hardState !== undefined) disk.hardState = hardState;
  }

  /** The state machine's own commits are later than the log's: here up to the entry that `fraction` of them reaches. */
  flushStore(fraction: number): void {
    const store = this.history[Math.floor(fraction * (this.history.length - 1))] as Store;
    if (store.applied > this.disk.store.applied) this.disk.store = store;
  }

  /**
   * Dies, keeping the first `keep` of its unsynced writes and `tornEntries` entries of the next one, and starts again with
   * a new nonce.
   */
  restart(keep: number, nonce: number, tornEntries: number = 0): void {
    for (const ready of this.unsynced.slice(0, keep)) this.makeDurable(ready);
    const torn = this.unsynced[keep];
    if (torn?.snapshot === undefined) this.disk.log.append(torn?.entriesToPersist.slice(0, tornEntries) ?? []);
    this.settings = { ...this.settings, nonce };
    const { store, hardState, log } = this.disk;
    // A snapshot was installed and its record in the log was lost: the host finishes the installation.
    if (log.term(store.applied) !== store.term) log.reset(store.applied, store.term);
    // A store that is ahead of the log's own record of commit: the host raises it.
    this.disk.hardState = { ...hardState, commit: Math.max(hardState.commit, store.applied) };
    this.raft = this.start();
  }

  /** The store as it is now, for a follower that is too far behind. */
  snapshot(): SnapshotMetadata {
    const { applied: index, term, conf } = this.store;
    return { index, term, ...conf };
  }

  compact(index: LogIndex): void {
    this.log.compact(index);
    this.disk.log.compact(index);
    if (this.disk.store.applied < index) throw new Error('compacted beyond the durable store');
  }
}
