import * as fc from 'fast-check';
import type { Message } from '../../../libs/raft';
import { decodePeerBatch, encodePeerBatch } from '../../../proto/gen/hexad';
import { PeerEncoder } from './peer-codec';

const id = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
const uint = fc.oneof(fc.nat(300), fc.maxSafeNat());
const logEntry = fc.record({
  term: fc.integer({ min: 1, max: 3 }),
  index: fc.integer({ min: 1, max: 8 }),
  type: fc.constantFrom(0, 1),
  data: fc.constant(new Uint8Array(5)),
});
const raftMessage: fc.Arbitrary<Message> = fc.record({
  type: fc.integer({ min: 0, max: 12 }),
  from: id,
  to: id,
  term: uint,
  logTerm: uint,
  index: uint,
  commit: uint,
  entries: fc.array(logEntry, { maxLength: 4 }),
  reject: fc.boolean(),
  rejectHint: uint,
  context: uint,
  contextNonce: uint,
  campaignTransfer: fc.boolean(),
  snapshot: fc.constant(undefined),
});

test('what leaves for a peer decodes as what the generated code would have sent', () => {
  fc.assert(
    fc.property(fc.array(raftMessage, { maxLength: 5 }), fc.boolean(), (messages, withRest) => {
      // Entries of a message follow each other, and one is given by its index and term: make it so.
      const consistent = messages.map((message) => {
        const { index = 0, term = 0 } = message.entries[0] ?? {};
        const entries = message.entries.map((_, at) => ({
          index: index + at,
          term,
          type: 0,
          data: new Uint8Array([index + at, term]),
        }));
        return { ...message, entries };
      });
      const rest = { proposals: [{ origin: 5, sequence: 6, entry: new Uint8Array([1]) }] };
      const bytes = new PeerEncoder().encode(consistent, withRest ? rest : undefined);
      const expected = decodePeerBatch(encodePeerBatch({ messages: consistent, ...(withRest ? rest : {}) }));
      expect(decodePeerBatch(bytes)).toEqual(expected);
    }),
  );
});

test('the same append to the next follower is not encoded again, another one is', () => {
  const encoder = new PeerEncoder();
  const run = (from: number, term: number): Message['entries'] =>
    [from, from + 1, from + 2].map((index) => ({ term, index, type: 0, data: new Uint8Array([index, term]) }));
  const append = (to: bigint, entries: Message['entries']): Message =>
    ({ type: 5, from: 1n, to, term: 3, logTerm: 3, index: 9, commit: 9, entries }) as Message;
  const decoded = (message: Message): unknown =>
    decodePeerBatch(encoder.encode([message], undefined)).messages[0]?.entries.map(({ index, term, data }) => [
      index,
      term,
      ...data,
    ]);
  expect(decoded(append(2n, run(10, 3)))).toEqual([10, 11, 12].map((i) => [i, 3, i, 3]));
  expect(decoded(append(3n, run(10, 3)))).toEqual([10, 11, 12].map((i) => [i, 3, i, 3]));
  expect(decoded(append(2n, run(11, 3)))).toEqual([11, 12, 13].map((i) => [i, 3, i, 3]));
  expect(decoded(append(2n, run(11, 4)))).toEqual([11, 12, 13].map((i) => [i, 4, i, 4]));
});
