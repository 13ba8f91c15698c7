import { Compaction } from './compaction';
import { EngineMove } from './copy/engine-move';
import { StoreCopy } from './copy/store-copy';
import { TrackedEngine } from './copy/tracked-engine';
import type { Engine } from './engine';
import { assert, type Environment } from './environment';
import { writeGeneration } from './flush';
import { hashKv } from './hash-kv';
import { TwoPassAnswer } from './large-answer';
import type { LatestLimits } from './latest-rows';
import { encodeRangeResponse, failed, findRange, findRangeSliced, type RangeFound } from './range';
import type { Version } from './record';
import { decodeState, EMPTY_STATE, STATE_KEY, type State } from './schema';
import { Scrub, verifyRow } from './scrub';
import { PrefixedTable, readSmall } from './small-tables';
import { StateHash, UNKNOWN_HASH } from './state-hash';
import { choose, execute, executeDelete, executePut, rangeResult, refusalOf, refusalOfPut } from './txn';
import type {
  Applied,
  DeleteRangeRequest,
  DeleteRangeResult,
  HashKvResult,
  HistorySlice,
  LargeAnswer,
  Outcome,
  Position,
  PutRequest,
  PutResult,
  RangeQuery,
  RangeResult,
  RevisionChanges,
  RevisionPlace,
  SmallTable,
  SmallTableName,
  Store,
  StoredVersion,
  StoreMove,
  StoreSizes,
  TxnRequest,
  TxnResult,
  VersionSlice,
  WriteHooks,
} from './types';
import { versionSlice } from './version-slice';
import { Versions } from './versions';
import { Writer } from './writer';

export interface StoreOptions {
  /**
   * A generation of this many bytes or versions is committed without waiting for the timer: putting a commit together
   * holds the event loop for about 2 µs per version.
   */
  readonly flushBytes: number;
  readonly flushVersions: number;
  /** The store is overloaded when this much is not durable. */
  readonly overlayBytesMax: number;
  readonly latest: LatestLimits;
  /** Whether the rolling hash of the state is kept; what was applied without it makes it unknown. Default: true. */
  readonly stateHash?: boolean;
  /** A commit failed; the process must end. */
  readonly onFatal: (error: unknown) => void;
}

/** Opens what is in the engine. Throws CorruptionError or NewerFormatError. */
export function openMvccStore(engine: Engine, environment: Environment, options: StoreOptions): Store {
  return new MvccStore(engine, environment, options);
}

class MvccStore implements Store {
  private readonly versions: Versions;
  private readonly writer: Writer;
  private readonly compaction: Compaction;
  private position: Position;
  private durablePosition: Position;
  /** Something is to be committed / everything written belongs to a finished entry. */
  private dirty = false;
  private sealed = true;
  private commit: Promise<void> | undefined;
  private writableWaiters: (() => void)[] = [];
  private quietWaiters: ((position: Position) => void)[] = [];
  private readonly engine: TrackedEngine;
  readonly stateHash: StateHash;
  private readonly scrub: Scrub;
  private failure: unknown;
  private readonly isHashed: boolean;

  constructor(
    plainEngine: Engine,
    private readonly environment: Environment,
    private readonly options: StoreOptions,
  ) {
    const engine = new TrackedEngine(plainEngine);
    this.engine = engine;
    this.scrub = new Scrub(engine, environment);
    const row = readSmall(engine, STATE_KEY, environment);
    const state = row === undefined ? EMPTY_STATE : decodeState(row);
    this.versions = new Versions(engine, environment, state, options.latest);
    this.isHashed = options.stateHash !== false;
    this.stateHash = new StateHash(this.isHashed ? state.hash : UNKNOWN_HASH, state.applied.index);
    this.writer = new Writer(this.versions, environment, this.isHashed ? this.stateHash : undefined);
    this.compaction = new Compaction(this.versions, state);
    this.position = state.applied;
    this.durablePosition = state.applied;
  }

  get revision(): number {
    return this.versions.revision;
  }

  get compactRevision(): number {
    return this.versions.compactRevision;
  }

  get compactFinished(): number {
    return this.compaction.finished;
  }

  get applied(): Position {
    return this.position;
  }

  get durable(): Position {
    return this.durablePosition;
  }

  range(query: RangeQuery): Outcome<RangeResult> {
    return rangeResult(this.versions, query, this.revision);
  }

  rangeEncoded(query: RangeQuery, header: Uint8Array): Outcome<Uint8Array> {
    const found = findRange(this.versions, query, this.revision, true);
    return found.ok ? { ok: true, value: encodeRangeResponse(found.value, query.keysOnly, header) } : found;
  }

  rangeSliced(
    query: RangeQuery,
    header: Uint8Array,
    pause: () => Promise<void>,
    bytesMax?: number,
  ): Outcome<Uint8Array> | Promise<Outcome<Uint8Array>> {
    const encode = (found: Outcome<RangeFound>): Outcome<Uint8Array> =>
      found.ok ? { ok: true, value: encodeRangeResponse(found.value, query.keysOnly, header) } : found;
    const found = findRangeSliced(this.versions, query, pause, bytesMax);
    return 'ok' in found ? encode(found) : found.then(encode);
  }

  largeAnswer(query: RangeQuery, header: Uint8Array): LargeAnswer {
    const revision = query.revision > 0 ? Number(query.revision) : this.revision;
    return new TwoPassAnswer(this.versions, query, revision, header);
  }

  latest(key: Uint8Array): StoredVersion | undefined {
    const last = key.length === 0 ? undefined : this.versions.latest(key);
    return last?.isDelete ? undefined : last;
  }

  versionAt(key: Uint8Array, revision: number): StoredVersion | undefined {
    if (key.length === 0 || revision < this.compactRevision) return undefined;
    const last = this.versions.latest(key);
    return last && this.versions.resolve(last, revision);
  }

  previousOf(version: StoredVersion): StoredVersion | undefined {
    if (version.previousRevision === 0 || version.modRevision - 1 < this.compactRevision) return undefined;
    // Every StoredVersion is made here.
    const { links, previousIsTombstone } = version as Version;
    const previous = links[0];
    return previous === undefined || previousIsTombstone ? undefined : this.versions.at(previous);
  }

  put(request: PutRequest, hooks: WriteHooks): Outcome<Applied<PutResult>> {
    const refusal = refusalOfPut(this.versions, request, hooks);
    if (refusal !== undefined) return failed(refusal);
    const response = executePut(this.versions, this.writer, request);
    return { ok: true, value: { response, made: this.finishWrite() } };
  }

  deleteRange(request: DeleteRangeRequest): Outcome<Applied<DeleteRangeResult>> {
    if (request.key.length === 0) return failed('empty-key');
    const response = executeDelete(this.writer, request);
    return { ok: true, value: { response, made: this.finishWrite() } };
  }

  txn(request: TxnRequest, hooks: WriteHooks): Outcome<Applied<TxnResult>> {
    const chosen = choose(this.versions, request);
    const refusal = refusalOf(this.versions, chosen, hooks);
    if (refusal !== undefined) return failed(refusal);
    const result = execute(this.versions, this.writer, chosen);
    const made = this.finishWrite();
    return { ok: true, value: { response: { ...result, header: { revision: this.revision } }, made } };
  }

  deleteKeys(keys: readonly Uint8Array[]): RevisionChanges | undefined {
    for (const key of keys) if (key.length > 0) this.writer.delete(key);
    return this.finishWrite();
  }

  compact(revision: number): Outcome<undefined> {
    const before = this.compactRevision;
    if (revision <= before) return failed('compacted');
    if (revision > this.revision) return failed('future-revision');
    this.versions.compactRevision = revision;
    if (this.isHashed) this.stateHash.note(revision | 0);
    this.compaction.extend(before);
    this.touch();
    return { ok: true, value: undefined };
  }

  get isCompacting(): boolean {
    return this.compaction.isRunning;
  }

  get isCompactionStalled(): boolean {
    return this.compaction.isStalled;
  }

  get compactedVersions(): number {
    return this.compaction.compactedVersions;
  }

  compactSlice(rowsMax: number): boolean {
    if (!this.compaction.isRunning) return true;
    this.dirty = true;
    const done = this.compaction.slice(rowsMax);
    if (!done) this.startFlush();
    return done;
  }

  history(from: number, to: number, bytesMax: number): HistorySlice {
    const revisions: { revision: number; versions: StoredVersion[] }[] = [];
    let bytes = 0;
    let next = to + 1;
    this.versions.walkHistory({ main: from, sub: 0 }, { main: Math.min(to, this.revision) + 1, sub: 0 }, (version) => {
      const last = revisions.at(-1);
      if (last?.revision === version.modRevision) last.versions.push(version);
      else {
        if (bytes >= bytesMax) {
          next = version.modRevision;
          return false;
        }
        revisions.push({ revision: version.modRevision, versions: [version] });
      }
      bytes += version.bytes.length;
      return true;
    });
    return { revisions, next };
  }

  versionSlice(from: RevisionPlace, to: number, bytesMax: number): VersionSlice {
    return versionSlice(this.versions, from, to, bytesMax);
  }

  hashKv(revision: number, pause: () => Promise<void>): Promise<Outcome<HashKvResult>> {
    return hashKv(this.versions, revision, pause);
  }

  table(name: SmallTableName): SmallTable {
    const hash = this.isHashed ? this.stateHash : undefined;
    return new PrefixedTable(name, this.versions, () => this.touch(), hash);
  }

  ownTable(name: SmallTableName): SmallTable {
    return new PrefixedTable(name, this.versions, () => this.touch());
  }

  setApplied(index: number, term: number): void {
    assert(
      index >= this.position.index && term >= this.position.term,
      `applied position goes up (${this.position.index}/${this.position.term} to ${index}/${term})`,
    );
    if (this.isHashed && index > this.position.index) this.stateHash.seal(index, term);
    this.position = { index, term };
    this.dirty = true;
    this.sealed = true;
    if (this.commit === undefined && this.isLarge()) this.startFlush();
  }

  startFlush(): void {
    if (this.dirty) this.startCommit(false);
  }

  private startCommit(allLatest: boolean): void {
    if (!this.sealed || this.commit !== undefined || this.failure !== undefined) return;
    this.dirty = false;
    const position = this.position;
    const generation = this.versions.freeze();
    this.commit = writeGeneration(this.versions, generation, () => this.state(), allLatest).then(
      () => {
        this.versions.dropFlushing();
        this.commit = undefined;
        this.durablePosition = position;
        this.afterCommit();
      },
      (error: unknown) => {
        // The commit stays set: nothing is written ever after.
        this.failure = error;
        this.options.onFatal(error);
        throw error;
      },
    );
    // Whoever waits learns of it; nobody may be waiting.
    this.commit.catch(() => undefined);
  }

  async flush(): Promise<void> {
    assert(this.sealed || !this.dirty, 'flush is called between entries');
    // The commit under way, if any, may lack what came after its start; the next one has all.
    if (this.commit !== undefined) await this.commit;
    this.startFlush();
    if (this.commit !== undefined) await this.commit;
  }

  get overloaded(): boolean {
    return this.overlayBytes() > this.options.overlayBytesMax;
  }

  whenWritable(): Promise<void> {
    if (!this.overloaded) return Promise.resolve();
    this.startFlush();
    return new Promise((resolve) => this.writableWaiters.push(resolve));
  }

  scrubSlice(bytesMax: number): boolean {
    return this.scrub.slice(bytesMax);
  }

  copy(): StoreCopy {
    const { engine, environment } = this;
    return new StoreCopy({
      engine,
      environment,
      whenQuiet: (callback) => this.whenQuiet(callback),
      verify: (table, key, value) => verifyRow(table, key, value, environment),
    });
  }

  move(): StoreMove {
    return new EngineMove({
      engine: this.engine,
      environment: this.environment,
      whenQuiet: (callback) => this.whenQuiet(callback),
      holdCommits: () => this.holdCommits(),
    });
  }

  /** Between two commits: nothing is committed until the function that is returned has been called. */
  private holdCommits(): () => void {
    assert(this.commit === undefined, 'commits are held back between two of them');
    let resolve: () => void = () => undefined;
    this.commit = new Promise((released) => {
      resolve = released;
    });
    return () => {
      this.commit = undefined;
      resolve();
      this.afterCommit();
    };
  }

  keyCount(rowsMax: number): number | undefined {
    return this.versions.countIndex.count(undefined, undefined, rowsMax);
  }

  sizes(): StoreSizes {
    return { ...this.engine.sizes(), overlay: this.overlayBytes() };
  }

  async close(): Promise<void> {
    await this.flush();
    await this.catchUpLatest();
    await this.engine.close();
  }

  /** Brings Latest up to date, so that the next start need not. */
  private async catchUpLatest(): Promise<void> {
    while (this.versions.latestRows.isBehind) {
      this.startCommit(true);
      await this.commit;
    }
  }

  private finishWrite(): RevisionChanges | undefined {
    const made = this.writer.finish();
    if (made !== undefined) this.touch();
    return made;
  }

  private touch(): void {
    this.dirty = true;
    this.sealed = false;
  }

  /** Runs the callback while no commit is under way. */
  private whenQuiet(callback: (position: Position) => void): void {
    if (this.commit === undefined) callback(this.durablePosition);
    else this.quietWaiters.push(callback);
  }

  private afterCommit(): void {
    for (const callback of this.quietWaiters.splice(0)) callback(this.durablePosition);
    if (this.isLarge() || this.overloaded) this.startFlush();
    if (this.overloaded) return;
    const waiters = this.writableWaiters;
    this.writableWaiters = [];
    for (const wake of waiters) wake();
  }

  private isLarge(): boolean {
    const { active } = this.versions;
    return active.bytes >= this.options.flushBytes || active.history.length >= this.options.flushVersions;
  }

  private overlayBytes(): number {
    return this.versions.active.bytes + (this.versions.flushing?.bytes ?? 0);
  }

  private state(): State {
    return {
      revision: this.versions.revision,
      compactRevision: this.versions.compactRevision,
      compactFinished: this.compaction.finished,
      compactCursor: this.compaction.cursor,
      applied: this.position,
      nextNode: this.versions.longKeys.nextNode,
      indexedRevision: this.versions.latestRows.indexedRevision,
      hash: this.stateHash.stored,
    };
  }
}
