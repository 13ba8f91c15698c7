import { AsyncLocalStorage } from 'node:async_hooks';
import { Random } from '../../../libs/raft/testing/random';
import { EventQueue, type SimEvent } from './event-queue';
import { TraceHash } from './trace-hash';
import type { SimProcess } from './process';

/** Kept from before anybody replaces it: how the simulation lets promises run. */
const realSetImmediate = setImmediate;

/** Events after which promises are let run even if nobody asked for it. */
const EVENTS_PER_DRAIN = 64;

/**
 * Simulated time and everything that happens in it, all from one seed. An event belongs to a process, which may be dead or
 * stopped when its time comes. The process whose code runs follows promises too, so that a timer set behind an `await`
 * still dies with its process.
 */
export class World {
  /** Milliseconds since the start. */
  now = 0;
  readonly random: Random;
  readonly trace = new TraceHash();
  /** Events that ran: what a seed costs. */
  events = 0;
  private readonly queue = new EventQueue();
  private readonly context = new AsyncLocalStorage<SimProcess | undefined>();
  private readonly ticks: { readonly process: SimProcess | undefined; readonly run: () => void }[] = [];
  private wantsDrain = false;
  /** Whose event runs; undefined: none does, so that promises may. */
  private running: { readonly process: SimProcess | undefined } | undefined;
  private failure: unknown;

  constructor(seed: number) {
    this.random = new Random(seed);
  }

  /** Whose code runs. */
  get current(): SimProcess | undefined {
    return this.running === undefined ? this.context.getStore() : this.running.process;
  }

  /** Runs `run` in `delay` milliseconds as `process`; undefined: as the world itself, which never dies. */
  after(delay: number, process: SimProcess | undefined, run: () => void): SimEvent {
    return this.queue.add(this.now + Math.max(0, delay), process, run);
  }

  /** As `process.nextTick`: at the end of the event that runs. */
  tick(process: SimProcess | undefined, run: () => void): void {
    this.ticks.push({ process, run });
  }

  /** A promise was settled or made: let what waits for it run before the next event. */
  drainSoon(): void {
    this.wantsDrain = true;
  }

  /** Ends the run with this error; the first one counts. */
  fail(error: unknown): void {
    this.failure ??= error;
  }

  /** Runs as `process` at once. What it throws fails the run, unless the process is dead by then. */
  enter(process: SimProcess | undefined, run: () => void): void {
    const { running } = this;
    this.running = { process };
    this.context.run(process, () => this.guarded(process, run));
    this.running = running;
  }

  /** Lets time pass until `end`. Throws the error that fails the run. */
  async runUntil(end: number): Promise<void> {
    await this.drain();
    for (;;) {
      if (this.failure !== undefined) throw this.failure;
      const event = this.queue.takeUntil(end);
      if (event === undefined) break;
      this.now = event.at;
      this.events++;
      this.perform(event);
      if (this.wantsDrain || this.events % EVENTS_PER_DRAIN === 0) await this.drain();
    }
    await this.drain();
    if (this.failure !== undefined) throw this.failure;
    this.now = end;
  }

  /** Puts events of a process that was stopped back in their order. */
  reschedule(events: readonly SimEvent[]): void {
    for (const event of events) this.queue.add(this.now, event.process, event.run, event);
  }

  private perform(event: SimEvent): void {
    const { process, run } = event;
    if (process !== undefined && !process.alive) return;
    if (process !== undefined && process.isStopped) {
      process.deferred.push(event);
      return;
    }
    event.done = true;
    this.trace.add(this.now * 1000);
    this.enter(process, run);
    for (let next = this.ticks.shift(); next !== undefined; next = this.ticks.shift()) {
      if (next.process === undefined || next.process.alive) this.enter(next.process, next.run);
    }
  }

  private guarded(process: SimProcess | undefined, run: () => void): void {
    try {
      run();
    } catch (error) {
      if (process !== undefined && !process.alive) return;
      if (process === undefined) this.fail(error);
      else process.died(error);
    }
  }

  private async drain(): Promise<void> {
    this.wantsDrain = false;
    await new Promise<void>((resolve) => {
      realSetImmediate(resolve);
    });
    // What promises asked for by nextTick.
    for (let next = this.ticks.shift(); next !== undefined; next = this.ticks.shift()) {
      if (next.process === undefined || next.process.alive) this.enter(next.process, next.run);
    }
  }
}
