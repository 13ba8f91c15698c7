import { acquireWriter } from '../../../libs/wire';
import { type ResponseHeaderInput, type WatchResponseInput, writeWatchResponse } from '../../../proto/gen/etcdserverpb';
import type { HubDelivery } from '../../../proto/gen/hexad';
import type { DeliveryStamps } from '../attribution/watch-times';

/**
 * A WatchResponse whose `events` fields (number 11, the last) are already encoded, one whole event each. `from` and `to`
 * choose a part of them.
 */
export function encodeWatchResponse(
  fields: WatchResponseInput,
  events: readonly Uint8Array[],
  from = 0,
  to = events.length,
): Uint8Array {
  const w = acquireWriter();
  for (let i = to - 1; i >= from; i--) w.raw(events[i] as Uint8Array);
  writeWatchResponse(w, fields);
  return w.finish();
}

/** `header` (field 1) comes before the watch id (field 2), all else after it. */
interface Envelope {
  readonly head: Uint8Array;
  readonly tail: Uint8Array;
}

const NO_BYTES = new Uint8Array(0);
const WATCH_ID_TAG = 0x10;
/** Tag and varint of a watch id up to 2^31 - 1. */
const WATCH_ID_BYTES_MAX = 6;
/**
 * Messages of one delivery are cut from slabs of about this size: an allocation each would cost more than the copy. A client
 * that does not read keeps a whole slab for each message that waits for it, so they are not large.
 */
const SLAB_BYTES = 16 * 1024;

/**
 * One answer of the hub, shared by all its targets: everything but the watch id is encoded once, and streams whose watch
 * has the same id get the same bytes.
 */
export class Delivery {
  private envelope: Envelope | undefined;
  private slab: Uint8Array = NO_BYTES;
  private slabAt = 0;
  private readonly byId = new Map<number | bigint, Uint8Array>();

  constructor(
    readonly content: HubDelivery,
    private readonly ids: { readonly clusterId: bigint; readonly memberId: bigint },
    /** Of the live events in the message that it came with. */
    readonly stamps?: DeliveryStamps,
  ) {}

  /** The answer as one WatchResponse for the client's watch `watchId`. */
  message(watchId: number | bigint): Uint8Array {
    let message = this.byId.get(watchId);
    if (message === undefined) {
      this.envelope ??= this.encodeEnvelope();
      message = this.insertWatchId(this.envelope, watchId);
      this.byId.set(watchId, message);
    }
    return message;
  }

  private insertWatchId({ head, tail }: Envelope, watchId: number | bigint): Uint8Array {
    if (typeof watchId === 'bigint' || watchId < 0 || watchId > 0x7fffffff) {
      return watchId === 0n ? this.message(0) : insertAnyWatchId(head, tail, watchId); // a zero field is left out
    }
    const start = this.reserve(head.length + WATCH_ID_BYTES_MAX + tail.length);
    const { slab } = this;
    slab.set(head, start);
    let at = start + head.length;
    if (watchId !== 0) {
      slab[at++] = WATCH_ID_TAG;
      let rest = watchId;
      for (; rest >= 128; rest >>>= 7) slab[at++] = (rest & 127) | 128;
      slab[at++] = rest;
    }
    slab.set(tail, at);
    this.slabAt = at + tail.length;
    return new Uint8Array(slab.buffer, slab.byteOffset + start, this.slabAt - start);
  }

  /** Where the next message of at most `bytes` goes. */
  private reserve(bytes: number): number {
    if (this.slabAt + bytes <= this.slab.length) return this.slabAt;
    // The first message gets a slab of its own size, since most deliveries have one target.
    this.slab = Buffer.allocUnsafe(this.slab === NO_BYTES ? bytes : Math.max(bytes, SLAB_BYTES));
    return 0;
  }

  private encodeEnvelope(): Envelope {
    const { created, canceled, compactRevision, cancelReason, events } = this.content;
    return {
      head: encodeWatchResponse({ header: this.header() }, []),
      tail: encodeWatchResponse({ created, canceled, compactRevision, cancelReason }, events),
    };
  }

  /** The same in pieces below `bytesMax`, cut between events; a single larger event is a piece of its own. */
  fragments(watchId: number | bigint, bytesMax: number): Uint8Array[] {
    const { events } = this.content;
    const whole = this.message(watchId);
    if (whole.length < bytesMax || events.length < 2) return [whole];
    const room = bytesMax - (whole.length - totalLength(events));
    const pieces: Uint8Array[] = [];
    for (let from = 0; from < events.length; ) {
      let to = from + 1;
      let size = (events[from] as Uint8Array).length;
      while (to < events.length && size + (events[to] as Uint8Array).length < room) {
        size += (events[to] as Uint8Array).length;
        to++;
      }
      const fragment = to < events.length;
      pieces.push(encodeWatchResponse({ ...this.fields(watchId), fragment }, events, from, to));
      from = to;
    }
    return pieces;
  }

  private fields(watchId: number | bigint): WatchResponseInput {
    const { created, canceled, compactRevision, cancelReason } = this.content;
    return { header: this.header(), watchId, created, canceled, compactRevision, cancelReason };
  }

  private header(): ResponseHeaderInput {
    const { revision, raftTerm } = this.content;
    return { ...this.ids, revision, raftTerm };
  }
}

function totalLength(events: readonly Uint8Array[]): number {
  let total = 0;
  for (const event of events) total += event.length;
  return total;
}

function insertAnyWatchId(head: Uint8Array, tail: Uint8Array, watchId: number | bigint): Uint8Array {
  const w = acquireWriter(); // writes from the end to the start
  w.raw(tail);
  w.int64(watchId);
  w.uint32(WATCH_ID_TAG);
  w.raw(head);
  return w.finish();
}
