// Arithmetic of majorities. A group without members agrees to everything, which makes a configuration that is not joint
// the same as a joint one with an empty outgoing group.

export type VoteResult = 'won' | 'lost' | 'pending';

/** Number of members that is a majority of `size` members. */
export function majorityOf(size: number): number {
  return Math.floor(size / 2) + 1;
}

/**
 * The highest value that a majority has reached: with one acknowledged index per member, what that group has committed.
 * Infinity for an empty group.
 */
export function majorityReached(values: readonly number[]): number {
  const size = values.length;
  if (size === 0) return Infinity;
  if (size === 1) return values[0] as number;
  if (size === 3) return medianOfThree(values[0] as number, values[1] as number, values[2] as number);
  const ascending = [...values].sort((a, b) => a - b);
  return ascending[size - majorityOf(size)] as number;
}

function medianOfThree(a: number, b: number, c: number): number {
  return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
}

/** Outcome of a vote in one group; undefined is a member that has not answered. */
export function majorityVote(votes: readonly (boolean | undefined)[]): VoteResult {
  if (votes.length === 0) return 'won';
  let yes = 0;
  let no = 0;
  for (const vote of votes) {
    if (vote === true) yes++;
    else if (vote === false) no++;
  }
  const needed = majorityOf(votes.length);
  if (yes >= needed) return 'won';
  return votes.length - no < needed ? 'lost' : 'pending';
}

/** Both groups of a joint configuration must agree (raft thesis, section 4.3). */
export function jointVote(incoming: VoteResult, outgoing: VoteResult): VoteResult {
  if (incoming === 'lost' || outgoing === 'lost') return 'lost';
  return incoming === 'won' && outgoing === 'won' ? 'won' : 'pending';
}
