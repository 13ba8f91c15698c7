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
import { hashOf, placeOf } from './placement';
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
    this.seen.push(`created ${Number(watcher.clientId) + 1} at ${content.revision}`);
  }
  onCanceled(watcher: HubWatcher, { content }: Delivery): void {
    this.seen.push(`canceled ${Number(watcher.clientId) + 1} ${content.cancelReason}`);
  }
  onEvents(watcher: HubWatcher, { content }: Delivery): void {
    this.seen.push(`events ${Number(watcher.clientId) + 1} up to ${content.revision}`);
  }
  onProgress(watcher: HubWatcher | undefined, { content }: Delivery): void {
    this.seen.push(`progress ${watcher === undefined ? 'all' : Number(watcher.clientId) + 1} ${content.revision}`);
  }
  onCanceledByLoss(watcher: HubWatcher): void {
    this.seen.push(`lost ${Number(watcher.clientId) + 1}`);
  }
}

/** A session and hubs that are driven by hand. Watchers are named by their client's id plus one, whatever a hub calls them. */
function setUp() {
  const loop = new ManualLoop();
  const hub = new HubClient({ afterArrivals: loop.afterArrivals, knownRevision: () => 2 });
  const owner = new Owner();
  const session = hub.openSession(owner);
  const watchers = new Map<number, HubWatcher>();
  const create = (spec: WatchSpec, clientId: number): HubWatcher => {
    const watcher = session.create(spec, clientId, false);
    watchers.set(clientId + 1, watcher);
    return watcher;
  };
  const addPeer = (name: string) => {
    const peer = hub.addHub(name);
    let sent: HubRequest[] = [];
    return {
      peer,
      open: (): void => peer.opened((message) => sent.push(...decodeHubRequestBatch(message).requests)),
      broken: (): void => peer.broken(),
      flush: (): HubRequest[] => {
        loop.turn();
        const requests = sent;
        sent = [];
        return requests;
      },
      /** `who`: a watcher, or -1 for the whole session. */
      deliver: (who: number, delivery: HubDeliveryInput): void => {
        const watchId = who === -1 ? who : watchers.get(who)?.registration?.hubId;
        const targets = [{ session: session.id, watchId }];
        peer.onMessage(encodeHubReplyBatch({ deliveries: [{ ...delivery, targets }] }));
      },
    };
  };
  return { hub, owner, session, create, watchers, addPeer, ...addPeer('hub') };
}

test('a new hub goes on where the last one broke off, and the client is told nothing of it', () => {
  const { owner, create, open, broken, flush, deliver } = setUp();
  open();
  create(SPEC, 0);
  expect(flush()).toMatchObject([{ create: { watchId: 1, startRevision: 0, resumed: false }, knownRevision: 2 }]);
  deliver(1, { created: true, revision: 10 });
  deliver(1, { events: [text('e')], revision: 15 });
  broken();
  open();
  expect(flush()).toMatchObject([{ create: { watchId: 2, startRevision: 16, resumed: true } }]);
  deliver(1, { created: true, revision: 20 });
  deliver(1, { events: [text('e')], revision: 21 });
  expect(owner.seen).toEqual(['created 1 at 10', 'events 1 up to 15', 'events 1 up to 21']);
});

test('a watcher without events resumes after the revision it was created at, or after the last progress', () => {
  const { create, open, broken, flush, deliver } = setUp();
  open();
  create(SPEC, 0);
  create({ ...SPEC, startRevision: 500 }, 1);
  flush();
  deliver(1, { created: true, revision: 10 });
  deliver(2, { created: true, revision: 10 });
  broken();
  open();
  expect(flush().map(({ create }) => create?.startRevision)).toEqual([11, 500]);
  deliver(-1, { progress: true, revision: 90 });
  broken();
  open();
  expect(flush().map(({ create }) => create?.startRevision)).toEqual([91, 500]);
});

test('a create that no hub has answered is asked of the next as it was', () => {
  const { owner, create, open, broken, flush, deliver } = setUp();
  create(SPEC, 0);
  open();
  expect(flush()).toMatchObject([{ create: { startRevision: 0, resumed: false } }]);
  broken();
  open();
  expect(flush()).toMatchObject([{ create: { startRevision: 0, resumed: false } }]);
  deliver(1, { created: true, revision: 3 });
  expect(owner.seen).toEqual(['created 1 at 3']);
});

test('a cancellation that the hub took with it is carried out all the same', () => {
  const { owner, session, create, open, broken, flush, deliver } = setUp();
  open();
  const first = create(SPEC, 0);
  const second = create(SPEC, 1);
  deliver(1, { created: true, revision: 3 });
  deliver(2, { created: true, revision: 3 });
  session.cancel(first);
  flush();
  broken();
  session.cancel(second);
  open();
  expect(flush()).toEqual([]);
  expect(owner.seen.slice(2)).toEqual(['lost 1', 'lost 2']);
});

test('progress is told to a client that asked, and only then', () => {
  const { owner, session, create, open, deliver } = setUp();
  open();
  create(SPEC, 0);
  deliver(1, { created: true, revision: 3 });
  deliver(-1, { progress: true, revision: 4 });
  session.requestProgress();
  deliver(-1, { progress: true, revision: 5 });
  deliver(-1, { progress: true, revision: 6 });
  deliver(1, { progress: true, revision: 7 });
  expect(owner.seen.slice(1)).toEqual(['progress all 5', 'progress 1 7']);
});

test('only sessions that may be behind are probed', () => {
  const { hub, session, create, open, flush, deliver } = setUp();
  open();
  create(SPEC, 0);
  flush();
  deliver(1, { created: true, revision: 10 });
  hub.probeProgress(10);
  expect(flush()).toEqual([]);
  hub.probeProgress(11);
  expect(flush()).toMatchObject([{ session: session.id, progress: true }]);
});

test('a paused session is paused at the next hub too', () => {
  const { session, create, open, broken, flush } = setUp();
  open();
  create(SPEC, 0);
  session.pause();
  session.pause();
  expect(flush()).toMatchObject([{ create: {} }, { pause: true }]);
  broken();
  open();
  expect(flush()).toMatchObject([{ pause: true }, { create: {} }]);
  session.resume();
  expect(flush()).toMatchObject([{ resume: true }]);
});

/** A range that belongs to one of two hubs rather than to the other. */
function specOn(name: 'hub' | 'other'): WatchSpec {
  const places = ['hub', 'other'].map((one) => ({ name: one, seed: hashOf(text(one)) }));
  for (let at = 0; ; at++) {
    const key = text(`k${at}`);
    if (placeOf(places, hashOf(key, SPEC.rangeEnd))?.name === name) return { ...SPEC, key };
  }
}

test('a hub that joins takes over the ranges that are its own, where the other one had got to', () => {
  const { owner, create, addPeer, open, flush, deliver } = setUp();
  open();
  create(specOn('other'), 0);
  create(specOn('hub'), 1);
  flush();
  for (const who of [1, 2]) deliver(who, { created: true, revision: 10 });
  deliver(1, { events: [text('e')], revision: 15 });
  const other = addPeer('other');
  other.open();
  expect(flush()).toMatchObject([{ cancel: true, watchId: 1 }]);
  expect(other.flush()).toMatchObject([{ create: { watchId: 3, startRevision: 16, resumed: true } }]);
  other.deliver(1, { created: true, revision: 15 });
  other.deliver(1, { events: [text('e')], revision: 16 });
  deliver(2, { events: [text('e')], revision: 17 });
  expect(owner.seen.slice(2)).toEqual(['events 1 up to 15', 'events 1 up to 16', 'events 2 up to 17']);
});

test('what the old hub still sends of a watcher that has moved is not delivered, even when it has moved back', () => {
  const { owner, session, create, addPeer, peer, open, flush, deliver } = setUp();
  open();
  create(specOn('other'), 0);
  flush();
  deliver(1, { created: true, revision: 10 });
  const other = addPeer('other');
  other.open();
  other.deliver(1, { created: true, revision: 10 });
  other.deliver(1, { events: [text('e')], revision: 12 });
  const late = (revision: number, canceled = false): void =>
    peer.onMessage(
      encodeHubReplyBatch({
        deliveries: [{ targets: [{ session: session.id, watchId: 1 }], events: [text('e')], revision, canceled }],
      }),
    );
  late(11);
  other.broken();
  late(12);
  late(12, true);
  expect(flush()).toMatchObject([{ cancel: true }, { endSession: true }, { create: { startRevision: 13 } }]);
  deliver(1, { events: [text('e')], revision: 13 });
  expect(owner.seen).toEqual(['created 1 at 10', 'events 1 up to 12', 'events 1 up to 13']);
});

test('progress of a stream with watchers on two hubs is the least of both, and waits for one that moves', () => {
  const { owner, session, create, addPeer, open, deliver } = setUp();
  const other = addPeer('other');
  open();
  other.open();
  create(specOn('hub'), 0);
  create(specOn('other'), 1);
  deliver(1, { created: true, revision: 3 });
  other.deliver(2, { created: true, revision: 3 });
  session.requestProgress();
  deliver(-1, { progress: true, revision: 9 });
  expect(owner.seen).toHaveLength(2);
  other.deliver(-1, { progress: true, revision: 7 });
  expect(owner.seen.slice(2)).toEqual(['progress all 7']);
  session.requestProgress();
  deliver(-1, { progress: true, revision: 9 });
  other.broken();
  expect(owner.seen).toHaveLength(3);
  deliver(-1, { progress: true, revision: 8 });
  expect(owner.seen.slice(3)).toEqual(['progress all 8']);
});

test('an answer to a probe that is older than what the client may have seen does not answer the client', () => {
  const { owner, session, create, open, deliver } = setUp();
  open();
  create(SPEC, 0);
  session.probeProgress();
  session.requestProgress();
  deliver(-1, { progress: true, revision: 1 });
  expect(owner.seen).toEqual([]);
  deliver(-1, { progress: true, revision: 2 });
  expect(owner.seen).toEqual(['progress all 2']);
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
