import {
  type FailpointHost,
  type FailpointSettings,
  installFailpointHost,
  registeredFailpoint,
} from '../../failpoints';

const EXIT_PANIC = 2; // a Go program's that panics
/** How long a thread that is held goes without looking for orders. */
const HELD_SLICE_MS = 10;

export interface FailpointHostOptions {
  /** Told of a panic before the process dies: the member has to die with it. */
  readonly onPanic: (message: string) => void;
  readonly print: (message: string) => void;
  /** While the thread is held, orders are taken all the same. */
  readonly whileHeld: () => void;
}

/** Lets this process carry out what is set at its failpoints. */
export function hostFailpoints(options: FailpointHostOptions): void {
  installFailpointHost(createFailpointHost(options));
}

function createFailpointHost({ onPanic, print, whileHeld }: FailpointHostOptions): FailpointHost {
  const cell = new Int32Array(new SharedArrayBuffer(4));
  return {
    panic: (message) => {
      onPanic(message);
      process.kill(process.pid, 'SIGKILL');
      // The signal is delivered before the call returns; this is for the compiler.
      process.exit(EXIT_PANIC);
    },
    sleep: (ms) => {
      const until = performance.now() + ms;
      for (let left = ms; left > 0; left = until - performance.now()) {
        Atomics.wait(cell, 0, 0, Math.min(left, HELD_SLICE_MS));
        whileHeld();
      }
    },
    later: (ms, then) => void setTimeout(then, ms),
    print,
    breakpoint: () => process.kill(process.pid, 'SIGUSR1'),
    random: Math.random,
  };
}

/** Sets points of this process. Those that it does not have, and terms that make no sense, are said and passed over. */
export function applyFailpointSettings(settings: FailpointSettings, warn: (message: string) => void): void {
  for (const [name, terms] of Object.entries(settings)) {
    const { error } = carryOutOrder({ op: 'set', name, terms });
    if (error !== undefined) warn(`${name}=${terms}: ${error}`);
  }
}

export type FailpointOrder =
  | { readonly op: 'set'; readonly name: string; readonly terms: string }
  | { readonly op: 'clear' | 'status'; readonly name: string };

export interface FailpointReply {
  readonly error?: string;
  /** What is set; undefined: nothing. */
  readonly terms?: string;
  readonly count?: number;
}

export const NO_SUCH_FAILPOINT = 'failpoint: failpoint does not exist';
export const FAILPOINT_DISABLED = 'failpoint: failpoint is disabled';

/** Does to a point of this process what is asked. */
export function carryOutOrder(order: FailpointOrder): FailpointReply {
  const point = registeredFailpoint(order.name);
  if (point === undefined) return { error: NO_SUCH_FAILPOINT };
  if (order.op === 'set') return setPoint(point, order.terms);
  if (point.setting === undefined) return { error: FAILPOINT_DISABLED };
  if (order.op === 'status') return { terms: point.setting.text, count: point.setting.count };
  point.clear();
  return {};
}

function setPoint(point: NonNullable<ReturnType<typeof registeredFailpoint>>, terms: string): FailpointReply {
  try {
    point.set(terms);
    return {};
  } catch (error) {
    if (error instanceof SyntaxError) return { error: error.message };
    throw error;
  }
}
