/**
 * Rendezvous hashing: every proxy finds by itself the hub of a range, equal ranges meet on one hub, and when a hub comes or goes
 * only the ranges that it gains or loses move. (Thaler and Ravishankar, "Using name-based mappings to increase hit rates",
 * 1998.)
 */

/** 32-bit FNV-1a. */
export function hashOf(...parts: readonly Uint8Array[]): number {
  let hash = 0x811c9dc5;
  for (const part of parts) {
    for (const byte of part) hash = Math.imul(hash ^ byte, 0x01000193);
    hash = Math.imul(hash ^ part.length, 0x01000193);
  }
  return hash >>> 0;
}

export interface Place {
  readonly name: string;
  /** `hashOf` its name. */
  readonly seed: number;
}

/** Where what has this hash belongs; undefined only of an empty list. */
export function placeOf<T extends Place>(places: Iterable<T>, hash: number): T | undefined {
  let best: T | undefined;
  let bestScore = -1;
  for (const place of places) {
    const score = mix(hash ^ place.seed);
    if (score < bestScore || (score === bestScore && best !== undefined && place.name < best.name)) continue;
    best = place;
    bestScore = score;
  }
  return best;
}

/** MurmurHash3's finalizer: every bit of the input changes about half of the bits of the result. */
function mix(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
