import { Errors } from '../../../libs/errors';
import type { TokenAssign } from '../../../proto/gen/hexad';
import type { ReplicatedState } from '../state/state';
import { done, refused, type ApplyOutcome } from './applier';
import type { FeedChanges } from './feed-changes';

/** A token issued against older auth records must not outlive the change: the client authenticates again. */
export function applyTokenAssign(state: ReplicatedState, changes: FeedChanges, token: TokenAssign): ApplyOutcome {
  if (!state.auth.enabled) return refused(Errors.AuthNotEnabled);
  if (token.authRevision < state.auth.revision) return refused(Errors.AuthOldRevision);
  state.tokens.assign(token);
  changes.tokenAssigned(token);
  return done();
}
