import type { FeedMember } from '../../proto/gen/hexad';

/** Voters as a change would leave them. */
interface Future {
  voters: number;
  /** Those that have started, as far as the member records say. */
  started: number;
}

/**
 * etcd's strict reconfiguration check, as far as it looks at members that have never started: a change must leave a
 * quorum of started voters. (Whether they are reachable now is raft's to know.)
 */
export function mayAddVoter(members: Iterable<FeedMember>): boolean {
  const future = count(members, undefined);
  future.voters += 1;
  // A sole member may always be joined by a second, although neither then has a quorum alone.
  if (future.started === 1 && future.voters === 2) return true;
  return hasQuorum(future);
}

export function mayPromote(members: Iterable<FeedMember>): boolean {
  const future = count(members, undefined);
  return hasQuorum({ voters: future.voters + 1, started: future.started + 1 });
}

/** Learners may always go; the last voter never. */
export function mayRemove(members: Iterable<FeedMember>, member: FeedMember): boolean {
  if (member.isLearner) return true;
  const future = count(members, member.id);
  return future.voters > 0 && hasQuorum(future);
}

function count(members: Iterable<FeedMember>, without: bigint | undefined): Future {
  const future = { voters: 0, started: 0 };
  for (const { id, isLearner, name } of members) {
    if (isLearner || id === without) continue;
    future.voters += 1;
    if (name !== '') future.started += 1;
  }
  return future;
}

function hasQuorum({ voters, started }: Future): boolean {
  return started >= Math.floor(voters / 2) + 1;
}
