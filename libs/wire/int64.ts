import { WireError } from './wire-error';

/**
 * A 64-bit field whose values are nearly always small: a number when it is a safe integer, else a bigint. JavaScript's
 * comparison operators are exact between the two, so `a < b` needs no care; arithmetic does.
 */
export type Int64 = number | bigint;

const TWO_32 = 4294967296;

// One buffer seen as two words and as one 64-bit integer: the cheapest way between them (a single bigint is allocated).
const words = new Int32Array(2);
const unsignedView = new BigUint64Array(words.buffer);
const signedView = new BigInt64Array(words.buffer);
words[0] = 1;
if (unsignedView[0] !== 1n) throw new Error('libs/wire needs a little-endian machine');

export function unsignedFromWords(low: number, high: number): bigint {
  words[0] = low;
  words[1] = high;
  return unsignedView[0] as bigint;
}

export function signedFromWords(low: number, high: number): bigint {
  words[0] = low;
  words[1] = high;
  return signedView[0] as bigint;
}

/** Low word of the last `splitInt64`, as a signed 32-bit integer. */
export let splitLow = 0;
/** High word of the last `splitInt64`, as a signed 32-bit integer. */
export let splitHigh = 0;

/** Leaves the two's complement words of `value` in `splitLow` and `splitHigh`. Throws WireError if it needs over 64 bits. */
export function splitInt64(value: Int64): void {
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw new WireError(`${value} is not a safe integer`);
    const high = Math.floor(value / TWO_32);
    splitHigh = high | 0;
    splitLow = (value - high * TWO_32) | 0;
    return;
  }
  unsignedView[0] = value;
  if (unsignedView[0] !== value && signedView[0] !== value) throw new WireError(`${value} needs more than 64 bits`);
  splitLow = words[0] as number;
  splitHigh = words[1] as number;
}

/** The number if it is a safe integer, else throws WireError. */
export function unsignedNumber(low: number, high: number): number {
  if (high >>> 0 > 0x1fffff) throw new WireError(`integer beyond 2^53: ${unsignedFromWords(low, high)}`);
  return high * TWO_32 + (low >>> 0);
}

export function signedNumber(low: number, high: number): number {
  const value = high * TWO_32 + (low >>> 0);
  if (!Number.isSafeInteger(value)) throw new WireError(`integer beyond 2^53: ${signedFromWords(low, high)}`);
  return value;
}

export function unsignedMixed(low: number, high: number): Int64 {
  return high >>> 0 <= 0x1fffff ? high * TWO_32 + (low >>> 0) : unsignedFromWords(low, high);
}

export function signedMixed(low: number, high: number): Int64 {
  const value = high * TWO_32 + (low >>> 0);
  return Number.isSafeInteger(value) ? value : signedFromWords(low, high);
}
