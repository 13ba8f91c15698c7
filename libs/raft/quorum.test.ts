import * as fc from 'fast-check';
import { jointVote, majorityOf, majorityReached, majorityVote } from './quorum';

// The slow twins say what is meant: they try every value, every way the missing votes could go.

function slowReached(values: readonly number[]): number {
  const supporters = (index: number): number => values.filter((value) => value >= index).length;
  return Math.max(...values.filter((value) => supporters(value) > values.length / 2));
}

function slowVote(votes: readonly (boolean | undefined)[]): string {
  const outcomes = new Set(completions(votes).map((all) => all.filter(Boolean).length > all.length / 2));
  if (outcomes.size === 2) return 'pending';
  return outcomes.has(true) ? 'won' : 'lost';
}

function completions(votes: readonly (boolean | undefined)[]): boolean[][] {
  let all: boolean[][] = [[]];
  for (const vote of votes) {
    const choices = vote === undefined ? [true, false] : [vote];
    all = all.flatMap((prefix) => choices.map((choice) => [...prefix, choice]));
  }
  return all;
}

const votes = fc.array(fc.constantFrom(true, false, undefined), { minLength: 1, maxLength: 7 });

describe('quorum arithmetic equals its slow twin', () => {
  it('reaches the highest value that more than half have reached', () => {
    const values = fc.array(fc.nat(10), { minLength: 1, maxLength: 9 });
    fc.assert(fc.property(values, (given) => majorityReached(given) === slowReached(given)));
  });

  it('decides a vote exactly when the missing votes can no longer change it', () => {
    fc.assert(fc.property(votes, (given) => majorityVote(given) === slowVote(given)));
  });

  it('decides a joint vote exactly when the missing votes can no longer change it', () => {
    const wins = (all: boolean[]): boolean => all.filter(Boolean).length > all.length / 2;
    const slowJoint = (a: (boolean | undefined)[], b: (boolean | undefined)[]): string => {
      const outcomes = new Set(completions(a).flatMap((x) => completions(b).map((y) => wins(x) && wins(y))));
      if (outcomes.size === 2) return 'pending';
      return outcomes.has(true) ? 'won' : 'lost';
    };
    const few = fc.array(fc.constantFrom(true, false, undefined), { minLength: 1, maxLength: 4 });
    fc.assert(fc.property(few, few, (a, b) => jointVote(majorityVote(a), majorityVote(b)) === slowJoint(a, b)));
  });

  it('lets any two majorities share a member', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 99 }), (size) => 2 * majorityOf(size) > size));
  });

  it('takes a group without members for agreed', () => {
    expect(majorityVote([])).toBe('won');
    expect(majorityReached([])).toBe(Infinity);
  });
});
