import type { MetricFamily } from '../telemetry';

/** What `hexad.Insight` answers with, as JSON. */

export interface StageTime {
  readonly stage: string;
  readonly micros: number;
  /** `raft@m1`: where the time went. */
  readonly process: string;
}

export interface RequestBreakdown {
  readonly id: string;
  readonly traceId: string;
  readonly op: string;
  /** ms since the epoch. */
  readonly at: number;
  readonly totalMicros: number;
  readonly unattributedMicros: number;
  readonly stages: readonly StageTime[];
  readonly error: string;
  readonly remote: string;
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly rangeKeys: number;
  readonly member: string;
  readonly cause: { readonly stage: string; readonly process: string; readonly reason: string };
  readonly detail?: Readonly<Record<string, number | string>>;
}

export interface StageSummary {
  readonly stage: string;
  readonly count: number;
  readonly p50Micros: number;
  readonly p99Micros: number;
  readonly sumMicros: number;
  /** By bucket of 10 µs × 2^i, not cumulative. */
  readonly buckets: readonly number[];
}

export interface OpSummary {
  readonly op: string;
  readonly count: number;
  readonly p50Micros: number;
  readonly p99Micros: number;
  /** Share of the time that no stage accounts for. */
  readonly unattributedP50: number;
  readonly unattributedP99: number;
  readonly stages: readonly StageSummary[];
}

export interface SlowestDocument {
  readonly member: string;
  readonly requests: readonly RequestBreakdown[];
  readonly ops: readonly OpSummary[];
}

export interface HotEntry {
  readonly name: string;
  readonly count: number;
}

export interface TopDocument {
  readonly member: string;
  readonly memberId: string;
  readonly leaderId: string;
  readonly term: number;
  /** The member's wall clock, ms since the epoch. */
  readonly at: number;
  readonly stageStamps: boolean;
  readonly ops: readonly OpSummary[];
  readonly prefixes: readonly HotEntry[];
  readonly clients: readonly HotEntry[];
  /** The largest request seen lately and the prefix of its key. */
  readonly largestRequest: { readonly bytes: number; readonly prefix: string };
  /** p99 of fdatasync by member, as stamps tell; microseconds. */
  readonly fsyncP99Micros: Readonly<Record<string, number>>;
  readonly families: readonly MetricFamily[];
}
