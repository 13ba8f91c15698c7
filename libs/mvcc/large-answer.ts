import { sizeVarint, writeVarint } from './bytes';
import {
  boundsOf,
  isFiltered,
  kvWithoutValue,
  limitOf,
  passes,
  TAG_COUNT,
  TAG_HEADER,
  TAG_KVS,
  TAG_MORE,
} from './range';
import { keyAfter } from './range-scan';
import type { Version } from './record';
import type { LargeAnswer, RangeQuery } from './types';
import type { Versions } from './versions';

/** Where a pass over the range stands. */
interface Pass {
  start: Uint8Array | undefined;
  isAtEnd: boolean;
}

/**
 * The answer to a range that is too large to be held in memory: a first pass over the keys finds its size, which the length of a
 * message on the wire begins with, a second one gives its bytes. Both see the state at one revision, so they see the same.
 */
export class TwoPassAnswer implements LargeAnswer {
  count = 0;
  private kept = 0;
  private kvBytes = 0;
  private readonly start: Uint8Array | undefined;
  private readonly end: Uint8Array | undefined;
  private readonly limit: number;
  private readonly filtered: boolean;
  private readonly pass: Pass;
  private hasBegun = false;
  private hasEnded = false;
  private given = 0;

  constructor(
    private readonly versions: Versions,
    private readonly query: RangeQuery,
    private readonly revision: number,
    private readonly header: Uint8Array,
  ) {
    const bounds = boundsOf(query.key, query.rangeEnd) ?? { start: query.key, end: keyAfter(query.key) };
    this.start = bounds.start;
    this.end = bounds.end;
    this.limit = limitOf(query);
    this.filtered = isFiltered(query);
    this.pass = { start: this.start, isAtEnd: false };
  }

  get isCompacted(): boolean {
    return this.revision < this.versions.compactRevision;
  }

  get bytes(): number {
    return this.headBytes + this.kvBytes + this.tail().length;
  }

  measure(rowsMax: number): boolean {
    this.advance(rowsMax, (version) => {
      this.count++;
      if (!this.isKept(version)) return true;
      this.kept++;
      if (this.kept <= this.limit) this.kvBytes += this.sizeOf(version);
      return true;
    });
    if (!this.pass.isAtEnd) return false;
    this.pass.start = this.start;
    this.pass.isAtEnd = false;
    return true;
  }

  next(bytesMax: number): Uint8Array | undefined {
    if (this.hasEnded) return undefined;
    const parts: Uint8Array[] = [];
    let size = 0;
    const add = (part: Uint8Array): void => {
      parts.push(part);
      size += part.length;
    };
    if (!this.hasBegun) add(framed(TAG_HEADER, this.header));
    this.hasBegun = true;
    const wanted = Math.min(this.kept, this.limit);
    if (this.given < wanted)
      this.advance(Number.POSITIVE_INFINITY, (version) => {
        if (this.isKept(version)) {
          add(framed(TAG_KVS, this.query.keysOnly ? kvWithoutValue(version) : version.kv));
          this.given++;
        }
        return size < bytesMax && this.given < wanted;
      });
    if (this.given === wanted) {
      add(this.tail());
      this.hasEnded = true;
    }
    return joined(parts, size);
  }

  private isKept(version: Version): boolean {
    return !this.filtered || passes(this.query, version);
  }

  private get headBytes(): number {
    return 1 + sizeVarint(this.header.length) + this.header.length;
  }

  private sizeOf(version: Version): number {
    const { valueBytes } = version;
    const cut = this.query.keysOnly && valueBytes > 0 ? 1 + sizeVarint(valueBytes) + valueBytes : 0;
    const bytes = version.kv.length - cut;
    return 1 + sizeVarint(bytes) + bytes;
  }

  private tail(): Uint8Array {
    const bytes = new Uint8Array(12);
    let at = 0;
    if (this.kept > this.limit) {
      bytes[at++] = TAG_MORE;
      bytes[at++] = 1;
    }
    if (this.count > 0) {
      bytes[at++] = TAG_COUNT;
      at = writeVarint(bytes, at, this.count);
    }
    return bytes.subarray(0, at);
  }

  /** Goes on through the live keys until `visit` says to stop or enough rows were read. */
  private advance(rowsMax: number, visit: (version: Version) => boolean): void {
    const { pass, versions, revision } = this;
    const rows = versions.scan(pass.start, this.end);
    let left = rowsMax;
    try {
      while (rows.next()) {
        const version = versions.resolve(rows.version(), revision);
        const goesOn = version === undefined || visit(version);
        if (--left > 0 && goesOn) continue;
        pass.start = keyAfter(rows.key());
        return;
      }
      pass.isAtEnd = true;
    } finally {
      rows.close();
    }
  }
}

function framed(tag: number, bytes: Uint8Array): Uint8Array {
  const field = new Uint8Array(1 + sizeVarint(bytes.length) + bytes.length);
  field[0] = tag;
  field.set(bytes, writeVarint(field, 1, bytes.length));
  return field;
}

function joined(parts: readonly Uint8Array[], size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
