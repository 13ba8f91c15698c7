import type { StoreCopy } from './copy/store-copy';
import type { Engine, Table } from './engine';
import type { StateHash } from './state-hash';

/**
 * The public types of the MVCC store. Requests and responses are structural subsets of the generated etcdserverpb types
 * (decoded names: camelCase), so that a decoded request can be handed in and a result can be encoded as it is.
 *
 * Revisions are numbers below 2^53; a client's int64 may arrive as number or bigint and is compared exactly.
 */
export type Int64 = number | bigint;

/** etcdserverpb.RangeRequest without `serializable`, which is the caller's business. */
export interface RangeQuery {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
  readonly limit: Int64;
  readonly revision: Int64;
  /** 0 NONE, 1 ASCEND, 2 DESCEND */
  readonly sortOrder: number;
  /** 0 KEY, 1 VERSION, 2 CREATE, 3 MOD, 4 VALUE */
  readonly sortTarget: number;
  readonly keysOnly: boolean;
  readonly countOnly: boolean;
  readonly minModRevision: Int64;
  readonly maxModRevision: Int64;
  readonly minCreateRevision: Int64;
  readonly maxCreateRevision: Int64;
}

export interface PutRequest {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly lease: bigint;
  readonly prevKv: boolean;
  readonly ignoreValue: boolean;
  readonly ignoreLease: boolean;
}

export interface DeleteRangeRequest {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
  readonly prevKv: boolean;
}

/** etcdserverpb.Compare. Of the five operands at most one is set. */
export interface CompareRequest {
  /** 0 EQUAL, 1 GREATER, 2 LESS, 3 NOT_EQUAL */
  readonly result: number;
  /** 0 VERSION, 1 CREATE, 2 MOD, 3 VALUE, 4 LEASE */
  readonly target: number;
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
  readonly version: Int64 | undefined;
  readonly createRevision: Int64 | undefined;
  readonly modRevision: Int64 | undefined;
  readonly value: Uint8Array | undefined;
  readonly lease: Int64 | undefined;
}

export interface RequestOp {
  readonly requestRange: RangeQuery | undefined;
  readonly requestPut: PutRequest | undefined;
  readonly requestDeleteRange: DeleteRangeRequest | undefined;
  readonly requestTxn: TxnRequest | undefined;
}

export interface TxnRequest {
  readonly compare: readonly CompareRequest[];
  readonly success: readonly RequestOp[];
  readonly failure: readonly RequestOp[];
}

/** mvccpb.KeyValue */
export interface KeyValue {
  readonly key: Uint8Array;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
  readonly value: Uint8Array;
  readonly lease: bigint;
}

/** A response header as the store fills it; the caller adds ids and term. */
export interface RevisionHeader {
  readonly revision: number;
}

export interface RangeResult {
  readonly header: RevisionHeader;
  readonly kvs: readonly KeyValue[];
  readonly more: boolean;
  readonly count: number;
}

export interface PutResult {
  readonly header: RevisionHeader;
  readonly prevKv: KeyValue | undefined;
}

export interface DeleteRangeResult {
  readonly header: RevisionHeader;
  readonly deleted: number;
  readonly prevKvs: readonly KeyValue[];
}

export interface ResponseOp {
  readonly responseRange?: RangeResult;
  readonly responsePut?: PutResult;
  readonly responseDeleteRange?: DeleteRangeResult;
  readonly responseTxn?: TxnResult;
}

export interface TxnResult {
  /** Inner transactions have an empty header, as in etcd. */
  readonly header: RevisionHeader | Record<string, never>;
  readonly succeeded: boolean;
  readonly responses: readonly ResponseOp[];
}

/** Why an operation is refused; nothing has changed then. The caller maps it to its error catalogue. */
export type MvccError =
  | 'compacted'
  | 'future-revision'
  | 'key-not-found'
  | 'lease-not-found'
  | 'invalid-sort-option'
  | 'empty-key'
  | 'value-provided'
  | 'lease-provided'
  | 'too-many-ops'
  | 'duplicate-key'
  /** The answer is larger than it may be: see `Store.largeAnswer`. */
  | 'too-large';

export type Outcome<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: MvccError };

/** One version of one key, as stored: put or tombstone. Its byte fields are views that stay valid. */
export interface StoredVersion extends KeyValue {
  /** Order within the revision, from 0. */
  readonly sub: number;
  readonly isDelete: boolean;
  /** The encoded mvccpb.KeyValue (of a tombstone: key and mod_revision only). */
  readonly kv: Uint8Array;
  /** Mod revision of the key's version before this one, tombstones included; 0: none (or compacted when written). */
  readonly previousRevision: number;
}

/** A change made by a write transaction. */
export interface Change {
  readonly version: StoredVersion;
  /** The live version that was replaced or deleted; undefined for a create. Its `lease` is the lease to detach. */
  readonly previous: StoredVersion | undefined;
}

/** All changes of one revision, in order. Empty `changes` never occurs. */
export interface RevisionChanges {
  readonly revision: number;
  readonly changes: readonly Change[];
}

/** What an applied write gives: its response, and the revision it made unless it changed nothing. */
export interface Applied<T> {
  readonly response: T;
  readonly made: RevisionChanges | undefined;
}

/** What the write path asks of its surroundings. Must be deterministic. */
export interface WriteHooks {
  leaseExists(id: bigint): boolean;
}

export interface HistorySlice {
  readonly revisions: readonly { readonly revision: number; readonly versions: readonly StoredVersion[] }[];
  /** Where to go on; above `to` when done. */
  readonly next: number;
}

/** Where a version is in history: its main revision and its order within that, from 0. */
export interface RevisionPlace {
  readonly main: number;
  readonly sub: number;
}

export interface VersionSlice {
  readonly versions: readonly StoredVersion[];
  /** Where to go on; undefined when done. */
  readonly next: RevisionPlace | undefined;
}

/** A small table of bytes to bytes, in the same transactions as the data. Keys 1 to 1,900 bytes. */
export interface SmallTable {
  get(key: Uint8Array): Uint8Array | undefined;
  put(key: Uint8Array, value: Uint8Array): void;
  delete(key: Uint8Array): void;
  /** Rows with start ≤ key < end in key order, as they are at the call; no bound: open. */
  scan(start?: Uint8Array, end?: Uint8Array): readonly (readonly [Uint8Array, Uint8Array])[];
}

export type SmallTableName =
  | 'lease'
  | 'leaseKeys'
  | 'auth'
  | 'authUsers'
  | 'authRoles'
  | 'alarm'
  | 'members'
  | 'membersRemoved'
  | 'meta';

export interface Position {
  readonly index: number;
  readonly term: number;
}

export interface StoreSizes {
  /** Bytes of the file. */
  readonly file: number;
  /** Bytes of it that hold data. */
  readonly inUse: number;
  /** Bytes that count for a quota: a value that is stored twice counts once. */
  readonly counted: number;
  /** Bytes of changes that are visible and not yet durable. */
  readonly overlay: number;
}

export interface HashKvResult {
  readonly hash: number;
  readonly compactRevision: number;
  readonly hashRevision: number;
}

/** An answer that is made while it is sent. First `measure` until it says true, then `next` until it gives undefined. */
export interface LargeAnswer {
  /** The bytes of the whole answer, once it is measured. */
  readonly bytes: number;
  /** A compaction has passed the revision: what is still to come can't be read. To be asked before each call. */
  readonly isCompacted: boolean;
  /** Reads about `rowsMax` rows more; true: it is measured. */
  measure(rowsMax: number): boolean;
  /** The next part, of about `bytesMax` bytes. */
  next(bytesMax: number): Uint8Array | undefined;
}

export interface CopiedSlice {
  /** The last key of the slice; undefined: the table has no more rows. */
  readonly last: Uint8Array | undefined;
  /** What was copied, roughly. */
  readonly bytes: number;
}

export interface MovedRow {
  readonly table: Table;
  /** Latin1. */
  readonly key: string;
}

/** Copies rows of the store's engine into another engine, reading both by itself; what a call copies is durable when it resolves. */
export interface RowMover {
  /** Some rows of a table in key order from behind `after` on, as they are at some moment during the call. */
  copyTable(table: Table, after: Uint8Array | undefined): Promise<CopiedSlice>;
  /** The rows as they are at some moment during the call; those that are gone are deleted. Gives the bytes, roughly. */
  copyRows(rows: readonly MovedRow[]): Promise<number>;
}

/** The store's move into another engine while it goes on. */
export interface StoreMove {
  /**
   * Copies everything through `mover`, with `pause` between slices, which may reject to end it. When it resolves, the other engine holds all that is
   * durable, and commits wait for `adopt` or `close`.
   */
  copy(mover: RowMover, pause: (bytes: number) => Promise<void>): Promise<void>;
  /** Throws CorruptionError unless what is in the engine is the copy. */
  check(engine: Engine): void;
  /** From here on the store is in this engine, which holds the copy. Resolves when the old one is closed. */
  adopt(engine: Engine): Promise<void>;
  /** Gives the move up, unless `adopt` was called: the store stays where it is and commits go on. */
  close(): void;
}

/**
 * The store. One thread of callers: nothing here is re-entrant, every call runs to its end.
 * A write is visible to every later call at once and durable when `durable.index` has reached its index.
 */
export interface Store {
  /** Current revision; 1 when empty. */
  readonly revision: number;
  /** The logged compact revision; −1 when never compacted, as etcd's HashKV shows it. */
  readonly compactRevision: number;
  /** Up to here everything compacted has been deleted; −1: nothing yet. */
  readonly compactFinished: number;
  /** The last entry whose effects are visible / are on disk. */
  readonly applied: Position;
  readonly durable: Position;

  range(query: RangeQuery): Outcome<RangeResult>;
  /** The complete encoded etcdserverpb.RangeResponse; `header` is an encoded ResponseHeader (its revision filled by the caller). */
  rangeEncoded(query: RangeQuery, header: Uint8Array): Outcome<Uint8Array>;
  /**
   * The same, at once if the range has few keys, else in slices between which `pause` lets others go on; the answer is of
   * the revision at the call, or compacted if a compaction passes that. One in key order of more than `bytesMax` bytes is
   * given up as too large.
   */
  rangeSliced(
    query: RangeQuery,
    header: Uint8Array,
    pause: () => Promise<void>,
    bytesMax?: number,
  ): Outcome<Uint8Array> | Promise<Outcome<Uint8Array>>;
  /** The answer to a range in key order at the query's revision, which must be one that can be read, in parts. */
  largeAnswer(query: RangeQuery, header: Uint8Array): LargeAnswer;
  /** The newest version of a key, undefined when there is none or it is deleted. */
  latest(key: Uint8Array): StoredVersion | undefined;
  /** The version of a key that was live at `revision`. Callers keep `revision` ≥ compactRevision. */
  versionAt(key: Uint8Array, revision: number): StoredVersion | undefined;

  /** The version before this one as watch's prev_kv has it: undefined for a create, after a tombstone or when compacted. */
  previousOf(version: StoredVersion): StoredVersion | undefined;

  put(request: PutRequest, hooks: WriteHooks): Outcome<Applied<PutResult>>;
  deleteRange(request: DeleteRangeRequest): Outcome<Applied<DeleteRangeResult>>;
  /** Any transaction, read-only ones too (those make no revision). Shape and limits: see checkTxn. */
  txn(request: TxnRequest, hooks: WriteHooks): Outcome<Applied<TxnResult>>;
  /** Deletes the keys (in the order given) in one revision: lease revocation. Missing keys are skipped. */
  deleteKeys(keys: readonly Uint8Array[]): RevisionChanges | undefined;

  /** Logs a compaction; old versions are unreadable at once and deleted by `compactSlice`. */
  compact(revision: number): Outcome<undefined>;
  /** Deletes some old versions, reading at most `rowsMax` rows; true when nothing is left to do. */
  compactSlice(rowsMax: number): boolean;
  /** Versions that `compactSlice` has found dead since the store was opened. */
  readonly compactedVersions: number;

  /** Versions of revisions from..to (inclusive) in order, stopping after about `bytesMax` bytes, at whole revisions. `from` must be ≥ compactRevision. */
  history(from: number, to: number, bytesMax: number): HistorySlice;
  /**
   * Versions stored from a place on, up to revision `to`, stopping after about `bytesMax` bytes, within a revision too. What
   * compaction has not deleted yet is among them; whoever reads in several slices must keep it from deleting between them.
   */
  versionSlice(from: RevisionPlace, to: number, bytesMax: number): VersionSlice;
  /** etcd's HashKV at a revision (0: current); runs `pause` between slices and may fail with compacted. */
  hashKv(revision: number, pause: () => Promise<void>): Promise<Outcome<HashKvResult>>;

  table(name: SmallTableName): SmallTable;
  /** The same for rows that say something of the member itself: they are not part of the replicated state. */
  ownTable(name: SmallTableName): SmallTable;
  /** The rolling hash of the changes of all entries. */
  readonly stateHash: StateHash;
  /** Marks the end of an entry: everything written since the last call belongs to it. Indexes never go down. Commits fall only between entries, so call it also after writes that belong to none. */
  setApplied(index: number, term: number): void;

  /** Begins a commit if something is pending, no entry is half applied and no commit is under way; never waits. */
  startFlush(): void;
  /** Resolves when all that was visible at the call is durable. Not to be called within an entry. */
  flush(): Promise<void>;
  /** True while too much is waiting to become durable: stop applying until `whenWritable` resolves. */
  readonly overloaded: boolean;
  /** Whether physical deletion after a compaction is still to be done. */
  readonly isCompacting: boolean;
  /** Whether compactSlice does nothing until a commit has taken what it has found so far: await `flush` instead of trying again. */
  readonly isCompactionStalled: boolean;
  whenWritable(): Promise<void>;
  sizes(): StoreSizes;
  /** Keys that exist now. Reads at most about `rowsMax` rows: undefined until several calls have counted all of them once. */
  keyCount(rowsMax: number): number | undefined;
  /**
   * Reads about `bytesMax` bytes more of what is stored and checks them; true at the end of a time through everything.
   * @throws CorruptionError
   */
  scrubSlice(bytesMax: number): boolean;
  /** A consistent copy of all that is durable, as chunks of rows, while the store goes on; close it when done. */
  copy(): StoreCopy;
  /** Begins to move into another engine, while reads and writes go on. One move at a time. */
  move(): StoreMove;
  /** Flushes and closes. */
  close(): Promise<void>;
}
