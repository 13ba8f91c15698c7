const SLAB_BYTES = 128 * 1024;
const LARGE_BYTES = 16 * 1024;

/**
 * Many short byte arrays in one allocation: an array buffer of its own for each costs more (allocation, finalisation)
 * than what is usually done with it. A slab lives as long as any of its pieces, so pieces are for data that soon goes.
 */
export class Slab {
  private bytes = new Uint8Array(0);
  private used = 0;

  /** `size` bytes, zero. */
  take(size: number): Uint8Array {
    if (size > LARGE_BYTES) return new Uint8Array(size);
    if (this.used + size > this.bytes.length) {
      this.bytes = new Uint8Array(SLAB_BYTES);
      this.used = 0;
    }
    const from = this.used;
    this.used = from + size;
    return this.bytes.subarray(from, this.used);
  }

  copy(source: Uint8Array): Uint8Array {
    const piece = this.take(source.length);
    piece.set(source);
    return piece;
  }
}
