/** A moment by the clocks that processes have; microseconds. */
export interface Moment {
  /** The host's monotonic clock. */
  readonly host: number;
  /** Which clock that is: the same number, the same host; 0: not known. */
  readonly clock: number;
  /** Since the epoch. */
  readonly wall: number;
}

/** When a message left its sender; see hexad.EventTiming. */
export interface SentAt {
  readonly sentAt: number;
  readonly clock: number;
  readonly sentAtWall: number;
}

/**
 * How long ago a message was sent. There is no way back to compare clocks by, as requests have one: on one host the monotonic clock
 * tells, between two it is as good as their wall clocks agree.
 */
export function microsSince({ sentAt, clock, sentAtWall }: SentAt, now: Moment): number {
  const isSameClock = clock !== 0 && clock === now.clock;
  return Math.max(0, Math.round(isSameClock ? now.host - sentAt : now.wall - sentAtWall));
}

/** A moment as `SentAt`. */
export function sentAt({ host, clock, wall }: Moment): SentAt {
  return { sentAt: Math.round(host), clock, sentAtWall: Math.round(wall) };
}
