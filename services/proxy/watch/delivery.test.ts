import fc from 'fast-check';
import { decodeWatchResponse, encodeWatchResponse } from '../../../proto/gen/etcdserverpb';
import type { HubDelivery } from '../../../proto/gen/hexad';
import { encodeEvent } from '../../../proto/gen/mvccpb';
import { Delivery } from './delivery';

const IDS = { clusterId: 0xffff_ffff_ffff_fff1n, memberId: 7n };

function content(fields: Partial<HubDelivery>): HubDelivery {
  return {
    targets: [],
    targetSet: new Uint8Array(0),
    events: [],
    revision: 9,
    created: false,
    canceled: false,
    compactRevision: 0,
    cancelReason: '',
    progress: false,
    raftTerm: 3,
    ...fields,
  };
}

/** An event as the hub gives it: a whole `events` field. */
function eventField(value: string): { field: Uint8Array; event: { kv: { key: Uint8Array; value: Uint8Array } } } {
  const event = { kv: { key: Buffer.from('k'), value: Buffer.from(value) } };
  const bytes = encodeEvent(event);
  return { field: encodeWatchResponse({ events: [event] }).slice(-bytes.length - 2), event };
}

describe("a hub's delivery", () => {
  it('becomes the response that a plain encoder makes, for every watch id', () => {
    const id = fc.oneof(fc.integer(), fc.nat(300), fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n), fc.constant(2 ** 40));
    fc.assert(
      fc.property(
        fc.array(id, { minLength: 1 }),
        fc.boolean(),
        fc.array(fc.string({ maxLength: 50 })),
        (ids, created, values) => {
          const events = values.map(eventField);
          const delivery = new Delivery(content({ created, events: events.map(({ field }) => field) }), IDS);
          for (const watchId of [...ids, ...ids]) {
            const plain = encodeWatchResponse({
              header: { ...IDS, revision: 9, raftTerm: 3 },
              watchId,
              created,
              events: events.map(({ event }) => event),
            });
            expect(Buffer.from(delivery.message(watchId))).toEqual(Buffer.from(plain));
          }
        },
      ),
    );
  });

  it('keeps all its messages intact, however many are cut from one piece of memory', () => {
    const delivery = new Delivery(content({ events: [eventField('v'.repeat(100)).field] }), IDS);
    const ids = Array.from({ length: 300 }, (_, id) => id);
    const messages = ids.map((id) => delivery.message(id));
    expect(messages.map((message) => decodeWatchResponse(message).watchId)).toEqual(ids);
    for (const message of messages) {
      const { header, events } = decodeWatchResponse(message);
      expect(header?.revision).toBe(9);
      expect(Buffer.from(events[0]?.kv?.value ?? '').toString()).toBe('v'.repeat(100));
    }
  });

  it('gives streams whose watch has the same id the same bytes', () => {
    const delivery = new Delivery(content({ events: [eventField('v').field] }), IDS);
    const first = delivery.message(4);
    delivery.message(5);
    expect(delivery.message(4)).toBe(first);
  });

  it('tells why a watch was cancelled', () => {
    const fields = { canceled: true, compactRevision: 12, revision: 0 };
    expect(decodeWatchResponse(new Delivery(content(fields), IDS).message(1))).toMatchObject({
      watchId: 1,
      canceled: true,
      compactRevision: 12,
      header: { revision: 0, raftTerm: 3 },
    });
  });
});
