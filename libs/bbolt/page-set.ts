/** Pages that have been met, a bit each. */
export class PageSet {
  private readonly bits: Uint8Array;

  constructor(pages: number) {
    this.bits = new Uint8Array(Math.ceil(pages / 8));
  }

  /** Adds a run of pages; gives the first that was there already, and then adds no more. */
  add(first: number, count: number): number | undefined {
    for (let page = first; page < first + count; page++) {
      const byte = page >>> 3;
      const bit = 1 << (page & 7);
      const before = this.bits[byte] as number;
      if ((before & bit) !== 0) return page;
      this.bits[byte] = before | bit;
    }
    return undefined;
  }
}
