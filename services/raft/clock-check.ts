import type { Logger } from '../../libs/process';
import type { NodeId } from '../../libs/raft';

/** etcd's bound: more is told of in the log. */
const DRIFT_WARN_MS = 1_000;
/** More than this at the start, against a majority, and the member does not run: certificates and tokens would fail, or never end. */
const DRIFT_MAX_MS = 10_000;
/** As long after its start a member may still refuse to run. */
const START_MS = 60_000;
const AGAIN_MS = 30_000;
/** An answer that took longer says too little. */
const ROUND_TRIP_MAX_MS = 1_000;

export interface ClockAnswer {
  /** Of the other host, milliseconds since the epoch. */
  readonly wallMs: number;
}

export interface ClockCheckOptions {
  readonly self: NodeId;
  readonly voters: () => readonly NodeId[];
  readonly nameOf: (id: NodeId) => string;
  /** Undefined: no answer, or one of a version that does not say. */
  readonly ask: (id: NodeId) => Promise<ClockAnswer | undefined>;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  readonly wallClock: () => number;
  readonly logger: Pick<Logger, 'warn'>;
  /** Ends the process. */
  readonly refuse: (reason: string) => void;
}

/**
 * Compares this host's clock with those of the other members, whenever one is reached and every half minute. Nothing in consensus depends on
 * the time of day, but certificates, tokens and whoever reads the logs do.
 */
export class ClockCheck {
  /** Milliseconds that this host is ahead of the member. */
  private readonly ahead = new Map<NodeId, number>();
  private readonly startedAt: number;
  private lastAt: number;
  private hasStopped = false;

  constructor(private readonly options: ClockCheckOptions) {
    this.startedAt = options.now();
    this.lastAt = this.startedAt;
  }

  stop(): void {
    this.hasStopped = true;
  }

  tick(): void {
    const now = this.options.now();
    if (now - this.lastAt < AGAIN_MS) return;
    this.lastAt = now;
    const { voters, self } = this.options;
    for (const id of voters()) if (id !== self) void this.compare(id);
  }

  /** Of one member, now. */
  async compare(id: NodeId): Promise<void> {
    const { ask, now, wallClock, logger, refuse } = this.options;
    const begin = now();
    const answer = await ask(id);
    const tookMs = now() - begin;
    if (answer === undefined || tookMs > ROUND_TRIP_MAX_MS || this.hasStopped) return;
    const ahead = wallClock() - tookMs / 2 - answer.wallMs;
    this.ahead.set(id, ahead);
    if (Math.abs(ahead) - tookMs / 2 > DRIFT_WARN_MS) {
      logger.warn(
        {
          'remote-peer-id': id.toString(16),
          'clock-drift': `${(ahead / 1000).toFixed(3)}s`,
          rtt: `${tookMs.toFixed(1)}ms`,
        },
        'prober found high clock drift',
      );
    }
    const problem = now() - this.startedAt > START_MS ? undefined : this.problem();
    if (problem !== undefined) refuse(problem);
  }

  /** One line that says what to do when this host is the one that is wrong: a majority of the members agree against it. */
  private problem(): string | undefined {
    const { voters, self, nameOf } = this.options;
    const all = voters();
    const quorum = Math.floor(all.length / 2) + 1;
    for (const sign of [1, -1]) {
      const against = all.filter((id) => id !== self && sign * (this.ahead.get(id) ?? 0) > DRIFT_MAX_MS);
      if (against.length < quorum) continue;
      const by = Math.min(...against.map((id) => Math.abs(this.ahead.get(id) ?? 0))) / 1000;
      const names = against.map(nameOf).sort().join(', ');
      return (
        `the clock of this host is ${by.toFixed(1)} s ${sign > 0 ? 'ahead of' : 'behind'} that of most members (${names}): ` +
        'set it (with chrony or ntpd, for example) and start again'
      );
    }
    return undefined;
  }
}
