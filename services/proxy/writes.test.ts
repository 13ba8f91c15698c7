import { Errors } from '../../libs/errors';
import {
  decodeConfChange,
  decodeEntry,
  decodeProposeBatch,
  encodeConfChange,
  encodeProposeReplyBatch,
  encodeResultBatch,
  EntryKind,
} from '../../proto/gen/hexad';
import { createIdentity, NOBODY } from './identity';
import { ManualLoop, RecordedAnswer, text } from './testing/recorder';
import { WritePipeline } from './writes';

const ORIGIN = 77;

function setUp(overrides: { pendingMax?: number; pendingBytesMax?: number } = {}) {
  const loop = new ManualLoop();
  const state = { term: 3 };
  const writes = new WritePipeline({
    origin: ORIGIN,
    maxRequestBytes: 100,
    timeoutMs: 7_000,
    now: loop.now,
    afterArrivals: loop.afterArrivals,
    term: () => state.term,
    ...overrides,
  });
  const sent: Uint8Array[] = [];
  const open = (): void => {
    writes.proposeOpened((batch) => sent.push(batch));
    writes.resultsOpened();
  };
  const put = (body: string, user = NOBODY): RecordedAnswer => {
    const answer = new RecordedAnswer();
    writes.submit(EntryKind.ENTRY_PUT, text(body), user, answer);
    return answer;
  };
  const result = (sequence: number, fields: object = {}): void =>
    writes.onResultBatch(encodeResultBatch({ results: [{ sequence, response: text('r'), ...fields }] }));
  return { loop, state, writes, sent, open, put, result };
}

const sequences = (batch: Uint8Array | undefined): number[] =>
  decodeProposeBatch(batch ?? new Uint8Array(0)).proposals.map((one) => one.sequence);

test('what arrives before the next turn of the loop leaves as one batch', () => {
  const { loop, sent, open, put } = setUp();
  open();
  put('a');
  put('b', createIdentity('ann', 9));
  expect(sent).toHaveLength(0);
  loop.turn();
  expect(sent).toHaveLength(1);
  expect(sequences(sent[0])).toEqual([1, 2]);
  const second = decodeProposeBatch(sent[0] as Uint8Array).proposals[1];
  const entry = decodeEntry(second?.entry ?? new Uint8Array(0));
  expect([entry.user, entry.authRevision, Buffer.from(entry.body).toString()]).toEqual(['ann', 9, 'b']);
});

test('a result answers its request with the bytes as they came, once', () => {
  const { loop, open, put, result, writes } = setUp();
  open();
  const a = put('a');
  const b = put('b');
  loop.turn();
  result(2, { response: text('second'), index: 41 });
  result(2, { response: text('again') });
  result(1, { error: Errors.NoSpace.id });
  expect([a.outcomes, b.outcomes]).toEqual([[Errors.NoSpace.message], ['ok second']]);
  expect(writes.appliedIndex).toBe(41);
  expect(writes.size).toBe(0);
});

test('a proposal is not sent before storage knows our origin, and never twice', () => {
  const { loop, writes, sent, put } = setUp();
  writes.proposeOpened((batch) => sent.push(batch));
  put('a');
  loop.turn();
  expect(sent).toHaveLength(0);
  writes.resultsOpened();
  loop.turn();
  expect(sent).toHaveLength(1);
  writes.resultsBroken();
  writes.resultsOpened();
  loop.turn();
  expect(sent).toHaveLength(1);
});

test('a broken link leaves the outcome of what was sent unknown, and keeps what was not', () => {
  const { loop, writes, sent, open, put } = setUp();
  open();
  const a = put('a');
  loop.turn();
  const b = put('b');
  writes.proposeBroken();
  loop.turn();
  expect(a.outcome).toBe(Errors.TimeoutConnectionLost.message);
  expect(b.outcome).toBeUndefined();
  writes.proposeOpened((batch) => sent.push(batch));
  loop.turn();
  expect(sequences(sent[1])).toEqual([2]);
});

test("a new term's first entry ends what was proposed in earlier terms, and nothing else", () => {
  const { loop, state, writes, open, put } = setUp();
  open();
  const old = put('old');
  loop.turn();
  state.term = 4;
  const young = put('young');
  loop.turn();
  writes.onResultBatch(encodeResultBatch({ termStarted: 4 }));
  expect(old.outcome).toBe(Errors.TimeoutLeaderFail.message);
  expect(young.outcome).toBeUndefined();
});

test('raft refuses by request id', () => {
  const { loop, writes, open, put } = setUp();
  open();
  const a = put('a');
  loop.turn();
  const refusal = (origin: number): Uint8Array =>
    encodeProposeReplyBatch({ replies: [{ origin, sequence: 1, error: Errors.NoLeader.id }] });
  writes.onProposeReplyBatch(refusal(ORIGIN + 1));
  expect(a.outcome).toBeUndefined();
  writes.onProposeReplyBatch(refusal(ORIGIN));
  expect(a.outcome).toBe(Errors.NoLeader.message);
});

test('a request times out, whether it was sent or not', () => {
  const { loop, writes, open, put } = setUp();
  const waiting = put('never sent');
  loop.time += 6_999;
  writes.sweep(loop.time);
  expect(waiting.outcome).toBeUndefined();
  loop.time += 1;
  writes.sweep(loop.time);
  expect(waiting.outcome).toBe(Errors.Timeout.message);
  open();
  loop.turn();
  expect(writes.counters.proposed).toBe(0);
});

test('a cancelled request is dropped from the table and not proposed any more', () => {
  const { loop, writes, sent, open, put } = setUp();
  const a = put('a');
  a.cancelled = true;
  open();
  loop.turn();
  expect(sent).toHaveLength(0);
  const b = put('b');
  loop.turn();
  b.cancelled = true;
  writes.sweep(loop.time);
  expect([writes.size, a.outcomes, b.outcomes]).toEqual([0, [], []]);
});

test('the table is bounded by count and by bytes', () => {
  const byCount = setUp({ pendingMax: 1 });
  byCount.put('a');
  expect(byCount.put('b').outcome).toBe(Errors.TooManyRequests.message);
  const byBytes = setUp({ pendingBytesMax: 10 });
  byBytes.put('12345678');
  expect(byBytes.put('123').outcome).toBe(Errors.TooManyRequests.message);
});

test('an entry over the limit is refused, one of exactly the limit is not', () => {
  const { put } = setUp();
  // origin 2 bytes, sequence 2, kind 2, body tag and length 2
  expect(put('x'.repeat(92)).outcome).toBeUndefined();
  expect(put('x'.repeat(93)).outcome).toBe(Errors.RequestTooLarge.message);
});

test('a configuration change carries its request id inside', () => {
  const { loop, writes, sent, open } = setUp();
  open();
  const answer = new RecordedAnswer();
  const make = (origin: number, sequence: number): Uint8Array => encodeConfChange({ origin, sequence, type: 2 });
  writes.submitConfChange(make, NOBODY, answer);
  loop.turn();
  const [proposal] = decodeProposeBatch(sent[0] as Uint8Array).proposals;
  expect(proposal?.conf).toBe(true);
  const change = decodeConfChange(proposal?.entry ?? new Uint8Array(0));
  expect([change.origin, change.sequence]).toEqual([ORIGIN, proposal?.sequence]);
});
