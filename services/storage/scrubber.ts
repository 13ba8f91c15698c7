import { CorruptionError, type Store } from '../../libs/mvcc';
import type { Logger } from '../../libs/process';
import { limits } from './limits';

export interface ScrubberOptions {
  readonly store: Store;
  /** 0: never. */
  readonly bytesPerSecond: number;
  readonly isDue: () => boolean;
  readonly damaged: (error: CorruptionError) => void;
  readonly logger: Logger;
}

/** Reads the whole store again and again, at a set rate, to find what has rotted before somebody needs it. */
export class Scrubber {
  private readonly timer: NodeJS.Timeout | undefined;
  private restUntil = 0;

  constructor(private readonly options: ScrubberOptions) {
    if (options.bytesPerSecond === 0) return;
    this.timer = setInterval(() => this.tick(), limits.scrubSliceMs);
    this.timer.unref();
  }

  close(): void {
    clearInterval(this.timer);
  }

  private tick(): void {
    const { store, bytesPerSecond, isDue, damaged, logger } = this.options;
    if (!isDue() || performance.now() < this.restUntil) return;
    try {
      if (!store.scrubSlice((bytesPerSecond * limits.scrubSliceMs) / 1_000)) return;
      logger.debug({}, 'the store has been read through and is sound');
      this.restUntil = performance.now() + limits.scrubRestMs;
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw error;
      damaged(error);
    }
  }
}
