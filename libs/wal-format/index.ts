export {
  RecordType,
  RECORD_ALIGN_BYTES,
  RECORD_HEADER_BYTES,
  FORMAT_VERSION,
  recordSeed,
  viewOf,
  type Checksum,
} from './layout';
export {
  EntryReader,
  LogEntryFormatError,
  sizeLogEntry,
  sizeVarint,
  writeLogEntry,
  writeVarint,
} from './log-entry';
export {
  readConfiguration,
  readEntries,
  readEntriesHead,
  readHardState,
  readMetadata,
  sizeFramedEntry,
  writeFramedEntry,
  type ConfigurationMarker,
  type EntriesHead,
  type SegmentMetadata,
} from './records';
export {
  encodeBatch,
  readRecord,
  ENTRIES_RECORD_BYTES,
  type BatchContent,
  type EncodedBatch,
  type FoundRecord,
  type WrittenEntries,
} from './batch';
export { scanSegment, type SegmentEnd, type SegmentScan } from './scan';
