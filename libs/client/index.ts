export type {
  HotEntry,
  OpSummary,
  RequestBreakdown,
  SlowestDocument,
  StageSummary,
  StageTime,
  TopDocument,
} from './insight-types';
export { Client, type ClientOptions, parseEndpoint, prefixEnd, RequestError } from './client';
