import { CommitMoments } from './commit-moments';

function setUp() {
  let now = 1_000;
  const moments = new CommitMoments(() => now);
  return { moments, at: (micros: number) => void (now = micros) };
}

describe('moments of commits', () => {
  it('tell how long ago the first entry of a delivery was committed', () => {
    const { moments, at } = setUp();
    moments.advance(5);
    at(1_400);
    moments.advance(9);
    moments.advance(9);
    at(2_000);
    expect(moments.delivered(4, 7)).toEqual({ commitMicros: 1_000, sentAt: 2_000 });
    expect(moments.delivered(8, 9)).toEqual({ commitMicros: 600, sentAt: 2_000 });
  });

  it('say nothing of entries that are delivered once more', () => {
    const { moments, at } = setUp();
    moments.advance(5);
    moments.delivered(1, 5);
    at(9_000);
    expect(moments.delivered(1, 5)).toEqual({ commitMicros: 0, sentAt: 9_000 });
  });

  it('are bounded while nobody takes entries', () => {
    const { moments, at } = setUp();
    for (let index = 1; index <= 10_000; index++) {
      at(index * 10);
      moments.advance(index);
    }
    expect(moments.delivered(1, 1).commitMicros).toBe(4095 * 10);
  });
});
