import type { Fault, FaultSite } from './fault';

/** Somebody sets a wall clock: nothing may notice. */
export function wallClockJump(site: FaultSite): Fault {
  return {
    name: 'wall clock jumps',
    weight: 2,
    inject: () => {
      const { machine } = site.random.pick(site.members);
      machine.wallOffset += site.between(-1, 1) * site.random.pick([1_000, 3_600_000, 400 * 86_400_000]);
      return true;
    },
  };
}

/** A machine's clock, and so its ticks, run up to 1 % fast or slow from now on. */
export function clockDrift(site: FaultSite): Fault {
  return {
    name: 'clock runs fast or slow',
    weight: 2,
    inject: () => {
      site.random.pick(site.members).machine.setRate(site.between(0.99, 1.01));
      return true;
    },
  };
}
