import type { FailpointName } from './points';
import { sleepMs, type Term, Terms } from './terms';

/** How a process does what terms ask for. */
export interface FailpointHost {
  /** Ends the whole member, as a crash does: nothing is flushed or finished. */
  panic(message: string): never;
  /** Holds this thread. */
  sleep(ms: number): void;
  later(ms: number, then: () => void): void;
  print(message: string): void;
  /** Waits for a debugger. */
  breakpoint(): void;
  /** 0 ≤ x < 1. */
  random(): number;
}

/** What `return` gives at a point; without a value: true. */
export type FailpointValue = string | number | boolean;

let host: FailpointHost | undefined;

/** To be called once by a process, before anything is set. */
export function installFailpointHost(own: FailpointHost): void {
  host = own;
}

/**
 * A place in the code at which a test can make a process die or wait. Unset, as it always is in production, it costs a read of
 * one property.
 */
export class Failpoint {
  private terms: Terms | undefined;

  constructor(readonly name: FailpointName) {}

  /**
   * The code has come here. `sleep` holds the thread, so that the process stands still; `return` gives a value, which most points
   * have no use for.
   */
  reach(): FailpointValue | undefined {
    return this.terms === undefined ? undefined : this.carryOut(this.terms);
  }

  /** Goes on with `next`, at once unless a `sleep` is set: then later, and the process does other things meanwhile. */
  reachThen(next: () => void): void {
    if (this.terms === undefined) return next();
    const term = this.terms.next();
    if (term?.action === 'sleep') return hosted().later(sleepMs(term.value) ?? 0, next);
    if (term !== undefined) this.act(term);
    next();
  }

  /** The same for code that can wait for a promise. */
  pass(): Promise<void> {
    return new Promise((resolve) => {
      this.reachThen(resolve);
    });
  }

  get isSet(): boolean {
    return this.terms !== undefined;
  }

  /** What is set and how often it was carried out; undefined: nothing. */
  get setting(): Readonly<Pick<Terms, 'text' | 'count'>> | undefined {
    return this.terms;
  }

  /** @throws SyntaxError */
  set(text: string): void {
    const own = hosted();
    this.terms = new Terms(text, () => own.random());
  }

  clear(): void {
    this.terms = undefined;
  }

  private carryOut(terms: Terms): FailpointValue | undefined {
    const term = terms.next();
    if (term?.action === 'sleep') hosted().sleep(sleepMs(term.value) ?? 0);
    else if (term !== undefined) return this.act(term);
    return undefined;
  }

  private act({ action, value }: Term): FailpointValue | undefined {
    if (action === 'panic') hosted().panic(`failpoint panic: ${value === undefined ? this.name : String(value)}`);
    if (action === 'print') hosted().print(`failpoint print: ${this.name}`);
    if (action === 'break') hosted().breakpoint();
    return action === 'return' ? (value ?? true) : undefined;
  }
}

function hosted(): FailpointHost {
  if (host === undefined) throw new Error('failpoints are set in a process that cannot carry them out');
  return host;
}

/** Those of this process: a module that has a point is in it. */
const registered = new Map<string, Failpoint>();

/** The point of this name. A module asks for its own when it is loaded. */
export function failpoint(name: FailpointName): Failpoint {
  let point = registered.get(name);
  if (point === undefined) {
    point = new Failpoint(name);
    registered.set(name, point);
  }
  return point;
}

/** undefined: no module of this process has it. */
export function registeredFailpoint(name: string): Failpoint | undefined {
  return registered.get(name);
}
