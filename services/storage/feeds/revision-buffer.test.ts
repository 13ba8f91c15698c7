import fc from 'fast-check';
import { decodeEventBatch, encodeEventBatch } from '../../../proto/gen/hexad';
import { RevisionBuffer, type RevisionBufferOptions } from './revision-buffer';

const NONE = new Uint8Array(0);
const number = fc.oneof(fc.nat(300), fc.nat(2 ** 31 - 1), fc.integer({ min: 2 ** 31, max: Number.MAX_SAFE_INTEGER }));
const kv = fc.uint8Array({ minLength: 1, maxLength: 300 });
const previous = fc.record({ kv, modRevision: number.map((n) => n || 1) });
const change = fc.record({
  version: fc.record({
    key: fc.uint8Array({ minLength: 1, maxLength: 40 }),
    isDelete: fc.boolean(),
    kv,
    previousRevision: fc.oneof(fc.constant(0), number),
  }),
  previous: fc.option(previous, { nil: undefined }),
});
const revision = fc.record({
  revision: number.map((n) => n || 1),
  changes: fc.array(change, { minLength: 1, maxLength: 4 }),
});
type Change = typeof change extends fc.Arbitrary<infer C> ? C : never;

/** The slow twin: the message as the generated codec knows it. */
function eventOf({ version, previous }: Change, { previousKnown, previousBytesMax }: RevisionBufferOptions) {
  const revisionBefore = previousKnown ? 0 : version.previousRevision;
  const prevKv = previous === undefined || previous.kv.length > previousBytesMax ? NONE : previous.kv;
  return { ...version, previousRevision: previous?.modRevision ?? revisionBefore, prevKv };
}

describe('RevisionBuffer', () => {
  it.each([
    { previousKnown: true, previousBytesMax: 100 },
    { previousKnown: false, previousBytesMax: Number.POSITIVE_INFINITY },
  ])('encodes what the generated codec decodes to the same, message after message (%j)', (options) => {
    const buffer = new RevisionBuffer(options);
    fc.assert(
      fc.property(fc.array(revision, { maxLength: 5 }), (given) => {
        for (const each of given) buffer.append(each.revision, each.changes);
        const revisions = given.map((each) => ({
          revision: each.revision,
          events: each.changes.map((item) => eventOf(item, options)),
        }));
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
    const buffer = new RevisionBuffer({ previousKnown: true, previousBytesMax: 0 });
    const kv = new Uint8Array(6 * 1024 * 1024).fill(7);
    const large = { version: { key: Uint8Array.of(1), isDelete: false, kv, previousRevision: 0 }, previous: undefined };
    for (const number of [2, 3]) {
      buffer.append(number, [large]);
      const [decoded] = decodeEventBatch(buffer.take(new Uint8Array(0))).revisions;
      expect(decoded?.revision).toBe(number);
      expect(Buffer.compare(decoded?.events[0]?.kv as Uint8Array, kv)).toBe(0);
    }
  });
});
