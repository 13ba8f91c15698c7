export type {
  HotEntry,
  OpSummary,
  RequestBreakdown,
  SlowestDocument,
  StageSummary,
  StageTime,
  TopDocument,
} from './insight-types';
