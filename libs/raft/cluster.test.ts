import { RaftInvariantError } from './invariant';
import type { Raft } from './raft';
import type { RaftState } from './state';
import { checkLogMatching, ElectionSafety, Violation } from './testing/checkers';
import { toBytes } from './testing/conf-text';
import type { Bug, RunTotals } from './testing/random-cluster';
import { RandomCluster } from './testing/random-cluster';
import { SimNode } from './testing/sim-node';
import { quietSettings } from './testing/quiet-settings';
import type { LogEntry } from './types';

// RAFT_SEED=n runs that seed alone; RAFT_SEEDS=n runs more of them.
const single = process.env['RAFT_SEED'];
const seeds = single === undefined ? Number(process.env['RAFT_SEEDS'] ?? 15) : 1;
const firstSeed = Number(single ?? 1);
const rounds = 1200;

function runSeed(seed: number, bug: Bug = {}): RunTotals {
  try {
    return new RandomCluster({ seed, rounds, bug }).run();
  } catch (error) {
    if (error instanceof Error) error.message += ` (RAFT_SEED=${seed})`;
    throw error;
  }
}

/** The property that the first seed to show the bug violates. */
function firstViolation(bug: Bug, seedsMax: number): string {
  for (let seed = 1; seed <= seedsMax; seed++) {
    try {
      runSeed(seed, bug);
    } catch (error) {
      if (error instanceof Violation) return error.property;
      if (error instanceof RaftInvariantError) return 'invariant';
      throw error;
    }
  }
  return 'none';
}

describe('a cluster under drops, delays, repeats, reordering, crashes, partitions and changes', () => {
  it('keeps every safety property and goes on once healed', () => {
    const sum: RunTotals = { elections: 0, crashes: 0, applied: 0, reads: 0, confChanges: 0, joint: 0, snapshots: 0 };
    for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
      const totals = runSeed(seed);
      for (const key of Object.keys(sum) as (keyof RunTotals)[]) sum[key] += totals[key];
    }
    // A run in which nothing happens proves nothing.
    for (const count of Object.values(sum)) expect(count).toBeGreaterThan(seeds);
  }, 600_000);
});

/** Reaches into a core to spoil it. */
function insides(raft: Raft): RaftState {
  return (raft as unknown as { state: RaftState }).state;
}

// Each checker must be able to fail: a planted bug per property.
describe('planted bugs are caught (canaries)', () => {
  it('election safety or one vote: a host that loses its vote at a crash', () => {
    expect(['one vote', 'election safety']).toContain(firstViolation({ forgetsVote: true, unrest: 6 }, 100));
  }, 120_000);

  it('election safety: a majority of one', () => {
    const winsAlways = (raft: Raft): void => {
      insides(raft).members.vote = () => 'won';
      insides(raft).log.isUpToDate = () => true;
    };
    const caught = ['election safety', 'leader completeness', 'invariant'];
    expect(caught).toContain(firstViolation({ spoil: winsAlways }, 20));
    // Two leaders often break something else first, so the checker is also tried alone.
    const checker = new ElectionSafety();
    checker.leads(1n, 7);
    expect(() => checker.leads(2n, 7)).toThrow('election safety');
  }, 120_000);

  it('leader completeness: votes for logs that lack entries', () => {
    const grantsAll = (raft: Raft): void => void (insides(raft).log.isUpToDate = () => true);
    expect(['leader completeness', 'invariant']).toContain(firstViolation({ spoil: grantsAll }, 60));
  }, 120_000);

  it('durable entries: replies that leave before the sync', () => {
    const lost = firstViolation({ sendsBeforeSync: true }, 60);
    expect(['leader completeness', 'state machine safety', 'one vote', 'invariant']).toContain(lost);
  }, 120_000);

  it('durable promises: a core that takes everything for synced', () => {
    const alwaysSynced = (raft: Raft): void => {
      Object.defineProperty(insides(raft).persistence, 'idle', { get: () => true });
      insides(raft).persistence.isVoteSynced = () => true;
    };
    expect(firstViolation({ spoil: alwaysSynced }, 20)).toBe('durable promises');
  }, 120_000);

  it('log matching: equal ends over different entries', () => {
    const [a, b] = [1n, 2n].map((id) => {
      const conf = { voters: [1n, 2n], votersOutgoing: [], learners: [], learnersNext: [] };
      return new SimNode(id, quietSettings, conf, { index: 0, term: 0 });
    }) as [SimNode, SimNode];
    const entry = (index: number, term: number): LogEntry => ({ index, term, type: 0, data: toBytes('same') });
    a.storage.append([entry(1, 1), entry(2, 2)]);
    b.storage.append([entry(1, 1), entry(2, 3)]);
    expect(() => checkLogMatching([a, b])).not.toThrow();
    a.storage.append([entry(3, 4)]);
    b.storage.append([entry(3, 4)]);
    expect(() => checkLogMatching([a, b])).toThrow('log matching');
  });

  it('state machine safety: commit without a quorum', () => {
    const commitsAlone = (raft: Raft): void => {
      const { members, log } = insides(raft);
      members.matchedByQuorum = () => log.persistedIndex;
    };
    const broken = firstViolation({ spoil: commitsAlone }, 60);
    expect(['leader completeness', 'state machine safety', 'invariant']).toContain(broken);
  }, 120_000);

  it('read freshness: a leader that confirms reads by itself', () => {
    const confirmsAlone = (raft: Raft): void => void (insides(raft).members.roundByQuorum = () => Infinity);
    expect(firstViolation({ spoil: confirmsAlone, unrest: 4 }, 120)).toBe('read freshness');
  }, 120_000);

  it('liveness: a core that never campaigns', () => {
    const neverCampaigns = (raft: Raft): void =>
      void Object.defineProperty(insides(raft), 'promotable', { value: false });
    expect(firstViolation({ spoil: neverCampaigns }, 1)).toBe('liveness');
  }, 120_000);
});
