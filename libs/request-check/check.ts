import { type CatalogueError, Errors } from '../errors';
import { LEASE_TTL_SECONDS_MAX } from '../limits';
import { Reader, WireError } from '../wire';
import { type RangeScan, scanDeleteRange, scanPut, scanRange } from './single';
import { TxnScan } from './txn';

export interface ReadShape {
  readonly error: CatalogueError | undefined;
  /** To be answered from this member as it is. */
  readonly serializable: boolean;
}

export interface TxnShape extends ReadShape {
  /** Nothing but direct ranges: it needs no entry. */
  readonly readOnly: boolean;
}

const MALFORMED_READ: ReadShape = { error: Errors.MalformedRequest, serializable: false };
const MALFORMED_TXN: TxnShape = { error: Errors.MalformedRequest, serializable: false, readOnly: false };
const WRITE_TXN: TxnShape = { error: undefined, serializable: false, readOnly: false };
const READ_TXN: TxnShape = { error: undefined, serializable: false, readOnly: true };
const SERIALIZABLE_TXN: TxnShape = { error: undefined, serializable: true, readOnly: true };
const LINEARIZABLE: ReadShape = { error: undefined, serializable: false };
const SERIALIZABLE: ReadShape = { error: undefined, serializable: true };

/** A PutRequest's error; MalformedRequest on bytes that are none. */
export function checkPut(bytes: Uint8Array): CatalogueError | undefined {
  return orMalformed(() => scanPut(new Reader(bytes)), Errors.MalformedRequest);
}

export function checkDeleteRange(bytes: Uint8Array): CatalogueError | undefined {
  return orMalformed(() => scanDeleteRange(new Reader(bytes)), Errors.MalformedRequest);
}

export function checkRange(bytes: Uint8Array): ReadShape {
  return orMalformed(() => {
    const { error, serializable } = scannedRange(bytes);
    if (error !== undefined) return { error, serializable };
    return serializable ? SERIALIZABLE : LINEARIZABLE;
  }, MALFORMED_READ);
}

/** A RangeRequest sent to RangeStream, which serves the natural order of keys only. */
export function checkRangeStream(bytes: Uint8Array): ReadShape {
  return orMalformed(() => {
    const { error, streamError, serializable } = scannedRange(bytes);
    return { error: error ?? streamError, serializable };
  }, MALFORMED_READ);
}

/** `maxOps`: operations allowed in one list of the transaction, those of nested ones included. */
export function checkTxn(bytes: Uint8Array, maxOps: number): TxnShape {
  return orMalformed(() => {
    const scan = new TxnScan();
    const error = scan.scan(bytes, maxOps);
    if (error !== undefined) return { error, readOnly: false, serializable: false };
    if (!scan.readOnly) return WRITE_TXN;
    return scan.serializable ? SERIALIZABLE_TXN : READ_TXN;
  }, MALFORMED_TXN);
}

/** Refuses only what can't be parsed: whether the revision is right is known when the entry is applied. */
export function checkCompaction(bytes: Uint8Array): CatalogueError | undefined {
  return orMalformed(() => scanUnknown(new Reader(bytes)), Errors.MalformedRequest);
}

export function checkLeaseGrant(bytes: Uint8Array): CatalogueError | undefined {
  return orMalformed(() => {
    const reader = new Reader(bytes);
    let ttl: number | bigint = 0;
    while (reader.pos < reader.end) {
      const tag = reader.tag();
      if (tag === 0x08) ttl = reader.int64Mixed();
      else reader.skip(tag);
    }
    return ttl > LEASE_TTL_SECONDS_MAX ? Errors.LeaseTTLTooLarge : undefined;
  }, Errors.MalformedRequest);
}

/** For requests with a generated decoder and nothing else to check: the message, or undefined if the bytes are none. */
export function decodeOrUndefined<Message>(
  decode: (bytes: Uint8Array) => Message,
  bytes: Uint8Array,
): Message | undefined {
  return orMalformed(() => decode(bytes), undefined);
}

function scannedRange(bytes: Uint8Array): RangeScan {
  const scan: RangeScan = { error: undefined, serializable: false, streamError: undefined };
  scanRange(new Reader(bytes), scan);
  return scan;
}

function scanUnknown(reader: Reader): undefined {
  while (reader.pos < reader.end) reader.skip(reader.tag());
}

function orMalformed<Result, Malformed>(check: () => Result, malformed: Malformed): Result | Malformed {
  try {
    return check();
  } catch (error) {
    if (error instanceof WireError) return malformed;
    throw error;
  }
}
