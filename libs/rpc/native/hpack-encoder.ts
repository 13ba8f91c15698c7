import { huffmanEncode, huffmanLength } from './hpack-huffman';
import { defaultTableSize, entryOverhead, firstDynamicIndex, staticTable } from './hpack-static';

const staticByField = new Map<string, number>();
const staticByName = new Map<string, number>();
staticTable.forEach(([name, value], i) => {
  staticByField.set(keyOf(name, value), i + 1);
  if (!staticByName.has(name)) staticByName.set(name, i + 1);
});

/** NUL occurs in no field. */
function keyOf(name: string, value: string): string {
  return `${name}\0${value}`;
}

/**
 * HPACK encoder (RFC 7541) of one connection. Fields that repeat are put into the dynamic table on first use, then cost one
 * octet; values that change from call to call must be written with `index` false.
 * A block must be sent in the order it was encoded.
 */
export class HpackEncoder {
  /** Grows with each change of the dynamic table: an encoded block without insertions may be repeated while it is unchanged. */
  generation = 0;
  #buffer = Buffer.allocUnsafe(256);
  #length = 0;
  /** Insertion number of each entry in the dynamic table. */
  readonly #entries = new Map<string, number>();
  readonly #names = new Map<string, number>();
  /** Oldest first. */
  #queue: Array<{ readonly name: string; readonly key: string; readonly size: number }> = [];
  #inserted = 0;
  #size = 0;
  #maxSize = defaultTableSize;
  #sizeUpdate: number | undefined;

  /** The peer's SETTINGS_HEADER_TABLE_SIZE. A larger table than the default is not used. */
  setMaxSize(size: number): void {
    const next = Math.min(size, defaultTableSize);
    if (next === this.#maxSize) return;
    this.#maxSize = next;
    this.#sizeUpdate = Math.min(this.#sizeUpdate ?? next, next);
    this.#evictTo(next);
    this.generation++;
  }

  /** Starts a block. */
  begin(): void {
    this.#length = 0;
    if (this.#sizeUpdate === undefined) return;
    this.#integer(0x20, 5, this.#sizeUpdate);
    if (this.#sizeUpdate !== this.#maxSize) this.#integer(0x20, 5, this.#maxSize);
    this.#sizeUpdate = undefined;
    this.generation++;
  }

  /** Ends the block. The bytes are valid until the next `begin`. */
  finish(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Opens the block with fields that were encoded before, under the same `generation`. */
  repeat(block: Uint8Array): void {
    this.#reserve(block.length);
    this.#buffer.set(block, this.#length);
    this.#length += block.length;
  }

  field(name: string, value: string, index: boolean): void {
    const key = keyOf(name, value);
    const fixed = staticByField.get(key);
    if (fixed !== undefined) return this.#integer(0x80, 7, fixed);
    const known = this.#entries.get(key);
    if (known !== undefined) return this.#integer(0x80, 7, this.#indexOf(known));
    const size = name.length + value.length + entryOverhead;
    const insert = index && size <= this.#maxSize / 4;
    this.#literal(insert, name, value);
    if (insert) this.#insert(name, key, size);
  }

  #literal(insert: boolean, name: string, value: string): void {
    const known = this.#names.get(name);
    const nameIndex = staticByName.get(name) ?? (known === undefined ? 0 : this.#indexOf(known));
    if (insert) this.#integer(0x40, 6, nameIndex);
    else this.#integer(0, 4, nameIndex);
    if (nameIndex === 0) this.#string(name, insert);
    this.#string(value, insert);
  }

  #indexOf(inserted: number): number {
    return firstDynamicIndex + this.#inserted - inserted;
  }

  #insert(name: string, key: string, size: number): void {
    this.generation++;
    this.#evictTo(this.#maxSize - size);
    this.#inserted++;
    this.#entries.set(key, this.#inserted);
    this.#names.set(name, this.#inserted);
    this.#queue.push({ name, key, size });
    this.#size += size;
  }

  #evictTo(size: number): void {
    while (this.#size > size) {
      const oldest = this.#queue.shift();
      if (oldest === undefined) throw new Error('the table has a size but no entry');
      const inserted = this.#entries.get(oldest.key);
      this.#entries.delete(oldest.key);
      if (this.#names.get(oldest.name) === inserted) this.#names.delete(oldest.name);
      this.#size -= oldest.size;
    }
  }

  /** Huffman coding costs more than it saves where a value is sent once; entries of the table are sent compressed. */
  #string(text: string, compress: boolean): void {
    const packed = compress ? huffmanLength(text) : text.length;
    if (packed < text.length) {
      this.#integer(0x80, 7, packed);
      this.#reserve(packed);
      this.#length = huffmanEncode(text, this.#buffer, this.#length);
      return;
    }
    this.#integer(0, 7, text.length);
    this.#reserve(text.length);
    this.#length += this.#buffer.write(text, this.#length, 'latin1');
  }

  #integer(pattern: number, prefixBits: number, value: number): void {
    this.#reserve(6);
    const mask = (1 << prefixBits) - 1;
    if (value < mask) {
      this.#buffer[this.#length++] = pattern | value;
      return;
    }
    this.#buffer[this.#length++] = pattern | mask;
    let rest = value - mask;
    while (rest >= 128) {
      this.#buffer[this.#length++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#buffer[this.#length++] = rest;
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#length + bytes));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }
}
