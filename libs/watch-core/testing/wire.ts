import { decodeHubDelivery as decode, type HubDelivery } from '../../../proto/gen/hexad';
import { encodeKeyValue } from '../../../proto/gen/mvccpb';

export function decodeHubDelivery(bytes: Uint8Array): HubDelivery {
  return decode(bytes);
}

/** An encoded mvccpb.KeyValue; short, so that its length fits one byte. */
export function encodeKeyValueForTest(key: Uint8Array, revision: number, value: string): Uint8Array {
  return encodeKeyValue({ key, modRevision: revision, value: new TextEncoder().encode(value) });
}
