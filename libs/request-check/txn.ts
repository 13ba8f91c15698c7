/** The shape of a transaction: limits and operations, at any depth. */
import { type CatalogueError, Errors } from '../errors';
import { Reader } from '../wire';
import { branchConflict } from './conflicts';
import {
  COMPARE_KEY_TAG,
  COMPARE_TAG,
  DELETE_RANGE_TAG,
  FAILURE_TAG,
  PUT_TAG,
  RANGE_TAG,
  SUCCESS_TAG,
  TXN_TAG,
} from './op-tags';
import { type RangeScan, scanDeleteRange, scanPut, scanRange } from './single';

/** Scans one TxnRequest. The fields hold what was learned of the transaction itself, not of nested ones. */
export class TxnScan {
  /** Nothing but direct ranges. */
  readOnly = true;
  /** All of them serializable (true as well for a transaction of nothing). */
  serializable = true;
  private puts = 0;
  private deletes = 0;
  private txns = 0;
  private readonly range: RangeScan = { error: undefined, serializable: false, streamError: undefined };

  /** Throws WireError on bytes that are no TxnRequest. */
  scan(bytes: Uint8Array, maxOps: number): CatalogueError | undefined {
    const error = this.scanTxn(new Reader(bytes), maxOps, true);
    if (error !== undefined || !this.conflictPossible()) return error;
    return branchConflict(bytes, SUCCESS_TAG) || branchConflict(bytes, FAILURE_TAG) ? Errors.DuplicateKey : undefined;
  }

  /** Two writes are needed, one of them a put. */
  private conflictPossible(): boolean {
    return this.txns > 0 || this.puts > 1 || (this.puts > 0 && this.deletes > 0);
  }

  /**
   * Reads to the end even after an error: bytes that can't be parsed at all outrank any other error. The first error in
   * etcd's order counts: the number of operations, then comparisons, then `success`, then `failure`.
   */
  private scanTxn(reader: Reader, maxOps: number, outermost: boolean): CatalogueError | undefined {
    const count = countOps(reader);
    const remaining = maxOps - count;
    let compareError: CatalogueError | undefined;
    let successError: CatalogueError | undefined;
    let failureError: CatalogueError | undefined;
    while (reader.pos < reader.end) {
      const tag = reader.tag();
      if (tag === COMPARE_TAG) {
        const error = scanCompare(reader);
        compareError ??= error;
      } else if (tag === SUCCESS_TAG) {
        const error = this.scanOp(reader, remaining, outermost);
        successError ??= error;
      } else if (tag === FAILURE_TAG) {
        const error = this.scanOp(reader, remaining, outermost);
        failureError ??= error;
      } else reader.skip(tag);
    }
    return remaining < 0 ? Errors.TooManyOps : (compareError ?? successError ?? failureError);
  }

  private scanOp(reader: Reader, maxOps: number, outermost: boolean): CatalogueError | undefined {
    const outer = reader.enter();
    let error: CatalogueError | undefined = Errors.KeyNotFound;
    let kind = 0;
    while (reader.pos < reader.end) {
      const tag = reader.tag();
      if (tag === RANGE_TAG || tag === PUT_TAG || tag === DELETE_RANGE_TAG || tag === TXN_TAG) {
        const inner = reader.enter();
        // A later member of the oneof replaces an earlier one, its error included.
        error = this.scanMember(reader, tag, maxOps);
        kind = tag;
        reader.leave(inner);
      } else reader.skip(tag);
    }
    reader.leave(outer);
    this.note(kind, outermost);
    return error;
  }

  private scanMember(reader: Reader, tag: number, maxOps: number): CatalogueError | undefined {
    if (tag === PUT_TAG) return scanPut(reader);
    if (tag === DELETE_RANGE_TAG) return scanDeleteRange(reader);
    if (tag === TXN_TAG) return this.scanTxn(reader, maxOps, false);
    scanRange(reader, this.range);
    return this.range.error;
  }

  private note(kind: number, outermost: boolean): void {
    if (kind === PUT_TAG) this.puts++;
    else if (kind === DELETE_RANGE_TAG) this.deletes++;
    else if (kind === TXN_TAG) this.txns++;
    if (!outermost) return;
    if (kind !== RANGE_TAG) this.readOnly = false;
    else if (!this.range.serializable) this.serializable = false;
  }
}

/** The largest of the three lists of the transaction that `reader` stands in; it stays where it is. */
function countOps(reader: Reader): number {
  const start = reader.pos;
  let compares = 0;
  let successes = 0;
  let failures = 0;
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if (tag === COMPARE_TAG) compares++;
    else if (tag === SUCCESS_TAG) successes++;
    else if (tag === FAILURE_TAG) failures++;
    reader.skip(tag);
  }
  reader.pos = start;
  return Math.max(compares, successes, failures);
}

function scanCompare(reader: Reader): CatalogueError | undefined {
  const outer = reader.enter();
  let keyLength = 0;
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if (tag === COMPARE_KEY_TAG) {
      keyLength = reader.length();
      reader.pos += keyLength;
    } else reader.skip(tag);
  }
  reader.leave(outer);
  return keyLength === 0 ? Errors.EmptyKey : undefined;
}
