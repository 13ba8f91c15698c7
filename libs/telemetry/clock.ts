/**
 * What to add to `performance.now()`, in microseconds, to have the system's monotonic clock: both read the same clock, but the
 * former counts from the start of the process. A thread may be held up between the two readings, so the closest of several counts.
 */
function offsetMicros(): number {
  let best = 0;
  let closest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 20; i++) {
    const before = performance.now();
    const monotonic = Number(process.hrtime.bigint()) / 1000;
    const after = performance.now();
    if (after - before >= closest) continue;
    closest = after - before;
    best = monotonic - ((before + after) / 2) * 1000;
  }
  return best;
}

const OFFSET_MICROS = offsetMicros();

/** Microseconds of the host's monotonic clock: all processes of a host agree on it. */
export function hostMicros(): number {
  return performance.now() * 1000 + OFFSET_MICROS;
}

/** A moment of `performance.now()` on the host's clock. */
export function toHostMicros(performanceMs: number): number {
  return performanceMs * 1000 + OFFSET_MICROS;
}
