import { type BusyPeriod, decodeEntryTimings, type EntryTiming } from '../../../libs/attribution';
import { Reader } from '../../../libs/wire';
import { decodeBusyPeriod } from '../../../proto/gen/hexad';

/** Entries that came to storage together, as its results tell of them. */
export interface Segment {
  readonly timing: EntryTiming;
  readonly receivedAt: number;
}

/** Stage stamps of one hexad.ResultBatch. */
export interface ResultBatchStamps {
  readonly segments: readonly Segment[];
  readonly storeWait: number;
  readonly appliedAt: number;
  /** The last compaction, if it was lately. */
  readonly compaction: BusyPeriod | undefined;
}

/** Reads only the stamps, which stand behind the results; undefined: there are none. @throws WireError */
export function readResultStamps(bytes: Uint8Array): ResultBatchStamps | undefined {
  const reader = new Reader(bytes);
  const segments: Segment[] = [];
  let storeWait = 0;
  let appliedAt = 0;
  let compaction: BusyPeriod | undefined;
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if (tag === 0x22) readDelivery(reader, segments);
    else if (tag === 0x30) storeWait = reader.uint32();
    else if (tag === 0x38) appliedAt = reader.uint64Number();
    else if (tag === 0x42) compaction = decodeBusyPeriod(reader.bytes());
    else reader.skip(tag);
  }
  return appliedAt === 0 ? undefined : { segments, storeWait, appliedAt, compaction };
}

function readDelivery(reader: Reader, segments: Segment[]): void {
  let receivedAt = 0;
  let entries: EntryTiming[] = [];
  const outer = reader.enter();
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if (tag === 0x08) receivedAt = reader.uint64Number();
    else if (tag === 0x12) entries = decodeEntryTimings(reader.bytes());
    else reader.skip(tag);
  }
  reader.leave(outer);
  for (const timing of entries) segments.push({ timing, receivedAt });
}
