const SLAB_BYTES = 1024 * 1024;
const ALIGN_BYTES = 8;

/**
 * Hands out pieces of 1 MB slabs, uninitialised. A slab is freed when its last piece is: batches are cached and evicted
 * in the order they were made, so memory follows the cache's budget, and a batch costs no allocation of its own.
 */
export function createSlabAllocator(): (bytes: number) => Uint8Array {
  let slab = new Uint8Array(0);
  let used = 0;
  return (bytes) => {
    if (slab.length - used < bytes) {
      const fresh = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, bytes));
      // A plain view: slices of a Buffer are Buffers, which cost more to make.
      slab = new Uint8Array(fresh.buffer, fresh.byteOffset, fresh.length);
      used = 0;
    }
    const piece = slab.subarray(used, used + bytes);
    used += Math.ceil(bytes / ALIGN_BYTES) * ALIGN_BYTES;
    return piece;
  };
}
