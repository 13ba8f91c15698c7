import { concatBytes, copyBytes, equalBytes, NO_BYTES, VarintReader, writeVarint } from './bytes';
import { CorruptionError, type Environment } from './environment';
import type { Place } from './record';
import { EMPTY_HASH, STATE_HASH_VERSION, type StoredHash, UNKNOWN_HASH } from './state-hash';
import type { Position, SmallTableName } from './types';

/**
 * What is stored where; the only place that knows.
 *
 * | table   | key                                        | value                                        |
 * | ------- | ------------------------------------------ | -------------------------------------------- |
 * | Latest  | user key, long ones cut (long-keys.ts)     | record of the key's last version as of `indexedRevision` or later, tombstones too, until compacted (record.ts) |
 * | Long    | node id, rest of a long key                | the same                                     |
 * | History | place of the block's first version         | block of records (history-blocks.ts)         |
 * | Small   | table number u8, key                       | CRC-32 of key and value, value               |
 * | Small   | 0                                          | the state row, likewise                      |
 *
 * Version 1 is the first; its Latest is complete with every commit. In version 2, Latest may lack what is in history behind
 * `indexedRevision`. Version 3 has the rolling hash of the state. A change of any form gets a new version, and `decodeState` reads the older ones.
 */
export const SCHEMA_VERSION = 3;

export const SMALL_TABLE_NUMBERS: Readonly<Record<SmallTableName, number>> = {
  lease: 1,
  leaseKeys: 2,
  auth: 3,
  authUsers: 4,
  authRoles: 5,
  alarm: 6,
  members: 7,
  membersRemoved: 8,
  meta: 9,
};

export const STATE_KEY = Uint8Array.of(0);

/** The store was written by a later version of this software. */
export class NewerFormatError extends Error {
  override readonly name = 'NewerFormatError';
}

/** Everything about the store that is not a row; written with each commit. */
export interface State {
  readonly revision: number;
  /** Logged; −1 before the first. */
  readonly compactRevision: number;
  /** Physical deletion is complete up to here (−1: never ran) and, while one runs, stands at `cursor`. */
  readonly compactFinished: number;
  readonly compactCursor: Place | undefined;
  readonly applied: Position;
  readonly nextNode: number;
  /** Latest has the last version of every key as of this revision, or a later one. */
  readonly indexedRevision: number;
  /** After the applied entry. */
  readonly hash: StoredHash;
}

export const EMPTY_STATE: State = {
  revision: 1,
  compactRevision: -1,
  compactFinished: -1,
  compactCursor: undefined,
  applied: { index: 0, term: 0 },
  nextNode: 1,
  indexedRevision: 1,
  hash: EMPTY_HASH,
};

export function encodeState(state: State): Uint8Array {
  const { compactCursor: cursor, applied } = state;
  const numbers = [
    SCHEMA_VERSION,
    state.revision,
    state.compactRevision + 1,
    state.compactFinished + 1,
    cursor === undefined ? 0 : 1,
    cursor?.main ?? 0,
    cursor?.sub ?? 0,
    applied.index,
    applied.term,
    state.nextNode,
    state.indexedRevision,
    STATE_HASH_VERSION,
    state.hash.origin + 1,
    state.hash.high >>> 0,
    state.hash.low >>> 0,
  ];
  const bytes = new Uint8Array(numbers.length * 8);
  let pos = 0;
  for (const number of numbers) pos = writeVarint(bytes, pos, number);
  return bytes.subarray(0, pos);
}

export function decodeState(bytes: Uint8Array): State {
  const reader = new VarintReader(bytes, 0);
  const version = reader.next();
  if (version > SCHEMA_VERSION)
    throw new NewerFormatError(
      `the store has format version ${version}; this version of Hexad reads up to ${SCHEMA_VERSION}`,
    );
  const revision = reader.next();
  const compactRevision = reader.next() - 1;
  const compactFinished = reader.next() - 1;
  const hasCursor = reader.next() === 1;
  const cursor = { main: reader.next(), sub: reader.next() };
  const applied = { index: reader.next(), term: reader.next() };
  const nextNode = reader.next();
  const indexedRevision = version === 1 ? revision : reader.next();
  const hash = version < 3 ? UNKNOWN_HASH : readHash(reader);
  if (Number.isNaN(nextNode) || Number.isNaN(indexedRevision) || Number.isNaN(hash.low))
    throw new CorruptionError('the state row is too short');
  return {
    revision,
    compactRevision,
    compactFinished,
    compactCursor: hasCursor ? cursor : undefined,
    applied,
    nextNode,
    indexedRevision,
    hash,
  };
}

/** One that was made by other rules can't be gone on with. */
function readHash(reader: VarintReader): StoredHash {
  const version = reader.next();
  const hash = { origin: reader.next() - 1, high: reader.next(), low: reader.next() };
  if (Number.isNaN(hash.low)) return hash;
  return version === STATE_HASH_VERSION
    ? { origin: hash.origin, high: hash.high | 0, low: hash.low | 0 }
    : UNKNOWN_HASH;
}

const CRC_BYTES = 4;

/** A small row's stored value. */
export function sealSmall(key: Uint8Array, value: Uint8Array, environment: Environment): Uint8Array {
  const crc = environment.crc32(concatBytes(key, value));
  return concatBytes(Uint8Array.of(crc, crc >>> 8, crc >>> 16, crc >>> 24), value);
}

/** A copy of a small row's value. Throws CorruptionError. */
export function openSmall(key: Uint8Array, stored: Uint8Array, environment: Environment): Uint8Array {
  const value = stored.length < CRC_BYTES ? NO_BYTES : copyBytes(stored.subarray(CRC_BYTES));
  if (!equalBytes(sealSmall(key, value, environment), stored))
    throw new CorruptionError(`checksum of a row of small table ${key[0]} does not match`);
  return value;
}
