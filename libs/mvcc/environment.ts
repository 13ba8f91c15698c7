/** What the store borrows from the machine it runs on: pure functions that a native one makes much faster. */
export interface Environment {
  /** CRC-32 (IEEE) of the bytes. */
  readonly crc32: (bytes: Uint8Array) => number;
  /** One character of code 0–255 per byte, so that the order of strings is the order of the bytes. */
  readonly latin1: (bytes: Uint8Array) => string;
}

/** The stored bytes are not what was written. Ends the process: the store is to be fetched anew from the leader. */
export class CorruptionError extends Error {
  override readonly name = 'CorruptionError';
}

/** A broken invariant. */
export function assert(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`store invariant broken: ${what}`);
}
