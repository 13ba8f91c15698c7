import type { Moment } from '../../../libs/attribution';
import { Stage } from '../../../libs/attribution';
import type { Breakdown } from './breakdown';
import { Slowest } from './slowest';
import { type DeliveryStamps, WatchTimes } from './watch-times';

const DELIVERED = { watchers: 3, events: 6, revision: 9 };

function setUp(slowMicros = 50_000) {
  let host = 1_000_000;
  const slow: Breakdown[] = [];
  const slowest = new Slowest();
  const now = (): Moment => ({ host, clock: 7, wall: host + 5_000_000 });
  const times = new WatchTimes({
    slowMicros,
    now,
    origin: 5,
    memberName: () => 'm1',
    nameOf: (id) => `m${id}`,
    onSlow: (breakdown) => {
      slow.push(breakdown);
      return '';
    },
    isTracing: false,
    slowest,
  });
  const stamps = (fields: Partial<DeliveryStamps['timing']> = {}): DeliveryStamps => ({
    timing: {
      commit: 10,
      publish: 20,
      compaction: 0,
      match: 30,
      sentAt: host - 40,
      clock: 7,
      sentAtWall: host + 5_000_000 - 400,
      ...fields,
    },
    hub: 'm2',
    memberId: 3n,
  });
  const deliver: WatchTimes['delivered'] = (...delivery) => {
    times.delivered(...delivery);
    times.settle();
  };
  return { times, deliver, slow, slowest, stamps, pass: (micros: number) => void (host += micros) };
}

describe('the times of events on their way to watchers', () => {
  it('are counted once for each watcher, by stage, and add up to the total', () => {
    const { times, deliver, stamps, slow, slowest } = setUp();
    deliver(stamps(), DELIVERED);
    const sums = [Stage.Commit, Stage.Publish, Stage.Match, Stage.Send].map((stage) => times.ops.stages[stage]);
    expect(sums.map((one) => one?.sumMicros)).toEqual([30, 60, 90, 120]);
    expect(times.ops.total).toMatchObject({ count: 3, sumMicros: 300 });
    expect(times.ops.shareQuantile(1)).toBe(0.001);
    expect(slow).toEqual([]);
    expect(slowest.slowest(1, 0)).toMatchObject([{ op: 'watch', totalMicros: 100, delivered: DELIVERED }]);
  });

  it('are not counted for a message that no watcher of ours got', () => {
    const { times, deliver, stamps } = setUp();
    deliver(stamps(), { watchers: 0, events: 0, revision: 9 });
    expect(times.ops.total.count).toBe(0);
  });

  it('go by the wall clock when the hub is on another host', () => {
    const { times, deliver, stamps } = setUp();
    deliver(stamps({ clock: 8, sentAt: 1 }), DELIVERED);
    expect(times.ops.stages[Stage.Send]?.sumMicros).toBe(1_200);
  });

  it.each([
    ['commit', { commit: 80_000 }, 'raft@m3', /from the commit/],
    ['publish', { publish: 80_000 }, 'storage@m3', /to apply the entry/],
    ['publish', { publish: 80_000, compaction: 50_000 }, 'storage@m3', /busy with a compaction for 50 ms of it/],
    ['match', { match: 80_000 }, 'watch@m2', /find its watchers/],
    ['send', { sentAt: 900_000 }, 'proxy@m1', /on its way to the watchers/],
  ] as const)('name the stage %s when it took most: %j', (stage, fields, process, reason) => {
    const { deliver, stamps, slow } = setUp();
    deliver(stamps(fields), DELIVERED);
    expect(slow).toMatchObject([{ cause: { stage, process }, member: 'm1' }]);
    expect(slow[0]?.cause.reason).toMatch(reason);
  });

  it('name the client whose stream was full, once it reads again', () => {
    const { times, stamps, slow, pass } = setUp();
    const blocked = times.blockedNow('10.0.0.9:1', stamps());
    pass(80_000);
    expect(slow).toEqual([]);
    times.ended(blocked);
    expect(slow).toMatchObject([
      { totalMicros: 80_100, remote: '10.0.0.9:1', cause: { stage: 'send', process: 'client 10.0.0.9:1' } },
    ]);
    expect(slow[0]?.cause.reason).toBe(
      'waited 80 ms for the client at 10.0.0.9:1, which reads slowly: its stream was full',
    );
  });

  it('name a hub that was late even if the client did not read either', () => {
    const { times, stamps, slow, pass } = setUp();
    const blocked = times.blockedNow('10.0.0.9:1', stamps({ match: 900_000 }));
    pass(80_000);
    times.ended(blocked);
    expect(slow).toMatchObject([{ cause: { stage: 'match', process: 'watch@m2' } }]);
  });

  it('name a client that never reads once, while it lasts', () => {
    const { times, slow, pass } = setUp();
    const blocked = times.blockedNow('10.0.0.9:1', undefined);
    times.sweep();
    pass(10_000_000);
    times.sweep();
    times.sweep();
    times.ended(blocked);
    expect(slow).toMatchObject([{ totalMicros: 10_000_000, cause: { stage: 'send', process: 'client 10.0.0.9:1' } }]);
  });

  it('say nothing of a stream that was full for a moment', () => {
    const { times, stamps, slow, pass } = setUp();
    const blocked = times.blockedNow('10.0.0.9:1', stamps());
    pass(100);
    times.ended(blocked);
    times.sweep();
    expect(slow).toEqual([]);
  });

  it('are accounted for together, by the timer at the latest', () => {
    const { times, stamps } = setUp();
    for (let i = 0; i < 63; i++) times.delivered(stamps(), DELIVERED);
    expect(times.ops.total.count).toBe(0);
    times.delivered(stamps(), DELIVERED);
    expect(times.ops.total.count).toBe(64 * 3);
    times.delivered(stamps(), DELIVERED);
    times.settle();
    expect(times.ops.total.count).toBe(65 * 3);
  });

  it('are looked at one by one for so many slow deliveries of a second only', () => {
    const { times, deliver, stamps, slow, pass } = setUp();
    for (let i = 0; i < 200; i++) deliver(stamps({ match: 80_000 }), DELIVERED);
    expect(slow).toHaveLength(50);
    pass(1_000_001);
    deliver(stamps({ match: 80_000 }), DELIVERED);
    expect(slow).toHaveLength(51);
    expect(times.ops.total.count).toBe(603);
  });
});
