import type { SmallTable } from '../../../libs/mvcc';
import { idKey, idOf, type MemberRecord, memberOf, memberRow } from '../../../libs/state-rows';

export type { MemberRecord };

/** Members and the ids that were removed, which never come back. A row is a hexad.FeedMember under its id. */
export class MemberTable {
  private members: MemberRecord[] = [];

  constructor(
    private readonly rows: SmallTable,
    private readonly removedRows: SmallTable,
  ) {
    for (const [, value] of rows.scan()) this.members.push(memberOf(value));
  }

  /** By id. */
  list(): readonly MemberRecord[] {
    return this.members;
  }

  get(id: bigint): MemberRecord | undefined {
    return this.members.find((member) => member.id === id);
  }

  put(member: MemberRecord): void {
    this.rows.put(idKey(member.id), memberRow(member));
    const others = this.members.filter((other) => other.id !== member.id);
    this.members = [...others, member].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  remove(id: bigint): void {
    this.rows.delete(idKey(id));
    this.removedRows.put(idKey(id), Uint8Array.of(1));
    this.members = this.members.filter((member) => member.id !== id);
  }

  /** Ids that will never be members again. */
  removedIds(): bigint[] {
    return this.removedRows.scan().map(([row]) => idOf(row));
  }

  wasRemoved(id: bigint): boolean {
    return this.removedRows.get(idKey(id)) !== undefined;
  }
}
