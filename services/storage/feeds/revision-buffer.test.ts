import fc from 'fast-check';
import { decodeEventBatch, encodeEventBatch } from '../../../proto/gen/hexad';
import { RevisionBuffer } from './revision-buffer';

const value = fc.uint8Array({ maxLength: 300 });
const number = fc.oneof(fc.nat(300), fc.nat(2 ** 31 - 1), fc.integer({ min: 2 ** 31, max: Number.MAX_SAFE_INTEGER }));
const event = fc.record({
  key: fc.uint8Array({ minLength: 1, maxLength: 40 }),
  isDelete: fc.boolean(),
  kv: fc.uint8Array({ minLength: 1, maxLength: 300 }),
  previousRevision: fc.oneof(fc.constant(0), number),
  prevKv: value,
});
const revision = fc.record({
  revision: number.map((n) => n || 1),
  events: fc.array(event, { minLength: 1, maxLength: 4 }),
});

describe('RevisionBuffer', () => {
  it('encodes what the generated codec decodes to the same, message after message', () => {
    const buffer = new RevisionBuffer();
    fc.assert(
      fc.property(fc.array(revision, { maxLength: 5 }), (revisions) => {
        for (const each of revisions) buffer.append(each.revision, each.events);
        const message = buffer.take(encodeEventBatch({ previousRevision: 7, raftTerm: 3 }));
        const expected = encodeEventBatch({ previousRevision: 7, raftTerm: 3, revisions });
        expect(decodeEventBatch(message)).toEqual(decodeEventBatch(expected));
        expect(message.length).toBe(expected.length);
        expect(buffer.length).toBe(0);
      }),
      { numRuns: 500 },
    );
  });

  it('grows for events larger than itself', () => {
    const buffer = new RevisionBuffer();
    const kv = new Uint8Array(6 * 1024 * 1024).fill(7);
    const large = { key: Uint8Array.of(1), isDelete: false, kv, previousRevision: 0, prevKv: new Uint8Array(0) };
    for (const number of [2, 3]) {
      buffer.append(number, [large]);
      const [decoded] = decodeEventBatch(buffer.take(new Uint8Array(0))).revisions;
      expect(decoded?.revision).toBe(number);
      expect(Buffer.compare(decoded?.events[0]?.kv as Uint8Array, kv)).toBe(0);
    }
  });
});
