import { type Delivery, encodeDeliveries } from '..';
import { decodeHubReplyBatch, type HubDelivery } from '../../../proto/gen/hexad';
import { encodeKeyValue } from '../../../proto/gen/mvccpb';

/** The delivery as a proxy sees it. */
export function overTheWire(delivery: Delivery): HubDelivery {
  const batch = decodeHubReplyBatch(encodeDeliveries([delivery], 7, 1n, 2n));
  return batch.deliveries[0] as HubDelivery; // one was encoded
}

/** An encoded mvccpb.KeyValue; short, so that its length fits one byte. */
export function encodeKeyValueForTest(key: Uint8Array, revision: number, value: string): Uint8Array {
  return encodeKeyValue({ key, modRevision: revision, value: new TextEncoder().encode(value) });
}
