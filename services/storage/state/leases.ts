import { createHash } from 'node:crypto';
import type { RevisionChanges, SmallTable } from '../../../libs/mvcc';
import { compareBytes } from '../../../libs/rbac';
import { decodeFeedLease, encodeFeedLease } from '../../../proto/gen/hexad';
import { idKey, idKeyEnd } from './ids';

export interface Lease {
  readonly id: bigint;
  /** Granted seconds. */
  readonly ttl: number;
  /** Seconds left at the last checkpoint; 0: none was taken, the full TTL holds. */
  readonly remainingTtl: number;
  /** Log index of the grant. */
  readonly grantedIndex: number;
}

/** A row key holds a lease id and a user key; longer user keys stand in the row's value, under a digest. */
const ROW_KEY_BYTES_MAX = 1_024;
const NO_BYTES = new Uint8Array(0);

/** Leases in memory, mirrored to rows (a row is a hexad.FeedLease), and the rows that attach keys to them. */
export class LeaseTable {
  private readonly leases = new Map<bigint, Lease>();

  constructor(
    private readonly rows: SmallTable,
    private readonly attachments: SmallTable,
  ) {
    for (const [, value] of rows.scan()) {
      const { id, ttl, remainingTtl, grantedIndex } = decodeFeedLease(value);
      this.leases.set(id, { id, ttl, remainingTtl, grantedIndex });
    }
  }

  get(id: bigint): Lease | undefined {
    return this.leases.get(id);
  }

  has(id: bigint): boolean {
    return this.leases.has(id);
  }

  get size(): number {
    return this.leases.size;
  }

  values(): IterableIterator<Lease> {
    return this.leases.values();
  }

  put(lease: Lease): void {
    this.leases.set(lease.id, lease);
    this.rows.put(idKey(lease.id), encodeFeedLease(lease));
  }

  /** Removes the lease and its attachments. The keys themselves are the caller's business. */
  delete(id: bigint): void {
    this.leases.delete(id);
    this.rows.delete(idKey(id));
    for (const [row] of this.attachments.scan(idKey(id), idKeyEnd(id))) this.attachments.delete(row);
  }

  /** The attached keys in byte order. */
  keysOf(id: bigint): Uint8Array[] {
    const rows = this.attachments.scan(idKey(id), idKeyEnd(id));
    return rows.map(([row, value]) => (value.length > 0 ? value : row.subarray(8))).sort(compareBytes);
  }

  /** Brings the attachments in line with what one revision changed. */
  follow(made: RevisionChanges): void {
    for (const { version, previous } of made.changes) {
      const before = previous === undefined ? 0n : previous.lease;
      const after = version.isDelete ? 0n : version.lease;
      if (before === after) continue;
      if (before !== 0n) this.attachments.delete(attachmentRow(before, version.key));
      if (after !== 0n) this.attachments.put(attachmentRow(after, version.key), attachmentValue(version.key));
    }
  }
}

function attachmentRow(id: bigint, key: Uint8Array): Uint8Array {
  const tail = isLong(key) ? createHash('sha256').update(key).digest() : key;
  const row = new Uint8Array(8 + tail.length);
  row.set(idKey(id));
  row.set(tail, 8);
  return row;
}

function attachmentValue(key: Uint8Array): Uint8Array {
  return isLong(key) ? key : NO_BYTES;
}

function isLong(key: Uint8Array): boolean {
  return key.length > ROW_KEY_BYTES_MAX;
}
