import {
  crashAtIo,
  cutAllPower,
  cutPower,
  killMember,
  killProcess,
  restartBehindStopped,
  stopProcesses,
} from './crashes';
import { clockDrift, wallClockJump } from './clocks';
import { BitFlips, slowDisk } from './disks';
import type { Fault, FaultSite } from './fault';
import { transferLeadership } from './leadership';
import { breakLinksWithin, flakyMessages, oneWay, partition, resetConnections, slowNetwork } from './networks';

/** Lets faults happen one after the other, at random times. */
export class Injector {
  readonly counts = new Map<string, number>();
  /** Crashes by the point of I/O at which they came. */
  readonly ioPoints = new Map<string, number>();
  readonly bitFlips: BitFlips;
  private readonly faults: readonly Fault[];

  constructor(
    private readonly site: FaultSite,
    private readonly everyMs: number,
    /** Names of those that may happen; undefined: all. */
    only: readonly string[] | undefined,
  ) {
    this.bitFlips = new BitFlips(site);
    const all: readonly Fault[] = [
      killProcess(site),
      killMember(site),
      cutPower(site),
      cutAllPower(site),
      crashAtIo(site, this.ioPoints),
      stopProcesses(site),
      restartBehindStopped(site),
      partition(site),
      oneWay(site),
      flakyMessages(site),
      slowNetwork(site),
      resetConnections(site),
      breakLinksWithin(site),
      slowDisk(site),
      this.bitFlips,
      wallClockJump(site),
      clockDrift(site),
      transferLeadership(site),
    ];
    this.faults = only === undefined ? all : all.filter(({ name }) => only.includes(name));
  }

  get total(): number {
    let total = 0;
    for (const count of this.counts.values()) total += count;
    return total;
  }

  start(): void {
    this.next();
  }

  private next(): void {
    const { site } = this;
    site.world.after(this.everyMs * 2 * site.random.next(), undefined, () => {
      if (site.isHealed) return;
      this.injectOne();
      this.next();
    });
  }

  private injectOne(): void {
    const fault = this.draw();
    if (fault.inject()) this.counts.set(fault.name, (this.counts.get(fault.name) ?? 0) + 1);
  }

  private draw(): Fault {
    let sum = 0;
    for (const { weight } of this.faults) sum += weight;
    let at = this.site.random.next() * sum;
    for (const fault of this.faults) {
      at -= fault.weight;
      if (at < 0) return fault;
    }
    return this.faults[0] as Fault; // there are some
  }
}
