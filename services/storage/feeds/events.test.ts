import type { RevisionChanges, Store } from '../../../libs/mvcc';
import { encodeTrace, formatTraceparent } from '../../../libs/telemetry';
import { decodeEventBatch, encodeEventsRequest, type EventBatch } from '../../../proto/gen/hexad';
import { Gate } from '../gate';
import { FakeCall } from '../testing/fake-call';
import { EventsFeed } from './events';

const identity = { clusterId: 1n, memberId: 2n };
let store: { revision: number; compactRevision: number; applied: { index: number; term: number } };
let gate: Gate;
let feed: EventsFeed;

beforeEach(() => {
  jest.useFakeTimers();
  store = { revision: 1, compactRevision: 0, applied: { index: 1, term: 1 } };
  gate = new Gate();
  feed = new EventsFeed({ store: store as unknown as Store, identity, gate });
});
afterEach(() => {
  feed.close();
  jest.useRealTimers();
});

function connect(idle: boolean): FakeCall {
  const fake = new FakeCall();
  feed.serve(fake.call);
  fake.receive(encodeEventsRequest({ idle }));
  return fake;
}

/** Applies a put; `made` is what an apply hands on, with a reader that fails when the feed looks at it in vain. */
function write(read?: () => void, trace: Uint8Array = new Uint8Array(0)): void {
  store.revision += 1;
  const kv = Uint8Array.of(store.revision);
  const version = { key: Uint8Array.of(107), isDelete: false, kv, previousRevision: 0 };
  const made = {
    revision: store.revision,
    get changes() {
      read?.();
      return [{ version, previous: undefined }];
    },
  };
  feed.add(made as unknown as RevisionChanges, trace);
}

const batches = (fake: FakeCall): EventBatch[] => fake.sent.map((message) => decodeEventBatch(message));
const last = (fake: FakeCall): EventBatch | undefined => batches(fake).at(-1);

describe('the live feed', () => {
  it('gives a hub without watchers only the current revision, and looks at no change for it', () => {
    gate.open();
    const hub = connect(true);
    const looked = jest.fn();
    for (let i = 0; i < 3; i++) write(looked);
    feed.flush();
    expect(looked).not.toHaveBeenCalled();
    expect(hub.sent).toHaveLength(1);
    jest.advanceTimersByTime(100);
    expect(hub.sent).toHaveLength(2);
    expect(last(hub)).toMatchObject({ revisions: [], currentRevision: 4, previousRevision: 4 });
  });

  it('answers a change of mind with the current revision and sends every event from then on', () => {
    gate.open();
    const hub = connect(true);
    write();
    hub.receive(encodeEventsRequest({}));
    expect(last(hub)).toMatchObject({ revisions: [], currentRevision: 2 });
    write();
    feed.flush();
    expect(last(hub)).toMatchObject({ previousRevision: 2, currentRevision: 3, revisions: [{ revision: 3 }] });
    hub.receive(encodeEventsRequest({ idle: true }));
    write();
    feed.flush();
    expect(last(hub)).toMatchObject({ revisions: [], currentRevision: 3 });
  });

  it('tells one that joins in the middle of a slice of apply of nothing that it would miss', () => {
    gate.open();
    const first = connect(false);
    write();
    const second = connect(false);
    expect(last(second)).toMatchObject({ currentRevision: 2 });
    write();
    feed.flush();
    expect(last(second)).toMatchObject({ previousRevision: 1, revisions: [{ revision: 2 }, { revision: 3 }] });
    expect(last(first)).toEqual(last(second));
  });

  it('never leaves a hole in a batch, though all hubs left between two of its revisions', () => {
    gate.open();
    const first = connect(false);
    write();
    first.close();
    write();
    const second = connect(false);
    write();
    feed.flush();
    const { previousRevision, revisions } = last(second) as EventBatch; // it got two
    expect(revisions.map(({ revision }) => revision)).toEqual([4]);
    expect(previousRevision).toBe(3);
  });

  it('gives the heartbeat to idle hubs also while others get events', () => {
    gate.open();
    const idle = connect(true);
    const busy = connect(false);
    write();
    feed.flush();
    jest.advanceTimersByTime(100);
    expect([idle.sent.length, busy.sent.length]).toEqual([2, 2]);
    expect(last(idle)).toMatchObject({ revisions: [], currentRevision: 2 });
    expect(last(busy)).toMatchObject({ revisions: [{ revision: 2 }] });
    jest.advanceTimersByTime(100);
    expect([idle.sent.length, busy.sent.length]).toEqual([3, 3]);
  });

  it('stops encoding when the last hub that wants events has gone, and says nothing before it is open', () => {
    const hub = connect(false);
    expect(hub.sent).toHaveLength(0);
    gate.open();
    expect(hub.sent).toHaveLength(1);
    hub.close();
    const looked = jest.fn();
    write(looked);
    feed.flush();
    expect(looked).not.toHaveBeenCalled();
    const late = connect(false);
    late.close();
    write(looked);
    expect(looked).not.toHaveBeenCalled();
  });
});

test('a message on the bus names the trace of a request that is among its causes, if one is traced', () => {
  feed.close();
  const published: string[] = [];
  const bus = { publish: (_: Uint8Array, traceparent: string) => void published.push(traceparent) };
  feed = new EventsFeed({ store: store as unknown as Store, identity, gate, bus });
  gate.open();
  const fake = new FakeCall();
  feed.serve(fake.call);
  fake.receive(encodeEventsRequest({ bus: true }));
  const first = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7', sampled: true };
  for (const trace of [undefined, encodeTrace(first), encodeTrace({ ...first, spanId: '00f067aa0ba902b8' })])
    write(undefined, trace);
  feed.flush();
  write();
  feed.flush();
  expect(published).toEqual([formatTraceparent(first), '']);
});
