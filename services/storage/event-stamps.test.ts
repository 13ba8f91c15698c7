import type { BusyPeriod } from '../../libs/attribution';
import { EventStamps } from './event-stamps';

function setUp(compaction?: BusyPeriod) {
  let host = 1_000_000;
  const stamps = new EventStamps(
    () => ({ host, clock: 7, wall: 9_000_000 + host }),
    () => compaction,
  );
  return { stamps, pass: (micros: number) => void (host += micros) };
}

describe('stage stamps of events in storage', () => {
  it('are those of the oldest delivery that has not been published', () => {
    const { stamps, pass } = setUp();
    stamps.received(5, 30, 999_900);
    pass(1_000);
    stamps.received(8, 40, 1_000_950);
    pass(500);
    expect(stamps.publish()).toEqual({
      timing: { commit: 30, publish: 1_600, compaction: 0, sentAt: 1_001_500, clock: 7, sentAtWall: 10_001_500 },
      committedAtMicros: 10_001_500 - 1_630,
    });
    stamps.applied(7);
    expect(stamps.publish()?.timing).toMatchObject({ commit: 40, publish: 550 });
    stamps.applied(8);
    expect(stamps.publish()).toBeUndefined();
  });

  it('take a time of another clock for that of the arrival', () => {
    const { stamps, pass } = setUp();
    stamps.received(5, 30, 77_000_000_000_000);
    pass(100);
    expect(stamps.publish()?.timing).toMatchObject({ publish: 100 });
  });

  it('say what of the time went into a compaction', () => {
    const { stamps, pass } = setUp({ from: 1_000_000, to: 1_400_000, busy: 400_000 });
    stamps.received(5, 30, 1_000_000);
    pass(500_000);
    expect(stamps.publish()?.timing).toMatchObject({ publish: 500_000, compaction: 400_000 });
  });

  it('are not there when raft tells nothing, or after the link to raft has broken', () => {
    const { stamps } = setUp();
    stamps.received(5, 0, 0);
    expect(stamps.publish()).toBeUndefined();
    stamps.received(5, 0, 1_000_000);
    stamps.reset();
    expect(stamps.publish()).toBeUndefined();
  });
});
