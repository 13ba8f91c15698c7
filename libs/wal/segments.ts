import { failpoint } from '../failpoints';
import { type SegmentMetadata, type SegmentScan, scanSegment } from '../wal-format';
import type { WalDisk, WalFile } from './disk';
import { WalError, type WalOptions } from './types';

const beforeCut = failpoint('walBeforeCutTornWrite');
const afterCut = failpoint('walAfterCutTornWrite');

const NAME = /^(\d{16})\.wal$/;

export function segmentName(segment: number): string {
  return `${String(segment).padStart(16, '0')}.wal`;
}

/** Numbers of the segment files, ascending. */
export function listSegments(disk: WalDisk): number[] {
  return disk
    .list()
    .flatMap((name) => {
      const match = NAME.exec(name);
      return match === null ? [] : [Number(match[1])];
    })
    .sort((a, b) => a - b);
}

/** A segment that is part of the log. */
export interface Segment {
  readonly number: number;
  readonly file: WalFile;
  readonly metadata: SegmentMetadata;
}

/** The segment being written. */
export interface ActiveSegment extends Segment {
  /** Where the next batch goes. */
  offset: number;
  batches: number;
}

export interface OpenedSegments {
  readonly segments: readonly Segment[];
  /** undefined: the log was never begun. */
  readonly active: ActiveSegment | undefined;
  /** A prepared segment behind the active one. */
  readonly spare: { readonly number: number; readonly file: WalFile; readonly path: string } | undefined;
}

const REPAIR =
  'restore this file from a copy, or remove this member from the cluster, clear its data directory and add it again';

/**
 * Reads all segments in order and checks each against its neighbours. A write that did not finish is cut off at the end
 * of the log; bad bytes anywhere else are refused.
 *
 * @param onScan is given each segment's records; their payloads are only valid during the call
 * @throws WalError when the WAL may not be used
 */
export function openSegments(
  options: WalOptions,
  onScan: (segment: Segment, scan: SegmentScan) => void,
): OpenedSegments {
  const { disk } = options;
  const segments: Segment[] = [];
  let active: ActiveSegment | undefined;
  let spare: OpenedSegments['spare'];
  let torn: TornWrite | undefined;
  let bytes: Uint8Array | undefined;
  for (const number of listSegments(disk)) {
    const path = `${disk.path}/${segmentName(number)}`;
    const before = spare?.number ?? active?.number;
    if (before !== undefined && before !== number - 1) {
      throw new WalError(`WAL segment ${segmentName(number - 1)} is missing in ${disk.path}: ${REPAIR}`);
    }
    if (spare !== undefined) throw corrupt(spare.path, 0, `${segmentName(number)} follows`);
    const file = disk.open(segmentName(number));
    // Fresh memory for each would cost more than reading: the kernel fills it page by page.
    bytes = file.readAll(bytes);
    const scan = scanSegment(bytes, number, options.checksum);
    const { end } = scan;
    if (end.kind === 'corrupt') throw corrupt(path, end.offset, `a valid later batch begins at offset ${end.validAt}`);
    // A segment is begun only when all before it is synced; an untouched spare may stand behind a torn write.
    const begun = scan.metadata !== undefined || end.kind === 'torn';
    if (begun && torn !== undefined) throw corrupt(torn.path, torn.from, `${segmentName(number)} was begun after it`);
    if (end.kind === 'torn') torn = { path, file, from: end.offset, to: end.dirtyUntil };
    if (scan.metadata === undefined) {
      spare = { number, file, path };
      continue;
    }
    checkMetadata(options, path, scan.metadata, active);
    const segment: Segment = { number, file, metadata: scan.metadata };
    segments.push(segment);
    active = { ...segment, offset: end.offset, batches: scan.batches };
    onScan(segment, scan);
  }
  if (torn !== undefined) cutTornWrite(options, torn);
  // What a killed process wrote and did not sync can be read, but only now may it count as part of the log. Segments
  // before the last begun one were synced before it was begun; a prepared one was synced before it got its name.
  active?.file.sync();
  if (active !== undefined || spare !== undefined) disk.syncNames();
  return { segments, active, spare };
}

interface TornWrite {
  readonly path: string;
  readonly file: WalFile;
  readonly from: number;
  readonly to: number;
}

function corrupt(path: string, offset: number, why: string): WalError {
  return new WalError(`${path} is corrupt: bad bytes at offset ${offset}, but ${why}: ${REPAIR}`);
}

function cutTornWrite(options: WalOptions, { path, file, from, to }: TornWrite): void {
  beforeCut.reach();
  file.wipe(from, to);
  afterCut.reach();
  options.onWarning('cut off a write that had not finished', { file: path, offset: from, bytes: to - from });
}

function checkMetadata(
  options: WalOptions,
  path: string,
  metadata: SegmentMetadata,
  before: ActiveSegment | undefined,
): void {
  if (metadata.clusterId !== options.clusterId) {
    throw new WalError(
      `cluster ID mismatch: ${path} belongs to cluster ${hex(metadata.clusterId)}, not ${hex(options.clusterId)}`,
    );
  }
  if (metadata.memberId !== options.memberId) {
    throw new WalError(
      `member ID mismatch: ${path} belongs to member ${hex(metadata.memberId)}, not ${hex(options.memberId)}`,
    );
  }
  if (before === undefined) return;
  if (metadata.incarnation !== before.metadata.incarnation || metadata.previousBatches !== before.batches) {
    const end = `${segmentName(before.number)} ends at offset ${before.offset} after ${before.batches} batches`;
    throw new WalError(`${end}, but ${path} was begun after ${metadata.previousBatches}: ${REPAIR}`);
  }
}

function hex(id: bigint): string {
  return id.toString(16);
}
