import { type CompactionPolicy, compactionPolicy, PeriodicCompaction, RevisionCompaction } from './auto-compaction';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

interface Run {
  readonly policy: CompactionPolicy;
  readonly untilMs: number;
  /** The revision at a time; by default 1 and one more per minute. */
  readonly revisionAt?: (ms: number) => number;
  readonly isLeader?: (ms: number) => boolean;
  /** Whether what is proposed then takes effect. */
  readonly succeeds?: (ms: number) => boolean;
}

/** Asks at the start and at every interval, as the process does; what was proposed, as [minute, revision]. */
function run({
  policy,
  untilMs,
  revisionAt = (ms) => 1 + ms / MINUTE,
  isLeader = () => true,
  succeeds = () => true,
}: Run): [number, number][] {
  const asked: [number, number][] = [];
  let compactRevision = 0;
  for (let nowMs = 0; nowMs <= untilMs; nowMs += policy.intervalMs) {
    const revision = policy.due({ nowMs, revision: revisionAt(nowMs), compactRevision, isLeader: isLeader(nowMs) });
    if (revision === undefined) continue;
    asked.push([nowMs / MINUTE, revision]);
    if (succeeds(nowMs)) compactRevision = revision;
  }
  return asked;
}

describe('periodic compaction', () => {
  it('looks ten times per retention, and at most every six minutes', () => {
    expect(new PeriodicCompaction(5 * MINUTE, 0).intervalMs).toBe(30_000);
    expect(new PeriodicCompaction(24 * HOUR, 0).intervalMs).toBe(6 * MINUTE);
  });

  it('compacts every retention, to what was current one retention ago, when that is below an hour', () => {
    const asked = run({ policy: new PeriodicCompaction(10 * MINUTE, 0), untilMs: 45 * MINUTE });
    expect(asked).toEqual([
      [10, 1],
      [20, 10],
      [30, 20],
      [40, 30],
    ]);
  });

  it('waits a whole longer retention, then compacts every hour to what was current a retention ago', () => {
    const asked = run({ policy: new PeriodicCompaction(5 * HOUR, 0), untilMs: 8 * HOUR });
    expect(asked.map(([minute]) => minute)).toEqual([300, 360, 420, 480]);
    for (const [minute, revision] of asked) {
      const age = minute - (revision - 1);
      expect(age).toBeGreaterThanOrEqual(300);
      expect(age).toBeLessThanOrEqual(306);
    }
  });

  it('leaves it to the leader, and knows the past when it becomes leader', () => {
    const policy = new PeriodicCompaction(10 * MINUTE, 0);
    expect(run({ policy, untilMs: 35 * MINUTE, isLeader: (ms) => ms > 25 * MINUTE })[0]).toEqual([26, 16]);
  });

  it('asks again at the next interval when what it asked for did not happen', () => {
    const policy = new PeriodicCompaction(10 * MINUTE, 0);
    const asked = run({ policy, untilMs: 24 * MINUTE, succeeds: (ms) => ms >= 12 * MINUTE });
    expect(asked.map(([minute]) => minute)).toEqual([10, 11, 12, 22]);
  });

  it('asks for nothing that is compacted already, as when nothing was written', () => {
    const policy = new PeriodicCompaction(10 * MINUTE, 0);
    expect(run({ policy, untilMs: 60 * MINUTE, revisionAt: () => 7 })).toEqual([[10, 7]]);
  });
});

describe('compaction by revisions', () => {
  it('keeps the last revisions, looking every five minutes', () => {
    const policy = new RevisionCompaction(8);
    expect(policy.intervalMs).toBe(5 * MINUTE);
    expect(run({ policy, untilMs: 16 * MINUTE })).toEqual([
      [10, 3],
      [15, 8],
    ]);
  });

  it('leaves it to the leader and asks for nothing twice', () => {
    expect(run({ policy: new RevisionCompaction(8), untilMs: HOUR, isLeader: () => false })).toEqual([]);
    expect(run({ policy: new RevisionCompaction(8), untilMs: HOUR, revisionAt: () => 9 })).toEqual([[0, 1]]);
  });
});

it('does nothing when the retention is 0', () => {
  expect(compactionPolicy('periodic', 0, 0)).toBeUndefined();
  expect(compactionPolicy('revision', 0, 0)).toBeUndefined();
  expect(compactionPolicy('revision', 5, 0)).toBeInstanceOf(RevisionCompaction);
});
