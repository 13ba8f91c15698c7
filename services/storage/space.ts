import type { Store } from '../../libs/mvcc';
import type { Logger } from '../../libs/process';
import { limits } from './limits';

/** Shares of the quota at which the log warns. */
const WARNINGS = [0.9, 0.8];
/** Below this share of the quota an alarm may clear itself. */
const ROOMY = 0.85;

export interface SpaceOptions {
  readonly store: Pick<Store, 'sizes'>;
  /** 0: no quota. */
  readonly quotaBytes: number;
  /** Whether the disk has no room, whatever the quota says. */
  readonly isDiskFull: () => boolean;
  readonly logger: Logger;
}

/**
 * How much of its quota the store uses. What counts is the space that holds data, not the size of the file, and a value once
 * though it may be stored twice. Judged between applies: it says when the alarm is to be proposed, never what an entry does.
 */
export class Space {
  private usedBytes = 0;
  private appliedBytes = 0;
  private measureDue = 0;
  private warned = 0;

  constructor(private readonly options: SpaceOptions) {
    this.measure();
  }

  /** Entries of so many bytes have been applied. */
  applied(bytes: number): void {
    this.appliedBytes += bytes;
    if (this.appliedBytes >= this.measureDue) this.measure();
  }

  /** The quota is used up, or the disk is. Measured again while it is so: space may have been made since. */
  get isUsedUp(): boolean {
    if (this.options.isDiskFull()) return true;
    if (this.isOverQuota) this.measure();
    return this.isOverQuota;
  }

  /** There is so much room again that an alarm need not wait for somebody to clear it. */
  get isRoomy(): boolean {
    const { quotaBytes, isDiskFull } = this.options;
    this.measure();
    return !isDiskFull() && (quotaBytes === 0 || this.usedBytes < ROOMY * quotaBytes);
  }

  private get isOverQuota(): boolean {
    const { quotaBytes } = this.options;
    return quotaBytes > 0 && this.usedBytes >= quotaBytes;
  }

  private measure(): void {
    this.measureDue = this.appliedBytes + limits.quotaCheckBytes;
    const { counted, overlay } = this.options.store.sizes();
    this.usedBytes = counted + overlay;
    this.warn();
  }

  private warn(): void {
    const { quotaBytes, logger } = this.options;
    if (quotaBytes === 0) return;
    const share = this.usedBytes / quotaBytes;
    const level = WARNINGS.find((each) => share >= each) ?? 0;
    if (level > this.warned) {
      const figures = { 'used-bytes': this.usedBytes, 'quota-size-bytes': quotaBytes };
      logger.warn(figures, `the store uses ${Math.round(level * 100)} % of its quota`);
    }
    // So that use that goes up and down a little does not warn again and again.
    if (level > this.warned || share < this.warned - 0.05) this.warned = level;
  }
}
