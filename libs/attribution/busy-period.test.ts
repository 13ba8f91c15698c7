import { BusyPeriods, busyWithin } from './busy-period';

describe('periods of work that is done in slices', () => {
  it('take slices together that follow each other closely, and say what went into them', () => {
    const periods = new BusyPeriods();
    periods.note(1_000, 3_000);
    periods.note(5_000, 9_000);
    expect(periods.last(10_000)).toEqual({ from: 1_000, to: 9_000, busy: 6_000 });
  });

  it('begin anew after a pause', () => {
    const periods = new BusyPeriods();
    periods.note(1_000, 3_000);
    periods.note(100_000, 102_000);
    expect(periods.last(102_000)).toEqual({ from: 100_000, to: 102_000, busy: 2_000 });
  });

  it('are not told when they are short or long past, or when there were none', () => {
    const periods = new BusyPeriods();
    expect(periods.last(5)).toBeUndefined();
    periods.note(0, 999);
    expect(periods.last(1_000)).toBeUndefined();
    periods.note(1_000, 3_000);
    expect(periods.last(10_003_000)).toBeDefined();
    expect(periods.last(10_003_001)).toBeUndefined();
  });

  it.each([
    [0, 1_000, 0],
    [0, 2_000, 500],
    [2_000, 2_500, 250],
    [0, 9_000, 1_000],
    [3_000, 9_000, 0],
  ])('have a share of the time from %d to %d: %d', (from, to, share) => {
    expect(busyWithin({ from: 1_000, to: 3_000, busy: 1_000 }, from, to)).toBe(share);
  });

  it('have no share of anything when nothing is known', () => {
    expect(busyWithin(undefined, 0, 9)).toBe(0);
    expect(busyWithin({ from: 5, to: 5, busy: 0 }, 0, 9)).toBe(0);
  });
});
