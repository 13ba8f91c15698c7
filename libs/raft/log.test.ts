import * as fc from 'fast-check';
import { RaftLog } from './log';
import { MemoryLog } from './testing/memory-log';
import type { LogEntry } from './types';

function entry(index: number, term: number): LogEntry {
  return { index, term, type: 0, data: new Uint8Array(1) };
}

function logOf(terms: readonly number[]): RaftLog {
  return new RaftLog(
    new MemoryLog(
      0,
      0,
      terms.map((term, i) => entry(i + 1, term)),
    ),
    0,
    0,
  );
}

/** Terms of a log do not fall. */
const terms = fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 12 }).map((list) => list.sort((a, b) => a - b));

/** The last position at which two logs agree. */
function lastMatch(a: readonly number[], b: readonly number[]): number {
  let index = 0;
  while (index < a.length && index < b.length && a[index] === b[index]) index++;
  return index;
}

describe('the log', () => {
  it('never hints below the position where two logs agree', () => {
    // Follower and leader as the algorithm allows them: equal up to some point, different terms behind.
    const property = fc.property(terms, terms, (follower, leader) => {
      const agreed = lastMatch(follower, leader);
      if (follower.slice(agreed).some((term, i) => term === leader[agreed + i])) return true;
      for (let prev = agreed + 1; prev <= leader.length; prev++) {
        const at = Math.min(prev, follower.length);
        const refused = logOf(follower).conflictHint(at, leader[prev - 1] as number);
        const next = refused.term > 0 ? logOf(leader).conflictHint(refused.index, refused.term).index : refused.index;
        if (next < agreed) return false;
      }
      return true;
    });
    fc.assert(property);
  });

  it('keeps what a late append does not contradict', () => {
    const log = logOf([1, 1, 1]);
    expect(log.mergeFromLeader(0, [entry(1, 1)])).toEqual({ last: 1, truncatedFrom: 0 });
    expect(log.lastIndex).toBe(3);
    expect(log.mergeFromLeader(1, [entry(2, 2)])).toEqual({ last: 2, truncatedFrom: 2 });
    expect(log.lastIndex).toBe(2);
    expect(log.persistedIndex).toBe(1);
  });

  it('throws when a leader contradicts a committed entry', () => {
    const log = logOf([1, 1, 1]);
    log.commitTo(2);
    expect(() => log.mergeFromLeader(1, [entry(2, 2)])).toThrow('conflicts with committed entries');
  });

  it('throws when commit would pass the last entry', () => {
    expect(() => logOf([1]).commitTo(2)).toThrow('beyond the last entry');
    expect(() => new RaftLog(new MemoryLog(), 1, 0)).toThrow('beyond the last entry');
  });
});
