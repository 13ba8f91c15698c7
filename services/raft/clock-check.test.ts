import { ClockCheck } from './clock-check';

interface World {
  readonly check: ClockCheck;
  readonly warnings: unknown[];
  readonly refusals: string[];
  /** Of the other members: by how much this host is ahead of them. */
  readonly ahead: Map<bigint, number>;
  now: number;
  roundTripMs: number;
}

const WALL = 1_700_000_000_000;

function world(voters: readonly bigint[]): World {
  const ahead = new Map<bigint, number>();
  const warnings: unknown[] = [];
  const refusals: string[] = [];
  const made = { ahead, warnings, refusals, now: 0, roundTripMs: 2 };
  const check = new ClockCheck({
    self: 1n,
    voters: () => voters,
    nameOf: (id) => `m${id}`,
    now: () => made.now,
    wallClock: () => WALL + made.now,
    ask: async (id) => {
      const by = ahead.get(id);
      const asked = made.now;
      made.now += made.roundTripMs;
      return by === undefined ? undefined : { wallMs: WALL + asked + made.roundTripMs / 2 - by };
    },
    logger: { warn: (...args: unknown[]) => warnings.push(args) } as never,
    refuse: (reason) => refusals.push(reason),
  });
  return Object.assign(made, { check });
}

async function compareAll(w: World): Promise<void> {
  for (const id of w.ahead.keys()) await w.check.compare(id);
}

describe('a member compares its clock with the others', () => {
  test('nothing is said of clocks that agree within a second', async () => {
    const w = world([1n, 2n, 3n]);
    w.ahead.set(2n, 900).set(3n, -900);
    await compareAll(w);
    expect([w.warnings, w.refusals]).toEqual([[], []]);
  });

  test('a second and more is told of in the log, with etcd’s words', async () => {
    const w = world([1n, 2n, 3n]);
    w.ahead.set(2n, -1_500);
    await compareAll(w);
    expect(w.warnings).toEqual([
      [{ 'remote-peer-id': '2', 'clock-drift': '-1.500s', rtt: '2.0ms' }, 'prober found high clock drift'],
    ]);
    expect(w.refusals).toEqual([]);
  });

  test.each([
    [3_600_000, 'the clock of this host is 3600.0 s ahead of that of most members (m2, m3)'],
    [-60_000, 'the clock of this host is 60.0 s behind that of most members (m2, m3)'],
  ])('%d ms against a majority ends the start in one line that says what to do', async (by, line) => {
    const w = world([1n, 2n, 3n]);
    w.ahead.set(2n, by).set(3n, by);
    await compareAll(w);
    expect(w.refusals).toEqual([`${line}: set it (with chrony or ntpd, for example) and start again`]);
  });

  test('one other member that is wrong does not end this one, nor do two that are wrong to both sides', async () => {
    const one = world([1n, 2n, 3n]);
    one.ahead.set(2n, 3_600_000).set(3n, 0);
    await compareAll(one);
    const two = world([1n, 2n, 3n]);
    two.ahead.set(2n, 3_600_000).set(3n, -3_600_000);
    await compareAll(two);
    const pair = world([1n, 2n]);
    pair.ahead.set(2n, 3_600_000);
    await compareAll(pair);
    expect([one.refusals, two.refusals, pair.refusals]).toEqual([[], [], []]);
  });

  test('of five, three must agree', async () => {
    const w = world([1n, 2n, 3n, 4n, 5n]);
    w.ahead.set(2n, 60_000).set(3n, 60_000).set(4n, 0).set(5n, 0);
    await compareAll(w);
    expect(w.refusals).toEqual([]);
    w.ahead.set(4n, 60_000);
    await compareAll(w);
    expect(w.refusals[0]).toContain('60.0 s ahead of that of most members (m2, m3, m4)');
  });

  test('a member that has run for a while is not ended, only told of', async () => {
    const w = world([1n, 2n, 3n]);
    w.now = 61_000;
    w.ahead.set(2n, 60_000).set(3n, 60_000);
    await compareAll(w);
    expect([w.warnings.length, w.refusals]).toEqual([2, []]);
  });

  test('an answer that took long, or none, says nothing', async () => {
    const w = world([1n, 2n, 3n]);
    w.roundTripMs = 1_001;
    w.ahead.set(2n, 60_000).set(3n, 60_000);
    await compareAll(w);
    expect([w.warnings, w.refusals]).toEqual([[], []]);
    await w.check.compare(9n);
    expect(w.warnings).toEqual([]);
  });
});
