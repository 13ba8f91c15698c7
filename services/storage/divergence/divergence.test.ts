import { encodePutRequest } from '../../../proto/gen/etcdserverpb';
import { EntryKind } from '../../../proto/gen/hexad';
import { STATE_HASH_VERSION } from '../../../libs/mvcc';
import { limits } from '../limits';
import { bytes, MachineRig } from '../testing/machine-rig';
import { DivergenceCheck } from './divergence-check';
import { HashAnswers } from './hash-answers';
import { type Evidence, judge } from './judge';
import type { OnAnswer } from './peer-storages';
import type { Round } from './round';

describe('who is wrong', () => {
  const verdict = (hashes: readonly string[], members = hashes.length): unknown => {
    const answered = hashes.flatMap((hash, at): [bigint, Evidence][] =>
      hash === '-' ? [] : [[BigInt(at + 1), { hash, revision: 5 }]],
    );
    const { odd, suspects } = judge(new Map(answered), members);
    return [odd.join(' '), suspects.join(' ')];
  };

  test.each([
    [['a', 'a', 'a'], '', ''],
    [['a', 'a', 'b'], '3', '3'],
    [['b', 'a', 'a'], '1', '1'], // the leader itself
    [['a', 'b', '-'], '', '1 2'], // two of three: nobody knows
    [['a', 'b', 'c'], '', '1 2 3'],
    [['a', 'b'], '', '1 2'],
    [['a'], '', ''],
    [['a', 'a', 'a', 'b', 'c'], '4 5', '4 5'],
    [['a', 'a', 'b', '-', '-'], '', '1 2 3'], // of those who answered a majority, but not of the members
    [['a', 'a', 'b', 'b'], '', '1 2 3 4'],
  ])('%j: out of service %j, alarm for %j', (hashes, odd, suspects) => {
    expect(verdict(hashes)).toEqual([odd, suspects]);
  });
});

/** Members with stores of their own, whose leader is the first one. */
class Members {
  readonly rigs = new Map<bigint, MachineRig>();
  readonly answers = new Map<bigint, HashAnswers>();
  readonly differences: Round[] = [];
  readonly outOfService = new Set<bigint>();
  /** Those whose answers do not come. */
  readonly silent = new Set<bigint>();
  /** Those that can't be reached. */
  readonly away = new Set<bigint>();
  asked = 0;
  readonly check: DivergenceCheck;

  constructor(count: number) {
    for (let id = 1n; id <= BigInt(count); id++) {
      const rig = new MachineRig();
      this.rigs.set(id, rig);
      this.answers.set(id, new HashAnswers(rig.store, true, () => this.outOfService.has(id)));
    }
    this.check = new DivergenceCheck({
      store: this.rig(1n).store,
      memberId: 1n,
      members: () => [...this.rigs.keys()],
      isInCharge: () => true,
      peers: { ask: (id, _method, question, answer) => this.ask(id, question, answer) },
      onDifference: (round) => void this.differences.push(round),
    });
  }

  rig(id: bigint): MachineRig {
    const rig = this.rigs.get(id);
    if (rig === undefined) throw new Error(`no member ${id}`);
    return rig;
  }

  /** The same entry on all members, but for what `values` says of one. */
  put(value: string, values: ReadonlyMap<bigint, string> = new Map()): void {
    for (const [id, rig] of this.rigs) {
      const body = encodePutRequest({ key: bytes('k'), value: bytes(values.get(id) ?? value) });
      rig.apply(EntryKind.ENTRY_PUT, body);
      this.answers.get(id)?.afterApply();
    }
  }

  private ask(id: bigint, question: Uint8Array, answer: OnAnswer): void {
    this.asked += 1;
    if (this.away.has(id)) answer(undefined);
    else if (!this.silent.has(id)) this.answers.get(id)?.asked(question, answer);
  }
}

describe('the comparison of the state of all members', () => {
  let members: Members;
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => {
    members.check.close();
    jest.useRealTimers();
  });
  const second = (): void => {
    jest.advanceTimersByTime(1_000);
  };

  test('finds one value that is another on one member within a second, and names the index, revisions and hashes', () => {
    members = new Members(3);
    members.put('same');
    second();
    expect(members.differences).toEqual([]);
    members.put('same', new Map([[2n, 'odd']]));
    second();
    const [round] = members.differences;
    expect(round?.at).toBe(2);
    const evidence = round?.evidence ?? new Map<bigint, Evidence>();
    expect([...evidence.keys()]).toEqual([1n, 2n, 3n]);
    expect([...evidence.values()].map(({ revision }) => revision)).toEqual([3, 3, 3]);
    expect(judge(evidence, 3).odd).toEqual([2n]);
  });

  test('finds it as well while another member does not answer', () => {
    members = new Members(5);
    members.silent.add(5n);
    members.put('same', new Map([[2n, 'odd']]));
    second();
    expect(judge(members.differences[0]?.evidence ?? new Map<bigint, Evidence>(), 5).odd).toEqual([2n]);
  });

  test('finds it within a second on a member that was away until now', () => {
    members = new Members(3);
    members.away.add(2n);
    members.put('same');
    for (let at = 0; at < 1_000; at += limits.divergenceCheckMs) {
      jest.advanceTimersByTime(limits.divergenceCheckMs);
      members.away.delete(2n);
      members.differences.length = 0;
      members.put(`next ${at}`, new Map([[2n, 'odd']]));
      jest.advanceTimersByTime(limits.divergenceCheckMs);
      expect(members.differences.length).toBeGreaterThan(0);
      members.away.add(2n);
    }
  });

  test('asks nobody while nothing is applied, whoever has agreed', () => {
    members = new Members(3);
    members.put('same');
    second();
    const { asked } = members;
    expect(asked).toBe(2);
    jest.advanceTimersByTime(60_000);
    expect(members.asked).toBe(asked);
  });

  test('waits for a member that is behind, and asks one that is out of service once a second only', () => {
    members = new Members(2);
    const ahead = encodePutRequest({ key: bytes('k'), value: bytes('v') });
    members.rig(1n).apply(EntryKind.ENTRY_PUT, ahead);
    second();
    expect(members.differences).toEqual([]);
    members.rig(2n).apply(EntryKind.ENTRY_PUT, encodePutRequest({ key: bytes('k'), value: bytes('w') }));
    members.answers.get(2n)?.afterApply();
    expect(members.differences.length).toBeGreaterThan(0);
    members.outOfService.add(2n);
    second();
    const before = members.asked;
    jest.advanceTimersByTime(10 * limits.divergenceRetryMs);
    expect(members.asked - before).toBeLessThanOrEqual(11);
  });
});

test('what is said of a store that is not that any more is no reason to leave service', () => {
  const { store } = new MachineRig();
  const rig = new MachineRig();
  rig.apply(EntryKind.ENTRY_PUT, encodePutRequest({ key: bytes('k'), value: bytes('v') }));
  const own = rig.store.stateHash.at(1) ?? { high: 0, low: 0 };
  const said = { version: STATE_HASH_VERSION, origin: 0, index: 1, high: own.high >>> 0, low: own.low >>> 0 };
  const answers = new HashAnswers(rig.store, true, () => false);
  expect(answers.differsFrom(said)).toBe(false);
  expect(answers.differsFrom({ ...said, low: said.low ^ 1 })).toBe(true);
  expect(answers.differsFrom({ ...said, low: said.low ^ 1, origin: 7 })).toBe(false);
  // This one has not been there yet.
  expect(new HashAnswers(store, true, () => false).differsFrom({ ...said, low: said.low ^ 1 })).toBe(false);
});
