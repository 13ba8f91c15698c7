import { NO_BYTES, sizeVarint, VarintReader, writeVarint } from './bytes';
import { assert, CorruptionError, type Environment } from './environment';
import { Slab } from './slab';
import type { StoredVersion } from './types';

/**
 * One version of one key, the same bytes in both tables:
 *
 *     CRC-32 of all that follows, little-endian │ flags u8 │ sub │ [ordinal │ links] │ encoded mvccpb.KeyValue
 *
 * All integers but the CRC are varints. The ordinal counts the versions of the key, tombstones included, from 1; a first
 * version has neither ordinal nor links. Links are distances to older versions of the key (main difference, sub): the
 * previous one, then for k = 1, 2, … the most recent earlier one whose ordinal is divisible by 16^k, as far as there is
 * one. So a version at any old revision is found in O(log n) look-ups without an index of its own (a skip list whose
 * towers are fixed by the ordinal).
 * The KeyValue comes last and in protobuf's canonical form, so that answers and events copy it as it is.
 */
const FORMAT = 0x10;
const FORMAT_MASK = 0xf0;
const TOMBSTONE = 1;
const PREVIOUS_IS_TOMBSTONE = 2;
const LINKED = 4;
const CRC_BYTES = 4;
const FLAGS = CRC_BYTES;
const HEADER_BYTES = 5;
const ANCHOR_BASE = 16;

const TAG_KEY = 0x0a;
const TAG_CREATE = 0x10;
const TAG_MOD = 0x18;
const TAG_VERSION = 0x20;
const TAG_VALUE = 0x2a;
const TAG_LEASE = 0x30;

/** Where a version is in history. */
export interface Place {
  readonly main: number;
  readonly sub: number;
}

/** A stored version with what only the store needs. */
export class Version implements StoredVersion {
  constructor(
    /** The whole record. */
    readonly bytes: Uint8Array,
    readonly kvStart: number,
    readonly isDelete: boolean,
    readonly sub: number,
    readonly ordinal: number,
    /** Previous version first, then the anchors by level. */
    readonly links: readonly Place[],
    readonly previousIsTombstone: boolean,
    private readonly keyStart: number,
    private readonly keyLength: number,
    readonly createRevision: number,
    readonly modRevision: number,
    readonly version: number,
    readonly lease: bigint,
    readonly valueStart: number,
    private readonly valueLength: number,
  ) {}

  // A view made when asked for: tens of thousands of versions wait for their commit, and views are bigger than most keys.
  get key(): Uint8Array {
    return this.bytes.subarray(this.keyStart, this.keyStart + this.keyLength);
  }

  get value(): Uint8Array {
    return this.valueLength === 0 ? NO_BYTES : this.bytes.subarray(this.valueStart, this.valueStart + this.valueLength);
  }

  get valueBytes(): number {
    return this.valueLength;
  }

  get kv(): Uint8Array {
    return this.bytes.subarray(this.kvStart);
  }

  get previousRevision(): number {
    return this.links[0]?.main ?? 0;
  }
}

const NO_LINKS: readonly Place[] = [];

/** How many anchors a version has: levels k ≥ 1 with an ordinal divisible by 16^k before its own. */
function anchorCount(ordinal: number): number {
  let count = 0;
  for (let step = ANCHOR_BASE; step < ordinal; step *= ANCHOR_BASE) count++;
  return count;
}

/** The links of the version that follows `previous`. */
function linksAfter(previous: Version): readonly Place[] {
  const self: Place = { main: previous.modRevision, sub: previous.sub };
  const count = anchorCount(previous.ordinal + 1);
  if (count === 0) return [self];
  const links = [self];
  let step = ANCHOR_BASE;
  for (let level = 1; level <= count; level++) {
    const anchor = previous.ordinal % step === 0 ? self : previous.links[level];
    assert(anchor !== undefined, 'a version has an anchor for each level below its ordinal');
    links.push(anchor);
    step *= ANCHOR_BASE;
  }
  return links;
}

/** Encodes versions into shared slabs: one allocation for hundreds of records. */
export class RecordEncoder {
  private readonly slab = new Slab();

  constructor(private readonly environment: Environment) {}

  /** `previous` is the version this one follows in the key's chain, live or tombstone; it must not be older than the compaction. */
  put(
    key: Uint8Array,
    value: Uint8Array,
    lease: bigint,
    createRevision: number,
    version: number,
    at: Place,
    previous: Version | undefined,
  ): Version {
    const leaseBits = BigInt.asUintN(64, lease);
    let kvBytes =
      4 + sizeVarint(key.length) + key.length + sizeVarint(createRevision) + sizeVarint(at.main) + sizeVarint(version);
    if (value.length > 0) kvBytes += 1 + sizeVarint(value.length) + value.length;
    if (leaseBits !== 0n) kvBytes += 1 + sizeBigVarint(leaseBits);
    const links = previous === undefined ? NO_LINKS : linksAfter(previous);
    const bytes = this.slab.take(HEADER_BYTES + headSize(at, previous, links) + kvBytes);
    const kvStart = writeHead(bytes, at, previous, links, 0);
    let pos = writeDelimited(bytes, kvStart, TAG_KEY, key);
    const keyStart = pos - key.length;
    bytes[pos++] = TAG_CREATE;
    pos = writeVarint(bytes, pos, createRevision);
    bytes[pos++] = TAG_MOD;
    pos = writeVarint(bytes, pos, at.main);
    bytes[pos++] = TAG_VERSION;
    pos = writeVarint(bytes, pos, version);
    if (value.length > 0) pos = writeDelimited(bytes, pos, TAG_VALUE, value);
    const valueStart = pos - value.length;
    if (leaseBits !== 0n) {
      bytes[pos++] = TAG_LEASE;
      pos = writeBigVarint(bytes, pos, leaseBits);
    }
    assert(pos === bytes.length, 'a record is as long as computed');
    this.seal(bytes);
    const ordinal = previous === undefined ? 1 : previous.ordinal + 1;
    return new Version(
      bytes,
      kvStart,
      false,
      at.sub,
      ordinal,
      links,
      previous?.isDelete ?? false,
      keyStart,
      key.length,
      createRevision,
      at.main,
      version,
      BigInt.asIntN(64, lease),
      valueStart,
      value.length,
    );
  }

  /** Without `previous` only for a deletion that was loaded after what it deleted had been compacted. */
  tombstone(at: Place, key: Uint8Array, previous: Version | undefined): Version {
    const links = previous === undefined ? NO_LINKS : linksAfter(previous);
    const kvBytes = 2 + sizeVarint(key.length) + key.length + sizeVarint(at.main);
    const bytes = this.slab.take(HEADER_BYTES + headSize(at, previous, links) + kvBytes);
    const kvStart = writeHead(bytes, at, previous, links, TOMBSTONE);
    let pos = writeDelimited(bytes, kvStart, TAG_KEY, key);
    const keyStart = pos - key.length;
    bytes[pos++] = TAG_MOD;
    pos = writeVarint(bytes, pos, at.main);
    this.seal(bytes);
    return new Version(
      bytes,
      kvStart,
      true,
      at.sub,
      previous === undefined ? 1 : previous.ordinal + 1,
      links,
      previous?.isDelete ?? false,
      keyStart,
      key.length,
      0,
      at.main,
      0,
      0n,
      pos,
      0,
    );
  }

  private seal(bytes: Uint8Array): void {
    const crc = this.environment.crc32(bytes.subarray(CRC_BYTES));
    bytes[0] = crc;
    bytes[1] = crc >>> 8;
    bytes[2] = crc >>> 16;
    bytes[3] = crc >>> 24;
  }
}

function headSize(at: Place, previous: Version | undefined, links: readonly Place[]): number {
  let size = sizeVarint(at.sub);
  if (previous === undefined) return size;
  size += sizeVarint(previous.ordinal + 1);
  for (const link of links) size += sizeVarint(at.main - link.main) + sizeVarint(link.sub);
  return size;
}

function writeHead(
  bytes: Uint8Array,
  at: Place,
  previous: Version | undefined,
  links: readonly Place[],
  flags: number,
): number {
  let pos = writeVarint(bytes, HEADER_BYTES, at.sub);
  if (previous === undefined) {
    bytes[FLAGS] = FORMAT | flags;
    return pos;
  }
  bytes[FLAGS] = FORMAT | flags | LINKED | (previous.isDelete ? PREVIOUS_IS_TOMBSTONE : 0);
  pos = writeVarint(bytes, pos, previous.ordinal + 1);
  for (const link of links) {
    pos = writeVarint(bytes, pos, at.main - link.main);
    pos = writeVarint(bytes, pos, link.sub);
  }
  return pos;
}

function writeDelimited(target: Uint8Array, at: number, tag: number, bytes: Uint8Array): number {
  target[at] = tag;
  const pos = writeVarint(target, at + 1, bytes.length);
  target.set(bytes, pos);
  return pos + bytes.length;
}

function sizeBigVarint(value: bigint): number {
  let size = 1;
  for (let rest = value >> 7n; rest > 0n; rest >>= 7n) size++;
  return size;
}

function writeBigVarint(target: Uint8Array, at: number, value: bigint): number {
  let pos = at;
  let rest = value;
  for (; rest >= 0x80n; rest >>= 7n) target[pos++] = Number(rest & 0x7fn) | 0x80;
  target[pos++] = Number(rest);
  return pos;
}

function readBigVarint(bytes: Uint8Array, at: number): bigint {
  let value = 0n;
  for (let i = 0; at + i < bytes.length && i < 10; i++) {
    const byte = bytes[at + i] as number;
    value |= BigInt(byte & 0x7f) << BigInt(7 * i);
    if (byte < 0x80) break;
  }
  return BigInt.asIntN(64, value);
}

/**
 * Reads a record, whose bytes must stay as they are. Throws CorruptionError when its checksum does not match; `where`
 * says in the message what was read.
 */
export function decodeRecord(bytes: Uint8Array, environment: Environment, where: () => string): Version {
  const flags = bytes[FLAGS];
  if (flags === undefined || environment.crc32(bytes.subarray(CRC_BYTES)) !== storedCrc(bytes))
    throw new CorruptionError(`checksum of ${where()} does not match`);
  if ((flags & FORMAT_MASK) !== FORMAT)
    throw new CorruptionError(`${where()} has record format ${flags >> 4}, which is unknown`);
  const reader = new VarintReader(bytes, HEADER_BYTES);
  const sub = reader.next();
  let ordinal = 1;
  const distances: number[] = [];
  if ((flags & LINKED) !== 0) {
    ordinal = reader.next();
    for (let left = 2 * (1 + anchorCount(ordinal)); left > 0; left--) distances.push(reader.next());
  }
  const kvStart = reader.pos;
  let keyStart = 0;
  let keyLength = 0;
  let createRevision = 0;
  let modRevision = 0;
  let version = 0;
  let lease = 0n;
  let valueStart = 0;
  let valueLength = 0;
  while (reader.pos < bytes.length) {
    const tag = bytes[reader.pos++] as number;
    if (tag === TAG_LEASE) {
      lease = readBigVarint(bytes, reader.pos);
      break;
    }
    const number = reader.next();
    if (tag === TAG_KEY) {
      keyStart = reader.pos;
      keyLength = number;
      reader.pos += number;
    } else if (tag === TAG_CREATE) createRevision = number;
    else if (tag === TAG_MOD) modRevision = number;
    else if (tag === TAG_VERSION) version = number;
    else {
      valueStart = reader.pos;
      valueLength = number;
      reader.pos += number;
    }
  }
  return new Version(
    bytes,
    kvStart,
    (flags & TOMBSTONE) !== 0,
    sub,
    ordinal,
    placesOf(distances, modRevision),
    (flags & PREVIOUS_IS_TOMBSTONE) !== 0,
    keyStart,
    keyLength,
    createRevision,
    modRevision,
    version,
    lease,
    valueStart,
    valueLength,
  );
}

function placesOf(distances: readonly number[], main: number): readonly Place[] {
  if (distances.length === 0) return NO_LINKS;
  const links: Place[] = [];
  for (let i = 0; i < distances.length; i += 2)
    links.push({ main: main - (distances[i] as number), sub: distances[i + 1] as number });
  return links;
}

/** The checksum in a record. */
export function storedCrc(bytes: Uint8Array): number {
  const low = (bytes[0] as number) | ((bytes[1] as number) << 8);
  return (low | ((bytes[2] as number) << 16) | ((bytes[3] as number) << 24)) >>> 0;
}

/** Whether a record is a tombstone; not checked. */
export function isTombstone(bytes: Uint8Array): boolean {
  return ((bytes[FLAGS] as number) & TOMBSTONE) !== 0;
}

/** Where a record says it belongs; not checked. */
export function placeIn(bytes: Uint8Array): Place {
  const reader = new VarintReader(bytes, HEADER_BYTES);
  const sub = reader.next();
  if (((bytes[FLAGS] as number) & LINKED) !== 0)
    for (let left = 2 * (1 + anchorCount(reader.next())); left > 0; left--) reader.next();
  // The key, then create_revision (a tombstone has none), then mod_revision.
  reader.pos++;
  const keyBytes = reader.next();
  reader.pos += keyBytes;
  if (bytes[reader.pos++] === TAG_CREATE) {
    reader.next();
    reader.pos++;
  }
  return { main: reader.next(), sub };
}
