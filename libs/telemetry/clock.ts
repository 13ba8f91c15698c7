import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import type { Moment } from '../attribution';

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

/** A number for the host whose monotonic clock this is: containers share it, another boot of the host has another. */
function clockOfHost(): number {
  let boot: string;
  try {
    boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8');
  } catch {
    boot = hostname(); // not Linux
  }
  let hash = 0x811c9dc5; // 32-bit FNV-1a
  for (let i = 0; i < boot.length; i++) hash = Math.imul(hash ^ boot.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

let clock = 0;

/** Now, for a message that may be read on another host. */
export function moment(): Moment {
  if (clock === 0) clock = clockOfHost();
  const now = performance.now();
  return { host: toHostMicros(now), clock, wall: (performance.timeOrigin + now) * 1000 };
}
