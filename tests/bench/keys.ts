/** Keys of 8 bytes and values of 256, the data of all cases. */
export const KEYS = 100_000;
export const KEY_BYTES = 8;
export const VALUE = Buffer.alloc(256, 'v');

const ZERO = 0x30;

/** Writes key `number` (below 10^8) as decimal digits, so that keys sort as their numbers. */
export function writeKey(bytes: Uint8Array, at: number, number: number): void {
  let rest = number;
  for (let digit = at + KEY_BYTES - 1; digit >= at; digit--) {
    const quotient = Math.floor(rest / 10);
    bytes[digit] = ZERO + rest - quotient * 10;
    rest = quotient;
  }
}

export function keyAt(number: number): Buffer {
  const key = Buffer.alloc(KEY_BYTES);
  writeKey(key, 0, number);
  return key;
}

/** Spreads a sequence over the first `keys` keys without order; each comes once in `keys` steps, since 61,001 is prime. */
export function spread(sequence: number, keys = KEYS): number {
  return (sequence * 61_001) % keys;
}
