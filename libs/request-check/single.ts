/** Requests that are one operation. Each `scan…` reads the message that `reader` stands in, to its end. */
import { type CatalogueError, Errors } from '../errors';
import type { Reader } from '../wire';

const SORT_ORDER_MAX = 2;
const SORT_TARGET_MAX = 4;
const SORT_ASCEND = 1;
const SORT_KEY = 0;

/** What a scan of a range learned beside its error. */
export interface RangeScan {
  error: CatalogueError | undefined;
  serializable: boolean;
  /** Why RangeStream would not serve it, if the range is valid. */
  streamError: CatalogueError | undefined;
}

export function scanPut(reader: Reader): CatalogueError | undefined {
  let keyLength = 0;
  let valueLength = 0;
  let lease = false;
  let ignoreValue = false;
  let ignoreLease = false;
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    switch (tag) {
      case 0x0a:
        keyLength = passOver(reader);
        break;
      case 0x12:
        valueLength = passOver(reader);
        break;
      case 0x18:
        lease = reader.bool();
        break;
      case 0x28:
        ignoreValue = reader.bool();
        break;
      case 0x30:
        ignoreLease = reader.bool();
        break;
      default:
        reader.skip(tag);
    }
  }
  if (keyLength === 0) return Errors.EmptyKey;
  if (ignoreValue && valueLength > 0) return Errors.ValueProvided;
  return ignoreLease && lease ? Errors.LeaseProvided : undefined;
}

export function scanDeleteRange(reader: Reader): CatalogueError | undefined {
  let keyLength = 0;
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if (tag === 0x0a) keyLength = passOver(reader);
    else reader.skip(tag);
  }
  return keyLength === 0 ? Errors.EmptyKey : undefined;
}

/** Writes its findings into `into`, so that a transaction of many ranges allocates nothing. */
export function scanRange(reader: Reader, into: RangeScan): void {
  let keyLength = 0;
  let order = 0;
  let target = 0;
  let serializable = false;
  // Bit n: filter field n (min and max revisions, fields 10 to 13) is not 0.
  let filters = 0;
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    switch (tag) {
      case 0x0a:
        keyLength = passOver(reader);
        break;
      case 0x28:
        order = reader.int32();
        break;
      case 0x30:
        target = reader.int32();
        break;
      case 0x38:
        serializable = reader.bool();
        break;
      case 0x50:
      case 0x58:
      case 0x60:
      case 0x68:
        filters = reader.bool() ? filters | (1 << (tag >> 3)) : filters & ~(1 << (tag >> 3));
        break;
      default:
        reader.skip(tag);
    }
  }
  into.serializable = serializable;
  into.error = keyLength === 0 ? Errors.EmptyKey : sortError(order, target);
  into.streamError = streamError(order, target, filters);
}

function sortError(order: number, target: number): CatalogueError | undefined {
  const known = order >= 0 && order <= SORT_ORDER_MAX && target >= 0 && target <= SORT_TARGET_MAX;
  return known ? undefined : Errors.InvalidSortOption;
}

/** Without an order the keys come in their natural one, whatever the target. */
function streamError(order: number, target: number, filters: number): CatalogueError | undefined {
  if (order !== 0 && !(order === SORT_ASCEND && target === SORT_KEY)) return Errors.RangeStreamSortOrder;
  return filters === 0 ? undefined : Errors.RangeStreamRevisionFilters;
}

/** Passes over a delimited value; its length. */
function passOver(reader: Reader): number {
  const length = reader.length();
  reader.pos += length;
  return length;
}
