import { encodeEvent } from '../../../proto/gen/mvccpb';
import { acquireWriter } from '../../../libs/wire';
import {
  decodeHubRequestBatch,
  encodeHubReplyBatch,
  type HubDeliveryInput,
  type HubRequest,
} from '../../../proto/gen/hexad';
import { decodeWatchResponse } from '../../../proto/gen/etcdserverpb';
import { ManualLoop, text } from '../testing/recorder';
import { Delivery } from './delivery';
import { HubClient } from './hub-client';
import type { HubWatcher, SessionOwner, WatchSpec } from './hub-session';

const SPEC: WatchSpec = {
  key: text('k'),
  rangeEnd: new Uint8Array(0),
  startRevision: 0,
  progressNotify: false,
  noPut: false,
  noDelete: false,
  prevKv: false,
};

class Owner implements SessionOwner {
  readonly seen: string[] = [];
  onCreated(watcher: HubWatcher, { content }: Delivery): void {
    this.seen.push(`created ${watcher.hubId} at ${content.revision}`);
  }
  onCanceled(watcher: HubWatcher, { content }: Delivery): void {
    this.seen.push(`canceled ${watcher.hubId} ${content.cancelReason}`);
  }
  onEvents(watcher: HubWatcher, { content }: Delivery): void {
    this.seen.push(`events ${watcher.hubId} up to ${content.revision}`);
  }
  onProgress(watcher: HubWatcher | undefined, { content }: Delivery): void {
    this.seen.push(`progress ${watcher?.hubId ?? 'all'} ${content.revision}`);
  }
  onCanceledByLoss(watcher: HubWatcher): void {
    this.seen.push(`lost ${watcher.hubId}`);
  }
}

function setUp() {
  const loop = new ManualLoop();
  const hub = new HubClient(loop);
  const owner = new Owner();
  const session = hub.openSession(owner);
  let sent: HubRequest[] = [];
  const open = (): void => hub.opened((message) => sent.push(...decodeHubRequestBatch(message).requests));
  const flush = (): HubRequest[] => {
    loop.turn();
    const requests = sent;
    sent = [];
    return requests;
  };
  const deliver = (watchId: number, delivery: HubDeliveryInput): void =>
    hub.onMessage(encodeHubReplyBatch({ deliveries: [{ ...delivery, targets: [{ session: session.id, watchId }] }] }));
  return { hub, owner, session, open, flush, deliver };
}

test('a new hub goes on where the last one broke off, and the client is told nothing of it', () => {
  const { hub, owner, session, open, flush, deliver } = setUp();
  open();
  session.create(SPEC, 0, false);
  expect(flush()).toMatchObject([{ create: { watchId: 1, startRevision: 0, resumed: false } }]);
  deliver(1, { created: true, revision: 10 });
  deliver(1, { events: [text('e')], revision: 15 });
  hub.broken();
  open();
  expect(flush()).toMatchObject([{ create: { watchId: 1, startRevision: 16, resumed: true } }]);
  deliver(1, { created: true, revision: 20 });
  deliver(1, { events: [text('e')], revision: 21 });
  expect(owner.seen).toEqual(['created 1 at 10', 'events 1 up to 15', 'events 1 up to 21']);
});

test('a watcher without events resumes after the revision it was created at, or after the last progress', () => {
  const { hub, session, open, flush, deliver } = setUp();
  open();
  session.create(SPEC, 0, false);
  session.create({ ...SPEC, startRevision: 500 }, 1, false);
  flush();
  deliver(1, { created: true, revision: 10 });
  deliver(2, { created: true, revision: 10 });
  hub.broken();
  open();
  expect(flush().map(({ create }) => create?.startRevision)).toEqual([11, 500]);
  deliver(-1, { progress: true, revision: 90 });
  hub.broken();
  open();
  expect(flush().map(({ create }) => create?.startRevision)).toEqual([91, 500]);
});

test('a create that no hub has answered is asked of the next as it was', () => {
  const { hub, owner, session, open, flush, deliver } = setUp();
  session.create(SPEC, 0, false);
  open();
  expect(flush()).toMatchObject([{ create: { startRevision: 0, resumed: false } }]);
  hub.broken();
  open();
  expect(flush()).toMatchObject([{ create: { startRevision: 0, resumed: false } }]);
  deliver(1, { created: true, revision: 3 });
  expect(owner.seen).toEqual(['created 1 at 3']);
});

test('a cancellation that the hub took with it is carried out all the same', () => {
  const { hub, owner, session, open, flush, deliver } = setUp();
  open();
  const first = session.create(SPEC, 0, false);
  const second = session.create(SPEC, 1, false);
  deliver(1, { created: true, revision: 3 });
  deliver(2, { created: true, revision: 3 });
  session.cancel(first);
  flush();
  hub.broken();
  session.cancel(second);
  open();
  expect(flush()).toEqual([]);
  expect(owner.seen.slice(2)).toEqual(['lost 1', 'lost 2']);
});

test('progress is told to a client that asked, and only then', () => {
  const { owner, session, open, deliver } = setUp();
  open();
  session.create(SPEC, 0, false);
  deliver(1, { created: true, revision: 3 });
  deliver(-1, { progress: true, revision: 4 });
  session.requestProgress();
  deliver(-1, { progress: true, revision: 5 });
  deliver(-1, { progress: true, revision: 6 });
  deliver(1, { progress: true, revision: 7 });
  expect(owner.seen.slice(1)).toEqual(['progress all 5', 'progress 1 7']);
});

test('only sessions that may be behind are probed', () => {
  const { hub, session, open, flush, deliver } = setUp();
  open();
  session.create(SPEC, 0, false);
  flush();
  deliver(1, { created: true, revision: 10 });
  hub.probeProgress(10);
  expect(flush()).toEqual([]);
  hub.probeProgress(11);
  expect(flush()).toMatchObject([{ session: session.id, progress: true }]);
});

test('a paused session is paused at the next hub too', () => {
  const { hub, session, open, flush } = setUp();
  open();
  session.pause();
  session.pause();
  expect(flush()).toMatchObject([{ pause: true }]);
  hub.broken();
  open();
  expect(flush()).toMatchObject([{ pause: true }]);
  session.resume();
  expect(flush()).toMatchObject([{ resume: true }]);
});

function eventField(size: number, revision: number): Uint8Array {
  const w = acquireWriter();
  w.bytes(encodeEvent({ kv: { key: text('k'), value: new Uint8Array(size), modRevision: revision } }));
  w.uint32(0x5a);
  return new Uint8Array(w.finish());
}

test('fragments hold every event once, each below the limit, and all but the last say so', () => {
  const events = [300, 50, 400, 10, 10, 900].map((size, at) => eventField(size, at));
  const content = {
    targets: [],
    targetSet: new Uint8Array(0),
    events,
    revision: 9,
    created: false,
    canceled: false,
    compactRevision: 0,
  };
  const delivery = new Delivery(
    { ...content, cancelReason: '', progress: false, raftTerm: 2 },
    { clusterId: 1n, memberId: 2n },
  );
  const pieces = delivery.fragments(4, 500).map((piece) => ({ size: piece.length, ...decodeWatchResponse(piece) }));
  expect(pieces.flatMap((piece) => piece.events.map((event) => event.kv?.modRevision))).toEqual([0, 1, 2, 3, 4, 5]);
  expect(pieces.map((piece) => piece.fragment)).toEqual([true, true, false]);
  for (const piece of pieces) expect(piece.size < 500 || piece.events.length === 1).toBe(true);
  expect(pieces.every((piece) => piece.watchId === 4 && piece.header?.revision === 9)).toBe(true);
  expect(delivery.fragments(4, 100_000)).toHaveLength(1);
});

test('streams whose watch has the same id share the bytes', () => {
  const content = {
    targets: [],
    targetSet: new Uint8Array(0),
    events: [],
    revision: 9,
    created: true,
    canceled: false,
    compactRevision: 0,
  };
  const ids = { clusterId: 1n, memberId: 2n };
  const delivery = new Delivery({ ...content, cancelReason: '', progress: false, raftTerm: 2 }, ids);
  expect(delivery.message(0)).toBe(delivery.message(0));
  expect(decodeWatchResponse(delivery.message(5))).toMatchObject({ watchId: 5, created: true });
  expect(decodeWatchResponse(delivery.message(0)).header).toEqual({
    clusterId: 1n,
    memberId: 2n,
    revision: 9,
    raftTerm: 2,
  });
});
