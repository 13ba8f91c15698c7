import * as fc from 'fast-check';
import { EMPTY_CONF, isJoint, nextConfiguration } from './configuration';
import { majorityOf } from './quorum';
import type { ConfState, ConfStep } from './types';
import { ConfOp } from './types';

const START: ConfState = { ...EMPTY_CONF, voters: [1n, 2n, 3n], learners: [4n] };

const step: fc.Arbitrary<ConfStep> = fc.record({
  op: fc.constantFrom(...Object.values(ConfOp)),
  node: fc.constantFrom(0n, 1n, 2n, 3n, 4n, 5n),
});

/** Every set of voters that could decide under `conf`. */
function quorums(voters: readonly bigint[]): bigint[][] {
  const subsets = voters.reduce<bigint[][]>((all, id) => [...all, ...all.map((one) => [...one, id])], [[]]);
  return subsets.filter((subset) => subset.length >= majorityOf(voters.length));
}

function overlap(a: readonly bigint[], b: readonly bigint[]): boolean {
  return quorums(a).every((x) => quorums(b).every((y) => x.some((id) => y.includes(id))));
}

/** A walk of random entries; illegal ones leave the configuration as it is. */
function walk(
  entries: readonly (readonly ConfStep[])[],
  visit: (before: ConfState, after: ConfState) => boolean,
): boolean {
  let conf = START;
  for (const entry of entries) {
    const after = nextConfiguration(conf, entry) ?? conf;
    if (!visit(conf, after)) return false;
    conf = after;
  }
  return true;
}

const entries = fc.array(fc.array(step, { maxLength: 3 }), { maxLength: 12 });

describe('configurations follow each other safely', () => {
  it('shares a member between any majority before and any after one entry', () => {
    const safe = (before: ConfState, after: ConfState): boolean => {
      // A joint configuration decides with both groups: one that overlaps is enough.
      const groups = (conf: ConfState): (readonly bigint[])[] =>
        [conf.voters, conf.votersOutgoing].filter((g) => g.length > 0);
      return groups(before).some((a) => groups(after).some((b) => overlap(a, b)));
    };
    fc.assert(fc.property(entries, (given) => walk(given, safe)));
  });

  it('never leaves a cluster without voters, nor a member in two roles', () => {
    const sound = (_: ConfState, { voters, votersOutgoing, learners, learnersNext }: ConfState): boolean =>
      voters.length > 0 &&
      [...learners, ...learnersNext].every((id) => !voters.includes(id)) &&
      learners.every((id) => !votersOutgoing.includes(id)) &&
      learnersNext.every((id) => votersOutgoing.includes(id));
    fc.assert(fc.property(entries, (given) => walk(given, sound)));
  });

  it('promotes a learner and nobody else', () => {
    const promote = (node: bigint): ConfState | undefined => nextConfiguration(START, [{ op: ConfOp.Promote, node }]);
    expect(promote(4n)?.voters).toEqual([1n, 2n, 3n, 4n]);
    expect(promote(1n)).toBeUndefined();
    expect(promote(9n)).toBeUndefined();
  });

  it('takes nothing but leaving while joint', () => {
    const joint = nextConfiguration(START, [
      { op: ConfOp.AddVoter, node: 5n },
      { op: ConfOp.Remove, node: 1n },
    ]) as ConfState;
    expect(isJoint(joint)).toBe(true);
    expect(nextConfiguration(joint, [{ op: ConfOp.AddVoter, node: 6n }])).toBeUndefined();
    const left = nextConfiguration(joint, [{ op: ConfOp.LeaveJoint, node: 0n }]) as ConfState;
    expect(left).toEqual({ ...EMPTY_CONF, voters: [2n, 3n, 5n], learners: [4n] });
  });
});
