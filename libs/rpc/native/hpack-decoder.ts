import { HpackError } from './hpack-error';
import { huffmanDecode } from './hpack-huffman';
import { defaultTableSize, entryOverhead, firstDynamicIndex, staticTable } from './hpack-static';

export type Field = readonly [name: string, value: string];

/** A decoded block. Blocks that repeat on a connection are decoded once and shared: treat as immutable. */
export class HeaderBlock {
  readonly fields: readonly Field[];
  /** True when the fields exceeded the limit: those over it are missing. */
  readonly tooLarge: boolean;
  /** Size as SETTINGS_MAX_HEADER_LIST_SIZE counts it. */
  readonly bytes: number;
  /** What the owner of the connection made of the fields; kept with the block so that it is worked out once. */
  meaning: unknown = undefined;

  constructor(fields: readonly Field[], tooLarge: boolean, bytes: number) {
    this.fields = fields;
    this.tooLarge = tooLarge;
    this.bytes = bytes;
  }
}

interface CachedBlock {
  readonly bytes: Uint8Array;
  /** The dynamic table's state that the block was decoded in. */
  readonly generation: number;
  readonly block: HeaderBlock;
}

const cacheSlots = 32;
const cachedBytesMax = 128;
/** A power of two that holds every entry a 4,096-octet table can. */
const ringSize = 128;

/**
 * HPACK decoder (RFC 7541) of one connection. Blocks that changed nothing in the dynamic table are cached by their bytes
 * for as long as the table stays as it is: a client that repeats itself is decoded by one comparison.
 */
export class HpackDecoder {
  readonly #maxListBytes: number;
  readonly #maxStringBytes: number;
  readonly #ring = Array.from({ length: ringSize }, (): Field | undefined => undefined);
  readonly #cache = Array.from({ length: cacheSlots }, (): CachedBlock | undefined => undefined);
  #newest = 0;
  #count = 0;
  #size = 0;
  #maxSize = defaultTableSize;
  /** Counts every change of the dynamic table. */
  #generation = 0;
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;

  /** `maxListBytes`: limit of SETTINGS_MAX_HEADER_LIST_SIZE, counted as there (32 more per field). */
  constructor(maxListBytes: number) {
    this.#maxListBytes = maxListBytes;
    this.#maxStringBytes = maxListBytes;
  }

  /** Throws HpackError. */
  decode(bytes: Uint8Array, start: number, end: number): HeaderBlock {
    const slot = slotOf(bytes, start, end);
    const cached = this.#cache[slot];
    if (cached !== undefined && cached.generation === this.#generation && same(cached.bytes, bytes, start, end)) {
      return cached.block;
    }
    const before = this.#generation;
    const block = this.#decode(bytes, start, end);
    if (this.#generation === before && end - start <= cachedBytesMax) {
      this.#cache[slot] = { bytes: Uint8Array.prototype.slice.call(bytes, start, end), generation: before, block };
    }
    return block;
  }

  #decode(bytes: Uint8Array, start: number, end: number): HeaderBlock {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
    const fields: Field[] = [];
    let listBytes = 0;
    let sizeUpdateAllowed = true;
    while (this.#at < end) {
      const first = bytes[this.#at] as number;
      if ((first & 0xe0) === 0x20) {
        if (!sizeUpdateAllowed) throw new HpackError('table size update after a field');
        this.#updateSize(this.#integer(5));
        continue;
      }
      sizeUpdateAllowed = false;
      const field = this.#field(first);
      listBytes += field[0].length + field[1].length + entryOverhead;
      if (listBytes <= this.#maxListBytes) fields.push(field);
    }
    return new HeaderBlock(fields, listBytes > this.#maxListBytes, listBytes);
  }

  #field(first: number): Field {
    if (first >= 0x80) return this.#entry(this.#integer(7));
    const incremental = first >= 0x40;
    const index = this.#integer(incremental ? 6 : 4);
    const name = index === 0 ? this.#string() : this.#entry(index)[0];
    const field: Field = [name, this.#string()];
    if (incremental) this.#insert(field);
    return field;
  }

  #entry(index: number): Field {
    if (index === 0) throw new HpackError('index 0');
    if (index < firstDynamicIndex) return staticTable[index - 1] as Field;
    const age = index - firstDynamicIndex;
    if (age >= this.#count) throw new HpackError(`index ${index} beyond the table`);
    return this.#ring[(this.#newest - age) & (ringSize - 1)] as Field;
  }

  #insert(field: Field): void {
    this.#generation++;
    const size = field[0].length + field[1].length + entryOverhead;
    this.#evictTo(this.#maxSize - size);
    if (size > this.#maxSize) return;
    this.#newest = (this.#newest + 1) & (ringSize - 1);
    this.#ring[this.#newest] = field;
    this.#count++;
    this.#size += size;
  }

  #evictTo(size: number): void {
    while (this.#count > 0 && this.#size > size) {
      const oldest = (this.#newest - this.#count + 1) & (ringSize - 1);
      const [name, value] = this.#ring[oldest] as Field;
      this.#ring[oldest] = undefined;
      this.#size -= name.length + value.length + entryOverhead;
      this.#count--;
    }
  }

  #updateSize(size: number): void {
    if (size > defaultTableSize) throw new HpackError(`table size ${size} over the limit`);
    this.#generation++;
    this.#maxSize = size;
    this.#evictTo(size);
  }

  #integer(prefixBits: number): number {
    const mask = (1 << prefixBits) - 1;
    let value = (this.#bytes[this.#at++] as number) & mask;
    if (value < mask) return value;
    for (let shift = 0; ; shift += 7) {
      if (this.#at >= this.#end) throw new HpackError('truncated integer');
      if (shift > 21) throw new HpackError('integer too large');
      const octet = this.#bytes[this.#at++] as number;
      value += (octet & 0x7f) << shift;
      if (octet < 128) return value;
    }
  }

  #string(): string {
    if (this.#at >= this.#end) throw new HpackError('truncated string');
    const huffman = (this.#bytes[this.#at] as number) >= 0x80;
    const length = this.#integer(7);
    const start = this.#at;
    if (start + length > this.#end) throw new HpackError('truncated string');
    if (length > this.#maxStringBytes) throw new HpackError('string over the limit');
    this.#at = start + length;
    if (huffman) return huffmanDecode(this.#bytes, start, this.#at);
    return latin1(this.#bytes, start, this.#at);
  }
}

function latin1(bytes: Uint8Array, start: number, end: number): string {
  if (bytes instanceof Buffer) return bytes.toString('latin1', start, end);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1', start, end);
}

function slotOf(bytes: Uint8Array, start: number, end: number): number {
  if (end === start) return 0;
  return (
    ((bytes[start] as number) * 7 +
      (bytes[end - 1] as number) * 3 +
      (bytes[(start + end) >>> 1] as number) +
      end -
      start) &
    (cacheSlots - 1)
  );
}

function same(cached: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (cached.length !== end - start) return false;
  for (let i = 0; i < cached.length; i++) {
    if (cached[i] !== bytes[start + i]) return false;
  }
  return true;
}
