import {
  decodeDeleteRangeRequest,
  decodeRangeRequest,
  decodeTxnRequest,
  encodeDeleteRangeResponse,
  encodeLeaseGrantResponse,
  encodeRangeResponse,
  encodeTxnResponse,
  type RangeRequest,
  type RangeResponseInput,
  type RequestOp,
  type ResponseOpInput,
  type TxnRequest,
} from '../../../proto/gen/etcdserverpb';
import {
  decodeHubRequestBatch,
  encodeHubReplyBatch,
  EntryKind,
  type HubDeliveryInput,
  type HubRequest,
} from '../../../proto/gen/hexad';
import { encodeEvent, type KeyValue } from '../../../proto/gen/mvccpb';
import { acquireWriter } from '../../../libs/wire';
import type { Answer } from '../answer';
import type { Identity } from '../identity';
import { HubClient } from '../watch/hub-client';

interface Watch {
  readonly session: number;
  readonly watchId: number;
  readonly key: string;
  readonly end: string;
}

const EVENTS_TAG = 0x5a;
const latin = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

/** As much of a store as Lock and Election use: create revisions, transactions on them, watches. It answers at once. */
export class TinyStore {
  revision = 1;
  readonly keys = new Map<string, KeyValue>();
  readonly hub = new HubClient({ afterArrivals: (callback) => callback() });
  private readonly peer = this.hub.addHub('hub');
  private watches: Watch[] = [];
  private readonly history: { revision: number; key: string; event: Uint8Array }[] = [];

  readonly writes = { submit: (...args: [number, Uint8Array, Identity, Answer]): void => this.submit(...args) };
  readonly reads = {
    linearizable: (_method: number, payload: Uint8Array, _identity: Identity, answer: Answer): void => {
      answer.reply(encodeRangeResponse(this.range(decodeRangeRequest(payload))));
    },
  };

  constructor() {
    this.peer.opened((message) => {
      for (const request of decodeHubRequestBatch(message).requests) this.watch(request);
    });
  }

  get names(): string[] {
    return [...this.keys.keys()];
  }

  delete(key: string): void {
    if (!this.keys.delete(key)) return;
    this.revision++;
    this.tell(key, encodeEvent({ type: 1, kv: { key: Buffer.from(key, 'latin1'), modRevision: this.revision } }));
  }

  private submit(kind: number, body: Uint8Array, _identity: Identity, answer: Answer): void {
    if (kind === EntryKind.ENTRY_TXN) answer.reply(this.txn(decodeTxnRequest(body)));
    else if (kind === EntryKind.ENTRY_LEASE_GRANT) answer.reply(encodeLeaseGrantResponse({ ID: 0xabcn }));
    else {
      this.delete(latin(decodeDeleteRangeRequest(body).key));
      answer.reply(encodeDeleteRangeResponse({ header: this.header() }));
    }
  }

  private txn({ compare, success, failure }: TxnRequest): Uint8Array {
    const succeeded = compare.every(
      ({ key, createRevision }) => (this.keys.get(latin(key))?.createRevision ?? 0) === createRevision,
    );
    const responses = (succeeded ? success : failure).map((op) => this.operate(op));
    return encodeTxnResponse({ header: this.header(), succeeded, responses });
  }

  private operate({ requestRange, requestPut, requestDeleteRange }: RequestOp): ResponseOpInput {
    if (requestRange !== undefined) return { responseRange: this.range(requestRange) };
    if (requestPut !== undefined) this.put(latin(requestPut.key), requestPut.value, requestPut.lease);
    if (requestDeleteRange !== undefined) this.delete(latin(requestDeleteRange.key));
    return requestPut === undefined ? { responseDeleteRange: {} } : { responsePut: {} };
  }

  private put(key: string, value: Uint8Array, lease: bigint): void {
    this.revision++;
    const createRevision = this.keys.get(key)?.createRevision ?? this.revision;
    const kv = {
      key: Buffer.from(key, 'latin1'),
      value,
      lease,
      createRevision,
      modRevision: this.revision,
      version: 1,
    };
    this.keys.set(key, kv);
    this.tell(key, encodeEvent({ type: 0, kv }));
  }

  private range(request: RangeRequest): RangeResponseInput {
    const { key, rangeEnd, maxCreateRevision, sortOrder, limit } = request;
    const found = [...this.keys].filter(([name]) => isIn(name, latin(key), latin(rangeEnd))).map(([, kv]) => kv);
    const kept = found.filter((kv) => maxCreateRevision === 0 || kv.createRevision <= maxCreateRevision);
    const direction = sortOrder === 2 ? -1 : 1;
    kept.sort((a, b) => direction * (Number(a.createRevision) - Number(b.createRevision)));
    return { header: this.header(), kvs: limit > 0 ? kept.slice(0, Number(limit)) : kept, count: found.length };
  }

  private header(): { revision: number } {
    return { revision: this.revision };
  }

  private watch({ session, create, endSession }: HubRequest): void {
    if (endSession) this.watches = this.watches.filter((watch) => watch.session !== session);
    if (create === undefined) return;
    const watch = { session, watchId: create.watchId, key: latin(create.key), end: latin(create.rangeEnd) };
    this.watches.push(watch);
    this.deliver(watch, { created: true, revision: this.revision });
    for (const { revision, key, event } of this.history) {
      if (revision >= create.startRevision && isIn(key, watch.key, watch.end)) {
        this.deliver(watch, { events: [event], revision });
      }
    }
  }

  private tell(key: string, encoded: Uint8Array): void {
    const w = acquireWriter();
    w.bytes(encoded);
    w.uint32(EVENTS_TAG);
    const event = new Uint8Array(w.finish());
    this.history.push({ revision: this.revision, key, event });
    for (const watch of this.watches) {
      if (isIn(key, watch.key, watch.end)) this.deliver(watch, { events: [event], revision: this.revision });
    }
  }

  private deliver({ session, watchId }: Watch, delivery: HubDeliveryInput): void {
    // As over a link: never before the request that caused it has returned.
    const message = encodeHubReplyBatch({ deliveries: [{ ...delivery, targets: [{ session, watchId }] }] });
    setImmediate(() => this.peer.onMessage(message));
  }
}

function isIn(key: string, from: string, end: string): boolean {
  return end === '' ? key === from : key >= from && key < end;
}
