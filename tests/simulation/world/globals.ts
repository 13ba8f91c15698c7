import crypto = require('node:crypto');
import type { SimEvent } from './event-queue';
import { ProcessEnded, type SimProcess } from './process';
import type { World } from './world';

/** Turns of a process's event loop take this long, milliseconds: what arrives meanwhile is one batch. */
const TURN_MS = 0.02;
/** 2026-01-01. */
const WALL_START = 1_767_225_600_000;

class Handle {
  constructor(readonly event: { current: SimEvent }) {}
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }
  hasRef(): boolean {
    return true;
  }
}

/**
 * Gives the product's code simulated time: timers, turns, clocks and random numbers are the world's from now on. The code
 * itself is not changed, so what runs is what ships. Returns what undoes it.
 */
export function installGlobals(world: World): () => void {
  const globals = globalThis as unknown as Record<string, unknown>;
  const patches: (readonly [target: Record<string, unknown>, name: string, value: unknown])[] = [
    ...Object.entries(timers(world)).map(([name, value]) => [globals, name, value] as const),
    [performance as unknown as Record<string, unknown>, 'now', () => localNow(world)],
    [Date as unknown as Record<string, unknown>, 'now', () => wallNow(world)],
    [Math as unknown as Record<string, unknown>, 'random', () => world.random.next()],
    [process as unknown as Record<string, unknown>, 'nextTick', nextTick(world)],
    [crypto as unknown as Record<string, unknown>, 'randomInt', randomInt(world)],
    [crypto as unknown as Record<string, unknown>, 'randomBytes', randomBytes(world)],
  ];
  const before = patches.map(([target, name]) => [target, name, target[name]] as const);
  for (const [target, name, value] of patches) target[name] = value;
  const onRejection = (error: unknown): void => {
    if (!(error instanceof ProcessEnded)) world.fail(error);
  };
  process.on('unhandledRejection', onRejection);
  return () => {
    process.off('unhandledRejection', onRejection);
    for (const [target, name, value] of before) target[name] = value;
  };
}

function timers(world: World): Record<string, unknown> {
  const clear = (handle: unknown): void => {
    if (handle instanceof Handle) handle.event.current.cancelled = true;
  };
  const once = (delay: number, run: () => void): Handle => {
    const owner = world.current;
    if (owner !== undefined && !owner.alive) return deadHandle();
    return new Handle({ current: world.after(delay, owner, run) });
  };
  return {
    setTimeout: (run: (...args: unknown[]) => void, delay = 1, ...args: unknown[]) =>
      once(simulated(world, Math.max(1, delay)), () => run(...args)),
    setImmediate: (run: (...args: unknown[]) => void, ...args: unknown[]) => once(TURN_MS, () => run(...args)),
    setInterval: (run: (...args: unknown[]) => void, delay = 1, ...args: unknown[]) =>
      repeated(world, Math.max(1, delay), () => run(...args)),
    clearTimeout: clear,
    clearInterval: clear,
    clearImmediate: clear,
  };
}

function repeated(world: World, delay: number, run: () => void): Handle {
  const owner = world.current;
  if (owner !== undefined && !owner.alive) return deadHandle();
  const next = (): SimEvent => world.after(simulated(world, delay), owner, fire);
  const fire = (): void => {
    // Set before the call, which may clear it.
    handle.event.current = next();
    run();
  };
  const handle = new Handle({ current: next() });
  return handle;
}

function deadHandle(): Handle {
  return new Handle({
    current: { at: 0, order: 0, process: undefined, run: () => undefined, cancelled: true, done: false },
  });
}

/** Milliseconds of the running process's clock, in simulated time. */
function simulated(world: World, delay: number): number {
  const owner = world.current;
  return owner === undefined ? delay : delay / owner.machine.rate;
}

function localNow(world: World): number {
  const owner = world.current;
  return owner === undefined ? world.now : owner.machine.localNow;
}

function wallNow(world: World): number {
  return WALL_START + Math.floor(world.now) + (world.current?.machine.wallOffset ?? 0);
}

function nextTick(world: World): (run: (...args: unknown[]) => void, ...args: unknown[]) => void {
  return (run, ...args) => {
    const owner: SimProcess | undefined = world.current;
    world.tick(owner, () => run(...args));
  };
}

function randomInt(world: World): (min: number, max?: number) => number {
  return (min, max) => {
    const from = max === undefined ? 0 : min;
    const to = max ?? min;
    return from + Math.floor(world.random.next() * (to - from));
  };
}

function randomBytes(world: World): (size: number) => Buffer {
  return (size) => Buffer.from(Array.from({ length: size }, () => world.random.below(256)));
}
