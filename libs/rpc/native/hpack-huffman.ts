/** The Huffman code of RFC 7541, Appendix B. */
import { HpackError } from './hpack-error';

/**
 * Code length in bits of each octet, the last is EOS. The code is canonical (codes of one length ascend with the symbol),
 * so the lengths say all.
 */
// biome-ignore format: a table
const codeLengths: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,
];

const eos = 256;
const codes = canonicalCodes();

/**
 * Decoding by whole octets: `steps[node * 256 + octet]` is, for a code that ends within the octet,
 * `symbol << 8 | bits used`, else minus the next node.
 */
let steps: Int32Array | undefined;

function canonicalCodes(): Uint32Array {
  const result = new Uint32Array(257);
  const symbols = codeLengths.map((_, symbol) => symbol);
  symbols.sort((a, b) => (codeLengths[a] as number) - (codeLengths[b] as number) || a - b);
  let code = 0;
  let length = codeLengths[symbols[0] as number] as number;
  for (const symbol of symbols) {
    const next = codeLengths[symbol] as number;
    code <<= next - length;
    length = next;
    result[symbol] = code++;
  }
  return result;
}

function buildSteps(): Int32Array {
  const nodes: Int32Array[] = [new Int32Array(256)];
  for (let symbol = 0; symbol <= eos; symbol++) {
    let node = nodes[0] as Int32Array;
    let left = codeLengths[symbol] as number;
    const code = codes[symbol] as number;
    while (left > 8) {
      left -= 8;
      const octet = (code >>> left) & 0xff;
      if (node[octet] === 0) {
        node[octet] = -nodes.length;
        nodes.push(new Int32Array(256));
      }
      node = nodes[-(node[octet] as number)] as Int32Array;
    }
    const first = (code << (8 - left)) & 0xff;
    node.fill((symbol << 8) | left, first, first + (1 << (8 - left)));
  }
  const flat = new Int32Array(nodes.length * 256);
  nodes.forEach((node, index) => flat.set(node, index * 256));
  return flat;
}

let scratch = Buffer.allocUnsafeSlow(4096);

/** Octets as a Latin-1 string. Throws HpackError for EOS inside and for padding that is not EOS's first bits. */
export function huffmanDecode(bytes: Uint8Array, start: number, end: number): string {
  steps ??= buildSteps();
  // The shortest code has 5 bits.
  const capacity = Math.ceil(((end - start) * 8) / 5);
  if (scratch.length < capacity) scratch = Buffer.allocUnsafeSlow(capacity);
  let length = 0;
  let node = 0;
  let bits = 0;
  let count = 0;
  // Bits read since the last symbol: what is left at the end must be padding.
  let open = 0;
  for (let at = start; at < end; at++) {
    bits = ((bits << 8) | (bytes[at] as number)) & 0xffff;
    count += 8;
    open += 8;
    while (count >= 8) {
      const step = steps[node * 256 + ((bits >>> (count - 8)) & 0xff)] as number;
      if (step < 0) {
        node = -step;
        count -= 8;
        continue;
      }
      const symbol = step >>> 8;
      if (symbol === eos) throw new HpackError('EOS in a Huffman string');
      scratch[length++] = symbol;
      count -= step & 0xff;
      node = 0;
      open = count;
    }
  }
  // Fewer than 8 bits are left: either whole short codes or padding.
  while (count > 0) {
    const step = steps[node * 256 + ((bits << (8 - count)) & 0xff)] as number;
    if (step < 0 || (step & 0xff) > count) break;
    scratch[length++] = step >>> 8;
    count -= step & 0xff;
    node = 0;
    open = count;
  }
  if (open > 7) throw new HpackError('Huffman padding longer than 7 bits');
  const mask = (1 << count) - 1;
  if ((bits & mask) !== mask) throw new HpackError('Huffman padding is not EOS');
  return scratch.toString('latin1', 0, length);
}

/** Length in octets of `text` (Latin-1) when encoded. */
export function huffmanLength(text: string): number {
  let bits = 0;
  for (let i = 0; i < text.length; i++) bits += codeLengths[text.charCodeAt(i) & 0xff] as number;
  return (bits + 7) >>> 3;
}

/** Writes `text` (Latin-1) at `at`, which must have room; returns the position after it. */
export function huffmanEncode(text: string, target: Uint8Array, at: number): number {
  let position = at;
  let held = 0;
  let count = 0;
  for (let i = 0; i < text.length; i++) {
    const symbol = text.charCodeAt(i) & 0xff;
    let left = codeLengths[symbol] as number;
    const code = codes[symbol] as number;
    // Eight bits at a time: 7 held and 30 new ones would not fit an int32.
    while (left > 0) {
      const take = Math.min(left, 8);
      left -= take;
      held = (held << take) | ((code >>> left) & ((1 << take) - 1));
      count += take;
      if (count >= 8) {
        count -= 8;
        target[position++] = (held >>> count) & 0xff;
        held &= (1 << count) - 1;
      }
    }
  }
  if (count > 0) target[position++] = ((held << (8 - count)) | ((1 << (8 - count)) - 1)) & 0xff;
  return position;
}
