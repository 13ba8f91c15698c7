import { Errors } from '../../libs/errors';
import {
  decodeCallBatch,
  decodeReadIndexBatch,
  encodeReadIndexReplyBatch,
  encodeReplyBatch,
  StorageMethod,
} from '../../proto/gen/hexad';
import { createIdentity, NOBODY } from './identity';
import { Limits } from './limits';
import { ReadPipeline } from './reads';
import { ManualLoop, RecordedAnswer, text } from './testing/recorder';

function setUp(pendingMax?: number) {
  const loop = new ManualLoop();
  const reads = new ReadPipeline({
    timeoutMs: 7_000,
    now: loop.now,
    afterArrivals: loop.afterArrivals,
    firstContext: 500,
    ...(pendingMax === undefined ? {} : { pendingMax }),
  });
  const contexts: number[] = [];
  const calls: ReturnType<typeof decodeCallBatch>['calls'][] = [];
  const openRaft = (): void => reads.readIndexOpened((message) => contexts.push(decodeReadIndexBatch(message).context));
  const openStorage = (): void => reads.storageOpened((message) => calls.push(decodeCallBatch(message).calls));
  const read = (linearizable = true): RecordedAnswer => {
    const answer = new RecordedAnswer();
    const user = createIdentity('ann', 4);
    if (linearizable) reads.linearizable(StorageMethod.STORAGE_RANGE, text('q'), user, answer);
    else reads.serializable(StorageMethod.STORAGE_RANGE, text('q'), user, answer);
    return answer;
  };
  const confirm = (context: number, index: number, error = 0): void =>
    reads.onReadIndexReplies(encodeReadIndexReplyBatch({ replies: [{ context, index, error }] }));
  const answer = (id: number, fields: object = {}): void =>
    reads.onReplyBatch(encodeReplyBatch({ replies: [{ id, payload: text('v'), ...fields }] }));
  return { loop, reads, contexts, calls, openRaft, openStorage, read, confirm, answer };
}

test('all linearizable reads that wait share one read index', () => {
  const { loop, contexts, calls, openRaft, openStorage, read, confirm, answer } = setUp();
  openRaft();
  openStorage();
  const [a, b] = [read(), read()];
  loop.turn();
  expect(contexts).toEqual([500]);
  expect(calls).toHaveLength(0);
  confirm(500, 42);
  loop.turn();
  expect(calls).toHaveLength(1);
  expect(calls[0]?.map((call) => [call.requiredIndex, call.user, call.authRevision])).toEqual([
    [42, 'ann', 4],
    [42, 'ann', 4],
  ]);
  answer(2, { payload: text('two') });
  answer(1, { error: Errors.Compacted.id });
  expect([a?.outcomes, b?.outcomes]).toEqual([[Errors.Compacted.message], ['ok two']]);
});

test('a serializable read goes straight to storage', () => {
  const { loop, contexts, calls, openRaft, openStorage, read } = setUp();
  openRaft();
  openStorage();
  read(false);
  loop.turn();
  expect(contexts).toEqual([]);
  expect(calls[0]?.[0]?.requiredIndex).toBe(0);
});

test('a read that arrives while an index is under way is not served by it', () => {
  const { loop, contexts, calls, openRaft, openStorage, read, confirm } = setUp();
  openRaft();
  openStorage();
  read();
  loop.turn();
  read();
  confirm(500, 42);
  loop.turn();
  expect(contexts).toEqual([500, 501]);
  expect(calls[0]).toHaveLength(1);
});

test('reads wait while there is no leader, and are asked for again when there is one', () => {
  const { loop, reads, contexts, openRaft, read, confirm } = setUp();
  openRaft();
  const a = read();
  loop.turn();
  confirm(500, 0, Errors.NoLeader.id);
  loop.turn();
  expect(contexts).toEqual([500]);
  reads.leaderKnown();
  loop.turn();
  expect(contexts).toEqual([500, 501]);
  expect(a.outcome).toBeUndefined();
});

test('a read index that does not come is asked for again', () => {
  const { loop, reads, contexts, openRaft, read } = setUp();
  openRaft();
  read();
  loop.turn();
  loop.time += Limits.readIndexRetryMs;
  reads.sweep(loop.time);
  loop.turn();
  expect(contexts).toEqual([500, 501]);
});

test('links that break do not lose a read: it is asked again over the new one', () => {
  const { loop, reads, contexts, calls, openRaft, openStorage, read, confirm, answer } = setUp();
  openRaft();
  openStorage();
  const a = read();
  loop.turn();
  reads.readIndexBroken();
  openRaft();
  loop.turn();
  expect(contexts).toEqual([500, 501]);
  confirm(501, 7);
  loop.turn();
  reads.storageBroken();
  openStorage();
  loop.turn();
  expect(calls.map((batch) => batch.map((call) => [call.id, call.requiredIndex]))).toEqual([[[1, 7]], [[1, 7]]]);
  answer(1);
  expect(a.outcomes).toEqual(['ok v']);
});

test('a read that storage was asked twice and did not survive is given up', () => {
  const { loop, reads, calls, openStorage, read } = setUp();
  const a = read(false);
  for (const _ of [1, 2]) {
    openStorage();
    loop.turn();
    expect(a.outcome).toBeUndefined();
    reads.storageBroken();
  }
  expect(a.outcome).toBe(Errors.TimeoutConnectionLost.message);
  openStorage();
  loop.turn();
  expect([calls.length, reads.size]).toEqual([2, 0]);
});

test('a read times out with the reason it waited for', () => {
  const { loop, reads, openRaft, openStorage, read, confirm } = setUp();
  openRaft();
  openStorage();
  const atStorage = read();
  loop.turn();
  confirm(500, 9);
  const atRaft = read();
  loop.turn();
  loop.time += 7_000;
  reads.sweep(loop.time);
  expect(atStorage.outcome).toBe(Errors.TimeoutAppliedIndex.message);
  expect(atRaft.outcome).toBe(Errors.Timeout.message);
  expect(reads.size).toBe(0);
});

test('cancelled reads are forgotten, and the table is bounded', () => {
  const { loop, reads, read } = setUp(1);
  const a = read();
  expect(read().outcome).toBe(Errors.TooManyRequests.message);
  a.cancelled = true;
  reads.sweep(loop.time);
  expect(reads.size).toBe(0);
  reads.serializable(StorageMethod.STORAGE_RANGE, text('q'), NOBODY, new RecordedAnswer());
  expect(reads.size).toBe(1);
});
