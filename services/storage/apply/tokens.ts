import { Errors } from '../../../libs/errors';
import type { TokenAssign } from '../../../proto/gen/hexad';
import type { ReplicatedState } from '../state/state';
import { done, refused, type ApplyOutcome } from './applier';
import type { FeedChanges } from './feed-changes';

/**
 * A token issued against older auth records must not outlive the change: the client authenticates again. A text that ends
 * with a dot gets this entry's index, as etcd's tokens have it: whoever is shown the token knows what to wait for.
 */
export function applyTokenAssign(
  state: ReplicatedState,
  changes: FeedChanges,
  assigned: TokenAssign,
  index: number,
): ApplyOutcome {
  const token = assigned.token.endsWith('.') ? { ...assigned, token: `${assigned.token}${index}` } : assigned;
  if (!state.auth.enabled) return refused(Errors.AuthNotEnabled);
  if (token.authRevision < state.auth.revision) return refused(Errors.AuthOldRevision);
  state.tokens.assign(token);
  changes.tokenAssigned(token);
  return done();
}
