export { type BusyPeriod, BusyPeriods, busyWithin } from './busy-period';
export {
  clockShift,
  decodeEntryTimings,
  encodeEntryTimings,
  type EntryTiming,
} from './entry-timing';
export { microsSince, type Moment, sentAt, type SentAt } from './moment';
export { BOUNDS_MICROS, bucketOf, DurationHistogram, quantileOf } from './histogram';
export {
  PROCESS_OF_STAGE,
  READ_STAGES,
  Stage,
  STAGE_COUNT,
  type StageName,
  STAGES,
  STEP_STAGES,
  WATCH_STAGES,
  WRITE_STAGES,
} from './stages';
