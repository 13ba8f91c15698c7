import type { FeedMember } from '../../proto/gen/hexad';
import { mayAddVoter, mayPromote, mayRemove } from './quorum-guard';

/** `S` a started voter, `u` one that has never started, `L` and `l` learners likewise. */
function cluster(text: string): FeedMember[] {
  return text.split('').map((kind, at) => ({
    id: BigInt(at + 1),
    name: kind === 'u' || kind === 'l' ? '' : `m${at}`,
    peerUrls: [],
    clientUrls: [],
    isLearner: kind.toUpperCase() === 'L',
    removed: false,
  }));
}

test.each([
  ['S', true],
  ['Su', false],
  ['SS', true],
  ['SSu', false],
  ['SSS', true],
  ['SSuu', false],
  ['Sl', true],
])('a voter may join %s: %s', (members, allowed) => {
  expect(mayAddVoter(cluster(members))).toBe(allowed);
});

test.each([
  ['S', 0, false],
  ['SS', 0, true],
  ['Su', 0, false],
  ['Su', 1, true],
  ['SSu', 0, false],
  ['SSu', 2, true],
  ['Sul', 2, true],
])('of %s number %i may go: %s', (members, at, allowed) => {
  const all = cluster(members);
  expect(mayRemove(all, all[at] as FeedMember)).toBe(allowed);
});

test.each([
  ['SL', true],
  ['SuL', true],
  ['SuuL', false],
])('a learner of %s may be promoted: %s', (members, allowed) => {
  expect(mayPromote(cluster(members))).toBe(allowed);
});
