import fc from 'fast-check';
import { decodeEntry, decodeProposeBatch, encodeResultBatch } from '../../proto/gen/hexad';
import { CONF_CHANGE, ProposalEncoder, readResultBatch } from './proposal-codec';

const bytes = (max: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength: max });
const proposal = fc.record({
  sequence: fc.maxSafeNat(),
  kind: fc.constantFrom(1, 2, 22, CONF_CHANGE),
  user: fc.string({ maxLength: 300, unit: 'grapheme' }).map((text) => new TextEncoder().encode(text)),
  authRevision: fc.nat(),
  body: bytes(2_000),
  format: fc.constantFrom(0, 0, 1, 127),
  trace: fc.constantFrom(new Uint8Array(0), new Uint8Array(25).fill(7)),
});

test('a batch written by hand is the message the generated code reads', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 52 }), fc.array(proposal, { maxLength: 20 }), (origin, proposals) => {
      const encoder = new ProposalEncoder(origin);
      const decoded = decodeProposeBatch(encoder.encodeBatch(proposals)).proposals;
      expect(decoded).toHaveLength(proposals.length);
      decoded.forEach((one, at) => {
        const wanted = proposals[at] as (typeof proposals)[number];
        expect([one.origin, one.sequence, one.conf]).toEqual([origin, wanted.sequence, wanted.kind === CONF_CHANGE]);
        expect(one.entry.length).toBe(encoder.entrySize(wanted));
        if (wanted.kind === CONF_CHANGE) {
          expect(Buffer.compare(one.entry, wanted.body)).toBe(0);
          return;
        }
        const entry = decodeEntry(one.entry);
        expect([entry.origin, entry.sequence, entry.kind, entry.authRevision, entry.format]).toEqual([
          origin,
          wanted.sequence,
          wanted.kind,
          wanted.authRevision,
          wanted.format,
        ]);
        expect(Buffer.compare(entry.body, wanted.body)).toBe(0);
        expect(Buffer.compare(entry.trace, wanted.trace)).toBe(0);
        expect(entry.user).toBe(new TextDecoder('utf-8').decode(wanted.user));
      });
    }),
  );
});

test('results read by hand are those the generated code wrote', () => {
  const result = fc.record({
    sequence: fc.maxSafeNat(),
    error: fc.nat(2_000),
    errorDetail: fc.string(),
    response: bytes(500),
    index: fc.maxSafeNat(),
  });
  fc.assert(
    fc.property(fc.array(result), fc.maxSafeNat(), fc.nat(), (results, appliedIndex, termStarted) => {
      const read: unknown[] = [];
      const ends: unknown[] = [];
      readResultBatch(encodeResultBatch({ results, appliedIndex, termStarted }), {
        result: (sequence, error, detail, response, index) =>
          read.push({ sequence, error, errorDetail: detail, response: new Uint8Array(response), index }),
        batchEnd: (...end) => ends.push(end),
      });
      expect(read).toEqual(results);
      expect(ends).toEqual([[appliedIndex, termStarted]]);
    }),
  );
});
