import { createHash } from 'node:crypto';
import type { RevisionChanges, SmallTable } from '../../../libs/mvcc';
import { compareBytes } from '../../../libs/rbac';
import {
  attachedKeyOf,
  attachmentKey,
  attachmentValue,
  idKey,
  idKeyEnd,
  type Lease,
  leaseOf,
  leaseRow,
} from '../../../libs/state-rows';

export type { Lease };

/** Leases in memory, mirrored to rows (a row is a hexad.FeedLease), and the rows that attach keys to them. */
export class LeaseTable {
  private readonly leases = new Map<bigint, Lease>();

  constructor(
    private readonly rows: SmallTable,
    private readonly attachments: SmallTable,
  ) {
    for (const [, value] of rows.scan()) {
      const lease = leaseOf(value);
      this.leases.set(lease.id, lease);
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
    this.rows.put(idKey(lease.id), leaseRow(lease));
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
    return rows.map(([row, value]) => attachedKeyOf(row, value)).sort(compareBytes);
  }

  /** Brings the attachments in line with what one revision changed. */
  follow(made: RevisionChanges): void {
    for (const { version, previous } of made.changes) {
      const before = previous === undefined ? 0n : previous.lease;
      const after = version.isDelete ? 0n : version.lease;
      if (before === after) continue;
      if (before !== 0n) this.attachments.delete(attachmentKey(before, version.key, sha256));
      if (after !== 0n) this.attachments.put(attachmentKey(after, version.key, sha256), attachmentValue(version.key));
    }
  }
}

function sha256(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(bytes).digest();
}
