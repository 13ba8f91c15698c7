import { decodeFeedLease, encodeFeedLease } from '../../proto/gen/hexad';
import { idKey } from './ids';

export interface Lease {
  readonly id: bigint;
  /** Granted seconds. */
  readonly ttl: number;
  /** Seconds left at the last checkpoint; 0: none was taken, the full TTL holds. */
  readonly remainingTtl: number;
  /** Log index of the grant. */
  readonly grantedIndex: number;
}

/** Table `lease`, under `idKey(id)`. */
export function leaseRow(lease: Lease): Uint8Array {
  return encodeFeedLease(lease);
}

export function leaseOf(row: Uint8Array): Lease {
  const { id, ttl, remainingTtl, grantedIndex } = decodeFeedLease(row);
  return { id, ttl, remainingTtl, grantedIndex };
}

export type Sha256 = (bytes: Uint8Array) => Uint8Array;

/** A row key holds a lease id and a user key; longer user keys stand in the row's value, under a digest. */
const ROW_KEY_BYTES_MAX = 1_024;
const NO_BYTES = new Uint8Array(0);

/** Table `leaseKeys`: the row key of a key attached to a lease; begins with `idKey(id)`. */
export function attachmentKey(id: bigint, key: Uint8Array, sha256: Sha256): Uint8Array {
  const tail = isLong(key) ? sha256(key) : key;
  const row = new Uint8Array(8 + tail.length);
  row.set(idKey(id));
  row.set(tail, 8);
  return row;
}

export function attachmentValue(key: Uint8Array): Uint8Array {
  return isLong(key) ? key : NO_BYTES;
}

/** The attached key of a row. */
export function attachedKeyOf(row: Uint8Array, value: Uint8Array): Uint8Array {
  return value.length > 0 ? value : row.subarray(8);
}

function isLong(key: Uint8Array): boolean {
  return key.length > ROW_KEY_BYTES_MAX;
}
