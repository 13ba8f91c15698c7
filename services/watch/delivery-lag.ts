import { WATCH_LAG_SECONDS } from '../../libs/limits';

/**
 * How long live events take from the commit of their entry to their leaving the hub: a histogram over deliveries. Hub and storage
 * may be on two hosts, so it is as good as their clocks agree.
 */
export class DeliveryLag {
  /** One for each class of WATCH_LAG_SECONDS, then the rest. */
  readonly counts: number[] = Array.from({ length: WATCH_LAG_SECONDS.length + 1 }, () => 0);
  sumMicros = 0;
  private committedAt = 0;
  private targets = 0;

  constructor(private readonly wallMicros: () => number) {}

  /** What is delivered from here to `end` was committed then; 0: nobody knows. */
  begin(committedAtMicros: number): void {
    this.committedAt = committedAtMicros;
    this.targets = 0;
  }

  delivered(targets: number): void {
    this.targets += targets;
  }

  end(): void {
    const { committedAt, targets } = this;
    this.committedAt = 0;
    if (committedAt === 0 || targets === 0) return;
    this.targets = 0;
    // Behind the writing of the deliveries, which was scheduled before.
    setImmediate(() => this.record(Math.max(0, this.wallMicros() - committedAt), targets));
  }

  private record(micros: number, targets: number): void {
    const at = WATCH_LAG_SECONDS.findIndex((bound) => micros <= bound * 1e6);
    const place = at < 0 ? WATCH_LAG_SECONDS.length : at;
    this.counts[place] = (this.counts[place] ?? 0) + targets;
    this.sumMicros += micros * targets;
  }
}
