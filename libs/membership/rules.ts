/** What the rules need to know of a member. */
export interface KnownMember {
  readonly id: bigint;
  readonly peerUrls: readonly string[];
  readonly isLearner: boolean;
}

export interface MembersView {
  readonly members: readonly KnownMember[];
  /** Ids that were members once never come back. */
  wasRemoved(id: bigint): boolean;
}

export type ChangeKind = 'add' | 'remove' | 'update' | 'promote' | 'unknown';

export type ChangeRefusal = 'removed' | 'exists' | 'url-used' | 'not-found' | 'not-learner' | 'last-voter';

/**
 * Whether a logged change of the members is without effect, and why. `raft` (who votes) and `storage` (who is a member)
 * both decide by this, each from the log alone, so that they always agree.
 */
export function refusalOfChange(
  kind: ChangeKind,
  id: bigint,
  peerUrls: readonly string[],
  view: MembersView,
): ChangeRefusal | undefined {
  const member = view.members.find((one) => one.id === id);
  if (kind === 'add') return refusalOfAdd(id, peerUrls, view, member);
  if (member === undefined || kind === 'unknown') return 'not-found';
  if (kind === 'update') return usesUrl(view, peerUrls, id) ? 'url-used' : undefined;
  if (kind === 'promote') return member.isLearner ? undefined : 'not-learner';
  const isLastVoter = !member.isLearner && view.members.every((one) => one.id === id || one.isLearner);
  return isLastVoter ? 'last-voter' : undefined;
}

function refusalOfAdd(
  id: bigint,
  peerUrls: readonly string[],
  view: MembersView,
  member: KnownMember | undefined,
): ChangeRefusal | undefined {
  if (view.wasRemoved(id)) return 'removed';
  if (member !== undefined) return 'exists';
  return usesUrl(view, peerUrls, id) ? 'url-used' : undefined;
}

function usesUrl(view: MembersView, urls: readonly string[], exceptId: bigint): boolean {
  return view.members.some(({ id, peerUrls }) => id !== exceptId && peerUrls.some((url) => urls.includes(url)));
}
