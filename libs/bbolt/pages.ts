import { ELEMENT_BYTES, PAGE_HEADER_BYTES, PageFlag, viewOf, writePageHeader } from './layout';

/** An element of a leaf page, or of a branch page when `child` is set (its value is then empty). */
export interface Element {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly flags: number;
  readonly child: number;
}

/** Bytes of an element in its page, of either kind. */
export function elementBytes(keyBytes: number, valueBytes: number): number {
  return ELEMENT_BYTES + keyBytes + valueBytes;
}

/** Writes a page of `target.length` bytes, which is a multiple of the page size or, inline in a bucket, what it takes. */
export function fillPage(
  target: Uint8Array,
  id: number,
  flags: number,
  overflow: number,
  elements: readonly Element[],
): void {
  const view = viewOf(target);
  writePageHeader(view, { id: BigInt(id), flags, count: elements.length, overflow });
  let element = PAGE_HEADER_BYTES;
  let data = PAGE_HEADER_BYTES + elements.length * ELEMENT_BYTES;
  for (const { key, value, flags: elementFlags, child } of elements) {
    // Positions count from the element itself.
    const position = data - element;
    if (flags === PageFlag.BRANCH) {
      view.setUint32(element, position, true);
      view.setUint32(element + 4, key.length, true);
      view.setBigUint64(element + 8, BigInt(child), true);
    } else {
      view.setUint32(element, elementFlags, true);
      view.setUint32(element + 4, position, true);
      view.setUint32(element + 8, key.length, true);
      view.setUint32(element + 12, value.length, true);
    }
    target.set(key, data);
    target.set(value, data + key.length);
    data += key.length + value.length;
    element += ELEMENT_BYTES;
  }
}
