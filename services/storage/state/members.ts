import type { SmallTable } from '../../../libs/mvcc';
import { decodeFeedMember, encodeFeedMember } from '../../../proto/gen/hexad';
import { idKey } from './ids';

/** A member as the log knows it. The name and client URLs are empty until the member has published them. */
export interface MemberRecord {
  readonly id: bigint;
  readonly name: string;
  readonly peerUrls: readonly string[];
  readonly clientUrls: readonly string[];
  readonly isLearner: boolean;
}

/** Members and the ids that were removed, which never come back. A row is a hexad.FeedMember under its id. */
export class MemberTable {
  private members: MemberRecord[] = [];

  constructor(
    private readonly rows: SmallTable,
    private readonly removedRows: SmallTable,
  ) {
    for (const [, value] of rows.scan()) {
      const { id, name, peerUrls, clientUrls, isLearner } = decodeFeedMember(value);
      this.members.push({ id, name, peerUrls, clientUrls, isLearner });
    }
  }

  /** By id. */
  list(): readonly MemberRecord[] {
    return this.members;
  }

  get(id: bigint): MemberRecord | undefined {
    return this.members.find((member) => member.id === id);
  }

  put(member: MemberRecord): void {
    this.rows.put(idKey(member.id), encodeFeedMember(member));
    const others = this.members.filter((other) => other.id !== member.id);
    this.members = [...others, member].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  remove(id: bigint): void {
    this.rows.delete(idKey(id));
    this.removedRows.put(idKey(id), Uint8Array.of(1));
    this.members = this.members.filter((member) => member.id !== id);
  }

  wasRemoved(id: bigint): boolean {
    return this.removedRows.get(idKey(id)) !== undefined;
  }

  /** True when a member other than `exceptId` has one of these peer URLs. */
  usesPeerUrl(urls: readonly string[], exceptId: bigint): boolean {
    return this.members.some((member) => member.id !== exceptId && member.peerUrls.some((url) => urls.includes(url)));
  }
}
