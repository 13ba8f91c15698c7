import { acquireWriter } from '../../../libs/wire';
import { type ResponseHeaderInput, type WatchResponseInput, writeWatchResponse } from '../../../proto/gen/etcdserverpb';
import type { HubDelivery } from '../../../proto/gen/hexad';

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

/** One answer of the hub, shared by all its targets: streams whose watch has the same id get the same bytes. */
export class Delivery {
  private sharedId: number | bigint | undefined;
  private shared: Uint8Array | undefined;

  constructor(
    readonly content: HubDelivery,
    private readonly ids: { readonly clusterId: bigint; readonly memberId: bigint },
  ) {}

  /** The answer as one WatchResponse for the client's watch `watchId`. */
  message(watchId: number | bigint): Uint8Array {
    if (this.shared !== undefined && this.sharedId === watchId) return this.shared;
    this.shared = encodeWatchResponse(this.fields(watchId), this.content.events);
    this.sharedId = watchId;
    return this.shared;
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
