import { Reader, WireError } from '../../../libs/wire';

/** Keys in an etcdserverpb.RangeResponse, without looking into them. */
export function rangeKeysOf(response: Uint8Array): number {
  try {
    const reader = new Reader(response);
    let keys = 0;
    while (reader.pos < reader.end) {
      const tag = reader.tag();
      if (tag === 0x12) keys++;
      reader.skip(tag);
    }
    return keys;
  } catch (error) {
    if (error instanceof WireError) return -1;
    throw error;
  }
}
