import { failpoint } from '../failpoints';
import type { HardState, LogEntry, LogStorage } from '../raft';
import {
  type BatchContent,
  type ConfigurationMarker,
  type EntriesHead,
  FORMAT_VERSION,
  type FoundRecord,
  RecordType,
  type SegmentScan,
  type WrittenEntries,
  encodeBatch,
  readConfiguration,
  readEntries,
  readEntriesHead,
  readHardState,
  readRecord,
  viewOf,
} from '../wal-format';
import type { WalFile } from './disk';
import { obsoleteSegments } from './compaction';
import { EntryCache, ReadBackCache } from './entry-cache';
import { LogIndex, type LogRow, TermRuns } from './log-index';
import { type ActiveSegment, type Segment, openSegments, segmentName } from './segments';
import { createSlabAllocator } from './slab';
import {
  type WalAppend,
  type WalBootstrap,
  WalError,
  type WalOptions,
  type WalRecovered,
  type WalStats,
  createHistogram,
  observe,
} from './types';

const READ_BACK_BYTES = 1024 * 1024;
/** A prepared segment that could not be made (disk full) is tried again no sooner than this. */
const SPARE_RETRY_MS = 5_000;
/** Kept free in the last segment while no other can be prepared: terms and votes must go on being recorded. */
const RESERVE_BYTES = 1024 * 1024;
/** etcd's buckets of etcd_disk_wal_fsync_duration_seconds: 1 ms × 2^i. */
const SYNC_BOUNDS = Array.from({ length: 14 }, (_, i) => 0.001 * 2 ** i);

const beforeSync = failpoint('walBeforeSync');
const afterSync = failpoint('walAfterSync');
const beforeBeginSegment = failpoint('walBeforeBeginSegment');
const beforeRemoveSegment = failpoint('walBeforeRemoveSegment');
const afterRemoveSegment = failpoint('walAfterRemoveSegment');
const afterRelease = failpoint('raftAfterWALRelease');

/** A write that has been handed to the disk and is not known to be there. */
interface UnderWay {
  readonly segment: number;
  readonly offset: number;
  /** The first entry in it; infinity: it has none. */
  readonly firstIndex: number;
}

/** What waits for the next write. */
interface Pending {
  runs: LogEntry[][];
  snapshot: ConfigurationMarker | undefined;
  configuration: ConfigurationMarker | undefined;
  hardState: HardState | undefined;
  /** Number of the last Ready in it. */
  number: number;
  /** Something in it is waited for; a commit index alone is not. */
  wanted: boolean;
  bytes: number;
}

function nothingPending(): Pending {
  return {
    runs: [],
    snapshot: undefined,
    configuration: undefined,
    hardState: undefined,
    number: 0,
    wanted: false,
    bytes: 0,
  };
}

/**
 * The write-ahead log of one member, and the synced part of the raft log as the core reads it. One write and one
 * fdatasync make durable whatever has been appended since the last; one is under way at a time.
 */
export class Wal implements LogStorage {
  readonly stats: WalStats = {
    syncs: 0,
    batches: 0,
    entries: 0,
    bytesWritten: 0,
    readBacks: 0,
    syncSeconds: createHistogram(SYNC_BOUNDS),
  };
  /** What was found at open; undefined: the WAL is new and `bootstrap` must be called first. */
  recovered: WalRecovered | undefined;
  /** Everything up to this Ready is synced. */
  onPersisted: (number: number) => void = () => undefined;
  /** Entries that `entries` had refused are in memory now. */
  onLoaded: () => void = () => undefined;

  private readonly segments = new Map<number, Segment>();
  private active: ActiveSegment | undefined;
  private spare: { readonly number: number; readonly file: WalFile } | undefined;
  private preparing: Promise<void> | undefined;
  private spareRetryAt = 0;
  private readonly index = new LogIndex();
  private readonly terms = new TermRuns();
  private readonly cache: EntryCache;
  private readonly readBack: ReadBackCache;
  private readonly allocate = createSlabAllocator();
  private first = 1;
  private last = 0;
  private baseTerm = 0;
  private configuration: ConfigurationMarker | undefined;
  private hardState: HardState | undefined;
  private pending = nothingPending();
  private syncStartedAt: number | undefined;
  private underWay: UnderWay | undefined;
  private readonly loading = new Set<number>();
  /** Counts truncations, so that what was read from disk before one is not taken for what is there after it. */
  private truncations = 0;
  /** The newest segment that a sync has finished in. */
  private syncedSegment = 0;
  private writtenConfiguration = 0;
  /** Index of the configuration that is on disk for certain. */
  syncedConfiguration = 0;
  private removing: Promise<void> | undefined;
  private closing = false;
  /** What the last write and fdatasync took together. */
  lastSyncMs = 0;
  private onIdle: (() => void) | undefined;

  /** Opens what the directory holds. @throws WalError when it may not be used */
  constructor(private readonly options: WalOptions) {
    this.cache = new EntryCache(options.cacheBytes);
    this.readBack = new ReadBackCache(options.readBackBytes);
    this.open();
  }

  get firstIndex(): number {
    return this.first;
  }

  get lastIndex(): number {
    return this.last;
  }

  /** Milliseconds that the write under way has taken so far; 0: none is. */
  get stalledMs(): number {
    return this.syncStartedAt === undefined ? 0 : this.options.now() - this.syncStartedAt;
  }

  term(index: number): number | undefined {
    if (index > this.last || index < this.first - 1) return undefined;
    return index === this.first - 1 ? this.baseTerm : this.terms.at(index);
  }

  entries(lo: number, hi: number, maxBytes: number): LogEntry[] | undefined {
    const found = this.cache.slice(lo, hi, maxBytes) ?? this.readBack.slice(lo, hi, maxBytes);
    if (found === undefined) this.load(lo);
    return found;
  }

  /** Writes and syncs the first batch of a new WAL. */
  async bootstrap(start: WalBootstrap): Promise<void> {
    if (this.recovered !== undefined) throw new Error('bootstrap of a WAL that has begun');
    if (this.spare === undefined) await this.prepare(1, this.options.firstSegmentBytes);
    const { entries, hardState, configuration } = start;
    const marker: ConfigurationMarker = { ...configuration, term: 0 };
    Object.assign(this.pending, { runs: entries.length > 0 ? [[...entries]] : [], hardState, configuration: marker });
    this.recovered = { hardState, configuration: marker, confEntries: entries.filter(({ type }) => type !== 0) };
    await new Promise<void>((resolve) => {
      this.onIdle = resolve;
      this.pending.wanted = true;
      this.write();
    });
  }

  /** Queues a Ready's share and starts the write unless one is under way. */
  append(work: WalAppend): void {
    const { pending } = this;
    const { entries } = work;
    // What waits belongs to the log that the snapshot replaces; behind its record it would replace the snapshot.
    if (work.snapshot !== undefined) Object.assign(pending, { runs: [], bytes: 0, configuration: undefined });
    const first = entries[0];
    if (first !== undefined) {
      const run = pending.runs[pending.runs.length - 1];
      const end = run?.[run.length - 1];
      if (run !== undefined && end !== undefined && end.index + 1 === first.index)
        for (const entry of entries) run.push(entry);
      else pending.runs.push([...entries]);
      for (const entry of entries) pending.bytes += entry.data.length + 32;
    }
    if (work.hardState !== undefined) pending.hardState = work.hardState;
    if (work.snapshot !== undefined) pending.snapshot = work.snapshot;
    pending.number = work.number;
    if (work.mustSync || entries.length > 0 || work.snapshot !== undefined) pending.wanted = true;
    if (this.syncStartedAt === undefined && pending.wanted) this.write();
  }

  /** Notes the configuration in force; it is stored with the next write. */
  setConfiguration(marker: ConfigurationMarker): void {
    this.configuration = marker;
    this.pending.configuration = marker;
  }

  /**
   * What the log would begin with after `compact(index)`; undefined: nothing would go. What the entries before it said of
   * the members must be stored elsewhere by then.
   */
  firstIndexAfterCompaction(index: number): number | undefined {
    // A read under way holds a segment's file open.
    if (this.removing !== undefined || this.closing || this.loading.size > 0) return undefined;
    const obsolete = obsoleteSegments([...this.segments.values()], this.syncedSegment, index);
    return obsolete === undefined ? undefined : Math.max(this.first, obsolete.next.metadata.previousIndex + 1);
  }

  /** Removes whole segments that hold nothing behind `index`, which the store must have made durable. Does not wait. */
  compact(index: number): void {
    const first = this.firstIndexAfterCompaction(index);
    const obsolete = obsoleteSegments([...this.segments.values()], this.syncedSegment, index);
    if (first === undefined || obsolete === undefined) return;
    if (first > this.first) this.baseTerm = this.term(first - 1) ?? obsolete.next.metadata.previousTerm;
    this.first = first;
    this.index.dropSegmentsBefore(obsolete.next.number);
    this.removing = this.remove(obsolete.gone);
  }

  /**
   * True while the disk is full and what is left of the last segment is needed for terms and votes: no entries should be
   * appended until it is false again. (Those that are, all the same, are written as long as there is room.)
   */
  get isShort(): boolean {
    const { active, spare, spareRetryAt } = this;
    if (spare !== undefined || spareRetryAt === 0 || active === undefined) return false;
    return active.offset + Math.min(RESERVE_BYTES, active.file.size / 4) > active.file.size;
  }

  /** Tries again to prepare a segment; to be called from time to time while there is none. */
  prepareAgain(): void {
    if (this.spare === undefined && this.preparing === undefined && this.spareRetryAt > 0) this.prepareNext();
  }

  /** Bytes of the segments that are begun. */
  get bytesOnDisk(): number {
    let bytes = 0;
    for (const { file } of this.segments.values()) bytes += file.size;
    return bytes;
  }

  /** Writes what is left, waits for the sync under way and closes the files. */
  async close(): Promise<void> {
    this.closing = true;
    this.pending.wanted ||= this.pending.hardState !== undefined || this.pending.configuration !== undefined;
    if (this.syncStartedAt === undefined && this.pending.wanted) this.write();
    if (this.syncStartedAt !== undefined) {
      await new Promise<void>((resolve) => {
        this.onIdle = resolve;
      });
    }
    await this.preparing;
    await this.removing;
    for (const segment of this.segments.values()) segment.file.close();
    this.spare?.file.close();
  }

  // --- writing

  private write(): void {
    const pending = this.pending;
    this.pending = nothingPending();
    const started = this.options.now();
    this.syncStartedAt = started;
    try {
      this.roll(pending.bytes);
      const synced = (error: Error | undefined): void => this.synced(error, pending.number, started);
      this.writeBatch(pending, (error) => (error ? synced(error) : afterSync.reachThen(() => synced(undefined))));
    } catch (error) {
      this.options.onFatal(asError(error));
    }
  }

  private synced(error: Error | undefined, number: number, started: number): void {
    // After a failed write or fdatasync the page cache may claim to be clean though the disk has nothing: never tried again.
    if (error !== undefined) return this.options.onFatal(new WalError(`writing the WAL failed: ${error.message}`));
    this.stats.syncs += 1;
    this.lastSyncMs = this.options.now() - started;
    observe(this.stats.syncSeconds, this.lastSyncMs / 1000);
    this.syncStartedAt = undefined;
    this.syncedConfiguration = this.writtenConfiguration;
    this.syncedSegment = (this.active as ActiveSegment).number; // the write was into it
    this.underWay = undefined;
    if (this.spare === undefined && this.preparing === undefined) this.prepareNext();
    if (!this.closing) this.onPersisted(number);
    // onPersisted may have appended and so begun the next write already.
    if (this.syncStartedAt === undefined && this.pending.wanted) this.write();
    if (this.syncStartedAt !== undefined) return;
    const idle = this.onIdle;
    this.onIdle = undefined;
    idle?.();
  }

  private writeBatch(pending: Pending, done: (error: Error | undefined) => void): void {
    const active = this.active as ActiveSegment; // roll() has seen to it
    const isFirst = active.batches === 0;
    if (pending.hardState !== undefined) this.hardState = pending.hardState;
    if (pending.configuration !== undefined) this.configuration = pending.configuration;
    const content: BatchContent = {
      metadata: isFirst ? active.metadata : undefined,
      snapshot: pending.snapshot,
      configuration: isFirst ? this.configuration : pending.configuration,
      runs: pending.runs,
      hardState: isFirst ? this.hardState : pending.hardState,
    };
    const place = { segment: active.number, batch: active.batches + 1, nonce: active.metadata.nonce };
    const batch = encodeBatch(content, place, this.options.checksum, this.allocate);
    const firstIndex = Math.min(...batch.written.map((written) => written.firstIndex));
    this.underWay = { segment: active.number, offset: active.offset, firstIndex };
    const { offset } = active;
    beforeSync.reachThen(() => active.file.write(batch.bytes, offset, this.options.fsync, done));
    if (pending.snapshot !== undefined) this.beginBehind(pending.snapshot);
    this.writtenConfiguration = this.configuration?.index ?? 0;
    for (const written of batch.written) this.note(written, active);
    active.offset += batch.bytes.length;
    active.batches += 1;
    this.stats.batches += 1;
    this.stats.bytesWritten += batch.bytes.length;
  }

  private note(written: WrittenEntries, active: ActiveSegment): void {
    this.truncate(written.firstIndex);
    const { firstIndex, count, length } = written;
    this.index.add({ firstIndex, count, segment: active.number, offset: active.offset + written.offset, length });
    if (written.firstTerm === written.lastTerm) this.terms.add(firstIndex, written.firstTerm);
    else for (const entry of written.entries) this.terms.add(entry.index, entry.term);
    this.cache.append(written.entries);
    this.last = firstIndex + count - 1;
    this.stats.entries += count;
  }

  /** Forgets what the log holds from `index` on. */
  private truncate(index: number): void {
    if (index > this.last) return;
    this.terms.cut(index);
    this.cache.cut(index);
    this.readBack.cut(index);
    this.index.cut(index);
    this.truncations += 1;
  }

  private beginBehind(snapshot: ConfigurationMarker): void {
    this.truncate(0);
    this.terms.clear();
    this.cache.clear();
    this.first = snapshot.index + 1;
    this.last = snapshot.index;
    this.baseTerm = snapshot.term;
    this.configuration = snapshot;
  }

  // --- segments

  /** Goes on to the prepared segment when the active one cannot take `bytes` more (it may grow while none is ready). */
  private roll(bytes: number): void {
    const { active, spare } = this;
    const isFull = active !== undefined && active.batches > 0 && active.offset + bytes + 4096 > active.file.size;
    if (active === undefined || (isFull && spare !== undefined)) this.beginSegment();
  }

  private beginSegment(): void {
    const { active, spare, options } = this;
    if (spare === undefined) throw new Error('no prepared segment to begin');
    beforeBeginSegment.reach();
    this.spare = undefined;
    const metadata = {
      version: FORMAT_VERSION,
      segment: spare.number,
      clusterId: options.clusterId,
      memberId: options.memberId,
      incarnation:
        active?.metadata.incarnation ?? (BigInt(options.randomUint32()) << 32n) | BigInt(options.randomUint32()),
      nonce: options.randomUint32(),
      previousBatches: active?.batches ?? 0,
      previousIndex: this.last,
      previousTerm: this.term(this.last) ?? 0,
    };
    const segment: Segment = { number: spare.number, file: spare.file, metadata };
    this.segments.set(segment.number, segment);
    this.active = { ...segment, offset: 0, batches: 0 };
  }

  /** Only once the active segment's first batch is synced: at open, one segment at most may be unbegun. */
  private prepareNext(): void {
    if (this.closing || this.options.now() < this.spareRetryAt) return;
    const number = (this.active as ActiveSegment).number + 1; // a batch of it was just synced
    this.preparing = this.prepare(number, this.options.segmentBytes).then(
      () => {
        this.preparing = undefined;
        this.spareRetryAt = 0;
      },
      (error: unknown) => {
        this.preparing = undefined;
        this.spareRetryAt = this.options.now() + SPARE_RETRY_MS;
        this.options.onWarning('cannot prepare a WAL segment', { segment: number, error: asError(error).message });
      },
    );
  }

  private async prepare(number: number, bytes: number): Promise<void> {
    await this.options.disk.prepare(segmentName(number), bytes);
    this.spare = { number, file: this.options.disk.open(segmentName(number)) };
  }

  /** One by one from the oldest, each synced, so that a crash never leaves a gap. */
  private async remove(gone: readonly Segment[]): Promise<void> {
    try {
      for (const segment of gone) {
        this.segments.delete(segment.number);
        segment.file.close();
        await beforeRemoveSegment.pass();
        await this.options.disk.remove([segmentName(segment.number)]);
        await afterRemoveSegment.pass();
      }
      await afterRelease.pass();
    } catch (error) {
      this.options.onWarning('cannot remove old WAL segments', { error: asError(error).message });
    } finally {
      this.removing = undefined;
    }
  }

  // --- reading back

  private load(index: number): void {
    const at = this.index.find(index);
    const row = this.index.row(at);
    if (row === undefined || this.loading.has(row.firstIndex)) return;
    const span = this.onDisk(this.spanFrom(at, row));
    if (span.count <= 0) throw new Error(`entry ${index} is asked for before it is written`);
    const segment = this.segments.get(row.segment);
    if (segment === undefined) throw new Error(`no segment ${row.segment}`);
    const { truncations } = this;
    this.loading.add(row.firstIndex);
    this.stats.readBacks += 1;
    segment.file
      .read(span.offset, span.length)
      .then((bytes) => {
        this.loading.delete(row.firstIndex);
        if (truncations === this.truncations) this.readBack.add(this.decode(bytes, segment, span));
        this.onLoaded();
      })
      .catch((error: unknown) => this.options.onFatal(asError(error)));
  }

  /** The rows from `at` on that lie together and are worth one read. */
  private spanFrom(at: number, row: LogRow): LogRow {
    let { count, length } = row;
    for (let next = at + 1; ; next += 1) {
      const more = this.index.row(next);
      if (more === undefined || more.segment !== row.segment || more.firstIndex !== row.firstIndex + count) break;
      const span = more.offset + more.length - row.offset;
      if (span > READ_BACK_BYTES) break;
      count += more.count;
      length = span;
    }
    return { ...row, count, length };
  }

  /** Without what the write under way adds to it: the read may well reach the disk before that. */
  private onDisk(span: LogRow): LogRow {
    const { underWay } = this;
    if (underWay === undefined || span.segment !== underWay.segment) return span;
    if (span.offset + span.length <= underWay.offset) return span;
    return { ...span, count: underWay.firstIndex - span.firstIndex, length: underWay.offset - span.offset };
  }

  private decode(bytes: Uint8Array, segment: Segment, span: LogRow): LogEntry[] {
    const view = viewOf(bytes);
    const entries: LogEntry[] = [];
    // A segment may begin with entries that replaced some of segments that are gone since.
    let next = Math.max(span.firstIndex, this.first);
    for (let at = 0; at < bytes.length; ) {
      const record = readRecord(bytes, view, at, segment.number, segment.metadata.nonce, this.options.checksum);
      if (record === undefined) {
        const path = `${this.options.disk.path}/${segmentName(segment.number)}`;
        throw new WalError(`${path}: bytes that were good when written are bad at offset ${span.offset + at}`);
      }
      at += record.length;
      if (record.type !== RecordType.Entries) continue;
      for (const entry of readEntries(record.payload)) {
        // A replaced entry has an index that is not the next one, or a term other than the log's.
        if (entry.index !== next || entry.term !== this.term(next) || next >= span.firstIndex + span.count) continue;
        entries.push(entry);
        next += 1;
      }
    }
    if (next !== span.firstIndex + span.count) throw new WalError(`entry ${next} is not where the WAL's index says`);
    return entries;
  }

  // --- opening

  private open(): void {
    const state: OpenState = { hardState: undefined, configuration: undefined, confEntries: [] };
    const opened = openSegments(this.options, (segment, scan) => this.replay(segment, scan, state));
    for (const segment of opened.segments) this.segments.set(segment.number, segment);
    this.active = opened.active;
    this.spare = opened.spare;
    if (opened.active === undefined) return;
    const { hardState, configuration } = state;
    if (hardState === undefined || configuration === undefined) {
      throw new WalError(`the WAL in ${this.options.disk.path} has no hard state or no configuration`);
    }
    this.hardState = hardState;
    this.configuration = configuration;
    this.recovered = { hardState, configuration, confEntries: state.confEntries };
  }

  private replay(segment: Segment, scan: SegmentScan, state: OpenState): void {
    if (this.last === 0 && this.segments.size === 0 && segment.metadata.previousIndex > 0) {
      this.first = segment.metadata.previousIndex + 1;
      this.last = segment.metadata.previousIndex;
      this.baseTerm = segment.metadata.previousTerm;
    }
    this.segments.set(segment.number, segment);
    for (const record of scan.records) this.replayRecord(segment, record, state);
  }

  private replayRecord(segment: Segment, record: FoundRecord, state: OpenState): void {
    if (record.type === RecordType.Entries) {
      const head = readEntriesHead(record.payload);
      if (head === undefined || head.count === 0) throw badRecord(segment, record);
      this.replayEntries(segment, record, head, state);
    } else if (record.type === RecordType.HardState) {
      state.hardState = readHardState(record.payload);
    } else if (record.type === RecordType.Configuration || record.type === RecordType.Snapshot) {
      const marker = readConfiguration(record.payload);
      if (marker === undefined) throw badRecord(segment, record);
      state.configuration = marker;
      if (record.type !== RecordType.Snapshot) return;
      this.beginBehind(marker);
      state.confEntries = [];
    } else if (record.type !== RecordType.Metadata) {
      throw badRecord(segment, record);
    }
  }

  private replayEntries(segment: Segment, record: FoundRecord, head: EntriesHead, state: OpenState): void {
    const { firstIndex, count } = head;
    if (firstIndex > this.last + 1) throw badRecord(segment, record);
    this.truncate(firstIndex);
    const { offset, length } = record;
    this.index.add({ firstIndex, count, segment: segment.number, offset, length });
    const oneTerm = head.firstTerm === head.lastTerm;
    const decoded = oneTerm && !head.hasConf ? [] : readEntries(record.payload);
    if (oneTerm) this.terms.add(firstIndex, head.firstTerm);
    else for (const entry of decoded) this.terms.add(entry.index, entry.term);
    // The oldest segment names the entry before it as it was when the segment was begun; its own entries may replace that.
    if (firstIndex < this.first) this.baseTerm = this.terms.at(this.first - 1) ?? this.baseTerm;
    this.last = firstIndex + count - 1;
    if (state.confEntries.length > 0) state.confEntries = state.confEntries.filter((entry) => entry.index < firstIndex);
    for (const entry of decoded) {
      if (entry.type !== 0) state.confEntries.push({ ...entry, data: entry.data.slice() });
    }
  }
}

interface OpenState {
  hardState: HardState | undefined;
  configuration: ConfigurationMarker | undefined;
  confEntries: LogEntry[];
}

function badRecord(segment: Segment, record: FoundRecord): WalError {
  return new WalError(
    `${segmentName(segment.number)}: the record at offset ${record.offset} is whole, but not one this version knows`,
  );
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
