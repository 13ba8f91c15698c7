import type { SimEvent } from './event-queue';
import type { World } from './world';

/** Thrown by `fatal`, to get out of the code that called it. */
export class ProcessEnded extends Error {
  override readonly name = 'ProcessEnded';
}

/** A computer: its clocks, and the processes that stop or die with it. */
export class Machine {
  readonly processes = new Set<SimProcess>();
  /** How fast its clock runs. */
  private speed = 1;
  /** Milliseconds by which the wall clock is off. Nothing may depend on it. */
  wallOffset = 0;
  /** Called at each point of disk I/O, with its name; may crash the machine there. */
  onIo: (point: string) => void = () => undefined;

  constructor(
    readonly world: World,
    readonly name: string,
    private clockStart: number,
  ) {}

  get rate(): number {
    return this.speed;
  }

  /** From now on; the clock itself does not jump. */
  setRate(rate: number): void {
    this.clockStart += this.world.now * (this.speed - rate);
    this.speed = rate;
  }

  /** What `performance.now()` says here. */
  get localNow(): number {
    return this.clockStart + this.world.now * this.speed;
  }

  /** Loses all processes at once. */
  die(): void {
    for (const process of this.processes) process.end();
  }
}

/** One process of a member: dead, running or stopped (SIGSTOP). */
export class SimProcess {
  alive = true;
  /** What came while it was stopped. */
  readonly deferred: SimEvent[] = [];
  private stops = 0;
  /** Runs when the process has ended, for whatever reason. */
  onEnd: () => void = () => undefined;
  /** The process ended itself: by `fatal`, or by an error nobody caught. */
  onFatal: (error: unknown) => void = (error) => this.machine.world.fail(error);

  constructor(
    readonly machine: Machine,
    readonly name: string,
  ) {
    machine.processes.add(this);
  }

  get isStopped(): boolean {
    return this.stops > 0;
  }

  stop(): void {
    this.stops++;
  }

  /** Goes on with what has come meanwhile. */
  resume(): void {
    if (this.stops > 0) this.stops--;
    if (this.stops > 0 || !this.alive) return;
    this.machine.world.reschedule(this.deferred.splice(0));
  }

  /** Ends at once, as by SIGKILL: nothing that it still does has any effect. */
  end(): void {
    if (!this.alive) return;
    this.alive = false;
    this.deferred.length = 0;
    this.machine.processes.delete(this);
    this.onEnd();
  }

  /** For the code of the process: never returns. */
  readonly fatal = (error: unknown): never => {
    this.died(error);
    throw new ProcessEnded('the process has ended itself');
  };

  died(error: unknown): void {
    if (!this.alive || error instanceof ProcessEnded) return;
    this.end();
    this.onFatal(error);
  }
}
