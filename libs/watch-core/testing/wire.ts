import { type Delivery, encodeDeliveries, type WatchOutput, WHOLE_SESSION } from '..';
import { decodeHubReplyBatch, decodeHubTargets, type HubDelivery } from '../../../proto/gen/hexad';
import { decodeEvent, type Event, encodeKeyValue } from '../../../proto/gen/mvccpb';

/** The delivery as a proxy sees it. */
export function overTheWire(delivery: Delivery): HubDelivery {
  const batch = decodeHubReplyBatch(encodeDeliveries([delivery], { raftTerm: 7, clusterId: 1n, memberId: 2n }));
  const [wire] = batch.deliveries as [HubDelivery]; // one was encoded
  return { ...wire, targets: [...wire.targets, ...decodeHubTargets(wire.targetSet).targets] };
}

/** An encoded mvccpb.KeyValue; short, so that its length fits one byte. */
export function encodeKeyValueForTest(key: Uint8Array, revision: number, value: string): Uint8Array {
  return encodeKeyValue({ key, modRevision: revision, value: new TextEncoder().encode(value) });
}

/** One encoded field 11 of WatchResponse. */
export function decodeEventField(bytes: Uint8Array): Event {
  if (bytes[0] !== 0x5a) throw new Error('not an events field');
  let at = 1;
  while (((bytes[at] as number) & 0x80) !== 0) at += 1;
  return decodeEvent(bytes.subarray(at + 1));
}

const text = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes);

/** One line for a scenario. Watchers are named connection/session#watch. */
export function describeOutput(output: WatchOutput): string {
  switch (output.kind) {
    case 'deliver':
      return `${targetsOf(output.delivery)}: ${contentOf(output.delivery)}`;
    case 'readHistory': {
      const { from, to, key, rangeEnd, prevKv, id } = output.request;
      const range = key.length === 0 ? 'everything' : `[${text(key)},${text(rangeEnd).replace('\0', '\\0')})`;
      return `read ${id}: history ${from}..${to} of ${range}${prevKv ? ' with prev_kv' : ''}`;
    }
    case 'moreHistory':
      return `read ${output.id}: next chunk`;
    case 'cancelHistory':
      return `read ${output.id}: cancel`;
    case 'readStatus':
      return "ask for the store's revision";
    case 'turn':
      return 'ask for a turn';
    case 'follow':
      return output.events ? 'tell storage to send events' : 'tell storage that nobody watches';
  }
}

function targetsOf({ connection, targets }: Delivery): string {
  return targets
    .map(({ session, watchId }) => `${connection}/${session}${watchId === WHOLE_SESSION ? '' : `#${watchId}`}`)
    .join(' ');
}

function contentOf(delivery: Delivery): string {
  const { created, canceled, progress, compactRevision, cancelReason, revision, events } = delivery;
  const parts = [
    created === true ? 'created' : '',
    canceled === true ? 'canceled' : '',
    progress === true ? 'progress' : '',
    compactRevision === undefined ? '' : `compacted ${compactRevision}`,
    cancelReason === undefined ? '' : `"${cancelReason}"`,
    ...events.map((bytes) => describeEvent(decodeEventField(bytes))),
    `@${revision}`,
  ];
  return parts.filter((part) => part !== '').join(' ');
}

function describeEvent({ type, kv, prevKv }: Event): string {
  const name = type === 1 ? `${text(kv?.key)} deleted` : text(kv?.value);
  return prevKv === undefined ? `<${name}>` : `<${name} was ${text(prevKv.value)}>`;
}
