import type { Defect } from '../cluster/defects';

/** A defect that has to be caught, and how. */
export interface Canary {
  readonly defect: Defect;
  /** The properties that it breaks; `process`: a process that ends itself over it. The first to be noticed is caught. */
  readonly caughtBy: readonly string[];
  /** Seeds in which it must show. */
  readonly seedsMax: number;
  readonly minutes?: number;
  readonly faultEveryMs?: number;
  readonly members?: number;
  readonly walMs?: number;
  readonly upgrade?: boolean;
  /** The faults that bring it out; undefined: all. */
  readonly faults?: readonly string[];
}

/** Replaces a method of a class; returns what puts it back. */
export function replaceMethod<T extends object, K extends keyof T>(
  target: T,
  name: K,
  make: (before: T[K]) => T[K],
): () => void {
  const before = target[name];
  target[name] = make(before);
  return () => {
    target[name] = before;
  };
}
