import { decodeTxnResponse } from '../../proto/gen/etcdserverpb';

/**
 * Looks into answers without building objects: the generator shares the processors with the servers, so what it spends on
 * an answer is taken from them. Each function says in its name what it looks for; anything unexpected is undefined.
 */

const HEADER_TAG = 0x0a;
const REVISION_TAG = 0x18;
const SUCCEEDED_TAG = 0x10;
const EVENT_TAG = 0x5a;
const CREATED_TAG = 0x18;
const CANCELED_TAG = 0x20;

/** A varint below 2^53 at `at`; the position behind it is in `position.at`. */
function varint(bytes: Uint8Array, position: { at: number }): number {
  let value = 0;
  let factor = 1;
  for (;;) {
    const byte = bytes[position.at++];
    if (byte === undefined) return Number.NaN;
    value += (byte & 0x7f) * factor;
    if (byte < 0x80) return value;
    factor *= 128;
  }
}

function skipVarint(bytes: Uint8Array, position: { at: number }): void {
  while ((bytes[position.at++] ?? 0) >= 0x80);
}

/** Positions `position` behind the field whose tag was just read. */
function skip(bytes: Uint8Array, tag: number, position: { at: number }): void {
  if ((tag & 7) === 0) skipVarint(bytes, position);
  else if ((tag & 7) === 2) {
    const length = varint(bytes, position);
    position.at += length;
  } else position.at = bytes.length;
}

/** The revision of the header that any answer begins with. */
export function revisionOf(response: Uint8Array): number | undefined {
  if (response[0] !== HEADER_TAG) return undefined;
  const position = { at: 1 };
  const end = varint(response, position) + position.at;
  while (position.at < end) {
    const tag = varint(response, position);
    if (tag === REVISION_TAG) return varint(response, position);
    skip(response, tag, position);
  }
  return undefined;
}

/** Whether the compares of a transaction held. */
export function txnSucceeded(response: Uint8Array): boolean {
  if (response[0] !== HEADER_TAG) return false;
  const position = { at: 1 };
  const length = varint(response, position);
  const at = position.at + length;
  return response[at] === SUCCEEDED_TAG && response[at + 1] === 1;
}

/** The mod revision of the key that a transaction's failure branch read; undefined: it read none. */
export function modRevisionRead(response: Uint8Array): number | undefined {
  const kv = decodeTxnResponse(response).responses[0]?.responseRange?.kvs[0];
  return kv === undefined ? undefined : Number(kv.modRevision);
}

export interface WatchMessage {
  created: boolean;
  canceled: boolean;
  /** Where each event ends in the message. */
  readonly eventEnds: number[];
}

/** Finds a watch message's flags and the ends of its events. `into` is filled anew and may be used again. */
export function scanWatchMessage(message: Uint8Array, into: WatchMessage): void {
  into.created = false;
  into.canceled = false;
  into.eventEnds.length = 0;
  const position = { at: 0 };
  while (position.at < message.length) {
    const tag = varint(message, position);
    const from = position.at;
    skip(message, tag, position);
    if (tag === EVENT_TAG) into.eventEnds.push(position.at);
    else if (tag === CREATED_TAG) into.created = message[from] === 1;
    else if (tag === CANCELED_TAG) into.canceled = message[from] === 1;
  }
}
