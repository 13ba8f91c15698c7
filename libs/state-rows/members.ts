import { decodeFeedMember, encodeFeedMember } from '../../proto/gen/hexad';

/** A member as the log knows it. The name and client URLs are empty until the member has published them. */
export interface MemberRecord {
  readonly id: bigint;
  readonly name: string;
  readonly peerUrls: readonly string[];
  readonly clientUrls: readonly string[];
  readonly isLearner: boolean;
}

/** Table `members`, under `idKey(id)`. */
export function memberRow(member: MemberRecord): Uint8Array {
  return encodeFeedMember(member);
}

export function memberOf(row: Uint8Array): MemberRecord {
  const { id, name, peerUrls, clientUrls, isLearner } = decodeFeedMember(row);
  return { id, name, peerUrls, clientUrls, isLearner };
}
