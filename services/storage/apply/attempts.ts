import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** Deaths at one index after which apply halts before it. */
export const ATTEMPTS_MAX = 3;
const RECORD_BYTES = 24;

/**
 * Remembers which entries are being applied, so that an entry that kills the process does not do so for ever. The record
 * (first index, last index, deaths) is written before a batch and cleared after it. It needs no sync: it lies in the page
 * cache, which outlives the process, and a machine that goes down loses no more than a count.
 */
export class ApplyAttempts {
  private readonly fd: number;
  private readonly record = Buffer.alloc(RECORD_BYTES);
  /** The batch in which the last run died; zeros when it did not. */
  private readonly suspectFirst: number;
  private readonly suspectLast: number;
  private readonly deaths: number;

  constructor(directory: string) {
    this.fd = openSync(join(directory, 'apply-attempts'), constants.O_RDWR | constants.O_CREAT, 0o600);
    readSync(this.fd, this.record, 0, RECORD_BYTES, 0);
    this.suspectFirst = Number(this.record.readBigUInt64LE(0));
    this.suspectLast = Number(this.record.readBigUInt64LE(8));
    this.deaths = Number(this.record.readBigUInt64LE(16));
  }

  /** True when apply must not pass this index. */
  isPoison(index: number): boolean {
    return this.isSuspectAlone(index) && this.deaths >= ATTEMPTS_MAX;
  }

  /**
   * How many entries from `first` on may be one batch, at most `countMax`. Each entry of the batch in which the last run died is
   * a batch of its own, so that the right one is blamed.
   */
  batchMax(first: number, countMax: number): number {
    if (first > this.suspectLast) return countMax;
    return first < this.suspectFirst ? Math.min(countMax, this.suspectFirst - first) : 1;
  }

  begin(first: number, last: number): void {
    this.write(first, last, first === last && this.isSuspectAlone(first) ? this.deaths + 1 : 1);
  }

  /** What is suspected and still to come stays recorded. */
  end(last: number): void {
    if (last < this.suspectFirst) this.write(this.suspectFirst, this.suspectLast, this.deaths);
    else this.write(0, 0, 0);
  }

  close(): void {
    closeSync(this.fd);
  }

  private isSuspectAlone(index: number): boolean {
    return index === this.suspectFirst && index === this.suspectLast;
  }

  private write(first: number, last: number, deaths: number): void {
    this.record.writeBigUInt64LE(BigInt(first), 0);
    this.record.writeBigUInt64LE(BigInt(last), 8);
    this.record.writeBigUInt64LE(BigInt(deaths), 16);
    writeSync(this.fd, this.record, 0, RECORD_BYTES, 0);
  }
}

/** What the apply loop asks of it. */
export type Attempts = Pick<ApplyAttempts, 'isPoison' | 'batchMax' | 'begin' | 'end' | 'close'>;
