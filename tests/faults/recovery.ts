import type { Operation } from '../linearizability';
import type { Disturbance } from './nemesis';

/** How long after a disturbance the first write was acknowledged that was asked for after it. */
export interface Recovery {
  readonly text: string;
  /** Infinity: none was. */
  readonly ms: number;
}

/**
 * The service must come back after each disturbance that leaves a quorum, and after the one that brings it back where it was
 * lost. One that comes before the service is back from the last is measured on its own.
 */
export function recoveries(disturbances: readonly Disturbance[], operations: readonly Operation[]): Recovery[] {
  const writes = operations
    .filter(({ outcome, request }) => outcome.kind === 'ok' && request.kind === 'put')
    .sort((a, b) => a.call - b.call);
  // earliest[i]: the earliest return among writes[i…].
  const earliest: number[] = [];
  for (let i = writes.length - 1; i >= 0; i--) {
    earliest[i] = Math.min(writes[i]?.return ?? Infinity, earliest[i + 1] ?? Infinity);
  }
  return disturbances
    .filter(({ hasQuorum }) => hasQuorum)
    .map(({ text, at }) => {
      const first = writes.findIndex(({ call }) => call >= at);
      return { text, ms: first < 0 ? Infinity : (earliest[first] ?? Infinity) - at };
    });
}

/** The value that 95 of 100 are not above. */
export function percentile95(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * 0.95) - 1)] ?? 0;
}
