import type { ConfState, HardState, LogEntry, NodeId } from '../raft';
import { FORMAT_VERSION, getUint53, setUint53, viewOf } from './layout';
import { EntryReader, sizeLogEntry, sizeVarint, writeLogEntry, writeVarint } from './log-entry';

/** What the first record of a segment says. */
export interface SegmentMetadata {
  /** Of the format; see `FORMAT_VERSION`. */
  readonly version: number;
  readonly segment: number;
  readonly clusterId: bigint;
  readonly memberId: bigint;
  /** Random, made with the WAL: two WALs of one member are told apart by it. */
  readonly incarnation: bigint;
  /** Part of the seed of the segment's other records. */
  readonly nonce: number;
  /** Batches of the segment before this one, so that a shortened one is noticed. 0 in the first segment. */
  readonly previousBatches: number;
  /** Last entry before this segment; 0, 0 in the first. */
  readonly previousIndex: number;
  readonly previousTerm: number;
}

export const METADATA_BYTES = 64;

export function writeMetadata(view: DataView, at: number, metadata: SegmentMetadata): void {
  view.setUint32(at, metadata.version, true);
  view.setUint32(at + 4, metadata.nonce, true);
  setUint53(view, at + 8, metadata.segment);
  view.setBigUint64(at + 16, metadata.clusterId, true);
  view.setBigUint64(at + 24, metadata.memberId, true);
  view.setBigUint64(at + 32, metadata.incarnation, true);
  setUint53(view, at + 40, metadata.previousBatches);
  setUint53(view, at + 48, metadata.previousIndex);
  setUint53(view, at + 56, metadata.previousTerm);
}

/** undefined: not a metadata payload of a known version. */
export function readMetadata(payload: Uint8Array): SegmentMetadata | undefined {
  const view = viewOf(payload);
  if (payload.length < 4) return undefined;
  const version = view.getUint32(0, true);
  if (version !== FORMAT_VERSION || payload.length !== METADATA_BYTES) return undefined;
  return {
    version,
    nonce: view.getUint32(4, true),
    segment: getUint53(view, 8),
    clusterId: view.getBigUint64(16, true),
    memberId: view.getBigUint64(24, true),
    incarnation: view.getBigUint64(32, true),
    previousBatches: getUint53(view, 40),
    previousIndex: getUint53(view, 48),
    previousTerm: getUint53(view, 56),
  };
}

export const HARD_STATE_BYTES = 24;

export function writeHardState(view: DataView, at: number, state: HardState): void {
  setUint53(view, at, state.term);
  view.setBigUint64(at + 8, state.vote, true);
  setUint53(view, at + 16, state.commit);
}

export function readHardState(payload: Uint8Array): HardState | undefined {
  if (payload.length !== HARD_STATE_BYTES) return undefined;
  const view = viewOf(payload);
  return { term: getUint53(view, 0), vote: view.getBigUint64(8, true), commit: getUint53(view, 16) };
}

/** A configuration and the index from which it is in force. Of a snapshot record: the snapshot's index and term too. */
export interface ConfigurationMarker {
  readonly index: number;
  /** Term of the entry at `index`; counts for snapshot records. */
  readonly term: number;
  readonly conf: ConfState;
}

export function sizeConfiguration(marker: ConfigurationMarker): number {
  const { voters, votersOutgoing, learners, learnersNext } = marker.conf;
  return 32 + 8 * (voters.length + votersOutgoing.length + learners.length + learnersNext.length);
}

export function writeConfiguration(view: DataView, at: number, marker: ConfigurationMarker): void {
  setUint53(view, at, marker.index);
  setUint53(view, at + 8, marker.term);
  const groups = groupsOf(marker.conf);
  let offset = at + 32;
  groups.forEach((group, position) => {
    view.setUint32(at + 16 + 4 * position, group.length, true);
    for (const id of group) {
      view.setBigUint64(offset, id, true);
      offset += 8;
    }
  });
}

export function readConfiguration(payload: Uint8Array): ConfigurationMarker | undefined {
  if (payload.length < 32) return undefined;
  const view = viewOf(payload);
  let offset = 32;
  const group = (position: number): NodeId[] | undefined => {
    const count = view.getUint32(16 + 4 * position, true);
    if (offset + 8 * count > payload.length) return undefined;
    const ids = Array.from({ length: count }, (_, i) => view.getBigUint64(offset + 8 * i, true));
    offset += 8 * count;
    return ids;
  };
  const voters = group(0);
  const votersOutgoing = group(1);
  const learners = group(2);
  const learnersNext = group(3);
  if (voters === undefined || votersOutgoing === undefined || learners === undefined || learnersNext === undefined) {
    return undefined;
  }
  return {
    index: getUint53(view, 0),
    term: getUint53(view, 8),
    conf: { voters, votersOutgoing, learners, learnersNext },
  };
}

function groupsOf(conf: ConfState): readonly (readonly NodeId[])[] {
  return [conf.voters, conf.votersOutgoing, conf.learners, conf.learnersNext];
}

/** The head of an entries record: enough to index the record without decoding its entries. */
export interface EntriesHead {
  readonly firstIndex: number;
  readonly firstTerm: number;
  readonly lastTerm: number;
  readonly count: number;
  /** True: at least one entry changes the configuration. */
  readonly hasConf: boolean;
}

export const ENTRIES_HEAD_BYTES = 32;
/** Each entry stands as field 1 of a message, so that the rest of the payload is a ready `DeliverBatch.entries`. */
const TAG_ENTRY = 0x0a;
const FLAG_HAS_CONF = 1;

/** Bytes that an entry takes in an entries record. */
export function sizeFramedEntry(entry: LogEntry): number {
  const size = sizeLogEntry(entry);
  return 1 + sizeVarint(size) + size;
}

export function writeEntriesHead(view: DataView, at: number, head: EntriesHead): void {
  setUint53(view, at, head.firstIndex);
  setUint53(view, at + 8, head.firstTerm);
  setUint53(view, at + 16, head.lastTerm);
  view.setUint32(at + 24, head.count, true);
  view.setUint32(at + 28, head.hasConf ? FLAG_HAS_CONF : 0, true);
}

export function readEntriesHead(payload: Uint8Array): EntriesHead | undefined {
  if (payload.length < ENTRIES_HEAD_BYTES) return undefined;
  const view = viewOf(payload);
  return {
    firstIndex: getUint53(view, 0),
    firstTerm: getUint53(view, 8),
    lastTerm: getUint53(view, 16),
    count: view.getUint32(24, true),
    hasConf: (view.getUint32(28, true) & FLAG_HAS_CONF) !== 0,
  };
}

/** Writes one framed entry and returns the offset behind it. */
export function writeFramedEntry(target: Uint8Array, at: number, entry: LogEntry): number {
  target[at] = TAG_ENTRY;
  return writeLogEntry(target, writeVarint(target, at + 1, sizeLogEntry(entry)), entry);
}

/**
 * Decodes the entries of an entries record's payload; their data are views of it.
 *
 * @throws LogEntryFormatError when it holds anything but entries
 */
export function readEntries(payload: Uint8Array): LogEntry[] {
  const reader = new EntryReader(payload, ENTRIES_HEAD_BYTES, payload.length);
  const entries: LogEntry[] = [];
  while (reader.at < payload.length) {
    if (reader.varint() !== TAG_ENTRY) throw new Error('an entries record holds something else');
    entries.push(reader.entry(reader.varint()));
  }
  return entries;
}
