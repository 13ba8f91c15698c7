import { Errors, GrpcCode, UNCATALOGUED_ID } from '../../../libs/errors';
import { decodeResultBatch, encodeResultsRequest, type Result } from '../../../proto/gen/hexad';
import { answered, refused } from '../apply/applier';
import { limits } from '../limits';
import { FakeCall } from '../testing/fake-call';
import { ResultsFeed } from './results';

const position = { index: 5, term: 2 };
const response = Uint8Array.of(1, 2, 3);

function subscribe(feed: ResultsFeed, origin: number): FakeCall {
  const fake = new FakeCall();
  feed.serve(fake.call);
  fake.receive(encodeResultsRequest({ origin }));
  return fake;
}
const results = (fake: FakeCall): Result[] => fake.sent.flatMap((message) => decodeResultBatch(message).results);

describe('results', () => {
  it('go to the process that proposed, in one message per slice, with the term that began', () => {
    const feed = new ResultsFeed();
    const one = subscribe(feed, 1);
    const two = subscribe(feed, 2);
    feed.add(1, 10, answered(response), position);
    feed.add(2, 20, refused(Errors.NoSpace), position);
    feed.add(1, 11, answered(response), position);
    feed.add(3, 30, answered(response), position);
    feed.termStarted(2);
    expect([one.sent.length, two.sent.length]).toEqual([0, 0]);
    feed.flush(5);
    expect([one.sent.length, two.sent.length]).toEqual([1, 1]);
    expect(results(one).map(({ sequence }) => sequence)).toEqual([10, 11]);
    expect(results(two)).toMatchObject([{ sequence: 20, error: Errors.NoSpace.id, index: 5, term: 2 }]);
    expect(decodeResultBatch(one.sent[0] as Uint8Array)).toMatchObject({ appliedIndex: 5, termStarted: 2 });
    feed.flush(6);
    expect(one.sent.length).toBe(1);
  });

  it('end for a proposer that does not read, and go on for the others', () => {
    const feed = new ResultsFeed();
    const slow = subscribe(feed, 1);
    const other = subscribe(feed, 2);
    slow.bufferedBytes = limits.subscriberBufferedBytesMax + 1;
    for (const sequence of [1, 2]) {
      feed.add(1, sequence, answered(response), position);
      feed.add(2, sequence, answered(response), position);
      feed.flush(5);
    }
    expect(slow.ended).toMatchObject({ code: GrpcCode.ResourceExhausted });
    expect([slow.sent.length, other.sent.length]).toEqual([1, 2]);
  });

  it('belong to the latest stream of an origin, also after the one before has closed', () => {
    const feed = new ResultsFeed();
    const before = subscribe(feed, 1);
    const after = subscribe(feed, 1);
    before.close();
    feed.add(1, 1, answered(response), position);
    feed.flush(5);
    expect([before.sent.length, after.sent.length]).toEqual([0, 1]);
  });

  it('say so when a response is larger than a link carries', () => {
    const feed = new ResultsFeed();
    const one = subscribe(feed, 1);
    feed.add(1, 1, answered(new Uint8Array(limits.responseBytesMax + 1)), position);
    feed.flush(5);
    expect(results(one)[0]).toMatchObject({ sequence: 1, error: UNCATALOGUED_ID });
    expect(results(one)[0]?.errorDetail).toContain('too large');
  });
});
