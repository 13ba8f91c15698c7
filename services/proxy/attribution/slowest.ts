import type { Breakdown } from './breakdown';

const WINDOW_MS = 10_000;
const PER_WINDOW = 64;
const WINDOWS = 30;
const NOTABLE_MAX = 1024;

/**
 * What this process remembers of single requests, bounded: the slowest of each ten seconds of the last five minutes, and
 * the last of those that were slow, failed, traced or asked about.
 */
export class Slowest {
  /** Requests that took less need not be offered. Microseconds. */
  floorMicros = 0;
  private current: Breakdown[] = [];
  private windows: Breakdown[][] = [];
  private notable: Breakdown[] = [];
  private windowEnds = 0;

  /** Begins a new window when it is time. Milliseconds. */
  sweep(now: number): void {
    if (now < this.windowEnds) return;
    this.windowEnds = now + WINDOW_MS;
    this.windows.push(this.current);
    if (this.windows.length > WINDOWS) this.windows.shift();
    this.current = [];
    this.floorMicros = 0;
  }

  offer(breakdown: Breakdown): void {
    const { current } = this;
    let at = current.length;
    while (at > 0 && (current[at - 1] as Breakdown).totalMicros < breakdown.totalMicros) at--;
    current.splice(at, 0, breakdown);
    if (current.length > PER_WINDOW) current.pop();
    if (current.length === PER_WINDOW) this.floorMicros = (current[PER_WINDOW - 1] as Breakdown).totalMicros;
  }

  keep(breakdown: Breakdown): void {
    this.notable.push(breakdown);
    if (this.notable.length > NOTABLE_MAX) this.notable.shift();
  }

  /** The slowest that are remembered and were answered at or after `since` (ms since the epoch), slowest first. */
  slowest(count: number, since: number): Breakdown[] {
    const all = [...this.windows.flat(), ...this.current].filter(({ at }) => at >= since);
    return all.sort((a, b) => b.totalMicros - a.totalMicros).slice(0, count);
  }

  /** By request id or trace id. */
  find(id: string): Breakdown | undefined {
    const is = (one: Breakdown): boolean => one.id === id || (one.traceId !== '' && one.traceId === id);
    return this.notable.findLast(is) ?? this.current.find(is) ?? this.windows.flat().findLast(is);
  }
}
