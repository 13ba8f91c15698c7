import fc from 'fast-check';
import { DEFAULT_WATCH_LIMITS, type WatchLimits } from '.';
import { HubSimulation, type Stream } from './testing/hub-simulation';

const SMALL: WatchLimits = {
  watchersMax: Number.MAX_SAFE_INTEGER,
  windowBytesMax: 4_000,
  pendingBytesMax: 500,
  deliveryBytesSoft: 200,
  sliceRevisionsMax: 3,
  turnEventsMax: 8,
  historyReadsMax: 2,
  historyChunksPerTurn: 2,
};

const change = fc.record({ key: fc.nat(5), remove: fc.boolean() });
const startRevision = fc.oneof(
  fc.constant({ kind: 'now' as const }),
  fc.nat(40).map((back) => ({ kind: 'past' as const, back })),
  fc.nat(8).map((ahead) => ({ kind: 'future' as const, ahead })),
);
const watcher = fc.record({
  connection: fc.nat(1),
  session: fc.nat(2),
  key: fc.nat(5),
  span: fc.nat(3),
  start: startRevision,
  noPut: fc.boolean(),
  noDelete: fc.boolean(),
  prevKv: fc.boolean(),
  progressNotify: fc.boolean(),
});
const place = fc.record({ connection: fc.nat(1), session: fc.nat(2) });
const action = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.array(change, { minLength: 1, maxLength: 4 }).map((changes) => ({ do: 'write' as const, changes })),
  },
  { weight: 5, arbitrary: fc.constant({ do: 'publish' as const }) },
  { weight: 2, arbitrary: fc.constant({ do: 'lose' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'repeat' as const }) },
  { weight: 2, arbitrary: fc.constant({ do: 'heartbeat' as const }) },
  { weight: 4, arbitrary: watcher.map((spec) => ({ do: 'create' as const, spec })) },
  { weight: 4, arbitrary: fc.constant({ do: 'status' as const }) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 9 }).map((behind) => ({ do: 'statusBehind' as const, behind })) },
  { weight: 1, arbitrary: fc.constant({ do: 'failStatus' as const }) },
  { weight: 1, arbitrary: fc.nat(1).map((connection) => ({ do: 'disconnect' as const, connection })) },
  {
    weight: 4,
    arbitrary: fc
      .record({ size: fc.integer({ min: 1, max: 4 }), pick: fc.nat(3) })
      .map((r) => ({ do: 'read' as const, ...r })),
  },
  { weight: 1, arbitrary: fc.nat(3).map((pick) => ({ do: 'failRead' as const, pick })) },
  { weight: 4, arbitrary: fc.constant({ do: 'turn' as const }) },
  { weight: 1, arbitrary: place.map((at) => ({ do: 'pause' as const, ...at })) },
  { weight: 1, arbitrary: place.map((at) => ({ do: 'resume' as const, ...at })) },
  { weight: 1, arbitrary: fc.nat(1).map((connection) => ({ do: 'congested' as const, connection })) },
  { weight: 1, arbitrary: fc.nat(1).map((connection) => ({ do: 'drained' as const, connection })) },
  { weight: 1, arbitrary: place.map((at) => ({ do: 'progressDue' as const, ...at })) },
  { weight: 1, arbitrary: place.map((at) => ({ do: 'requestProgress' as const, ...at })) },
  { weight: 1, arbitrary: fc.nat(40).map((index) => ({ do: 'cancel' as const, index })) },
  { weight: 1, arbitrary: fc.nat(30).map((back) => ({ do: 'compact' as const, back })) },
  { weight: 3, arbitrary: fc.constant({ do: 'hearWish' as const }) },
  { weight: 2, arbitrary: fc.constant({ do: 'rest' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'reconnect' as const }) },
  { weight: 1, arbitrary: place.map((at) => ({ do: 'endSession' as const, ...at })) },
);
type Action = typeof action extends fc.Arbitrary<infer A> ? A : never;

const ended = new WeakSet<Stream>();

function createWatcher(sim: HubSimulation, spec: Extract<Action, { do: 'create' }>['spec'], watchId: number): void {
  const key = new TextEncoder().encode(`k${spec.key}`);
  const rangeEnd = spec.span === 0 ? new Uint8Array(0) : new TextEncoder().encode(`k${spec.key + spec.span}`);
  const { start } = spec;
  const startRevision =
    start.kind === 'now'
      ? 0
      : start.kind === 'past'
        ? Math.max(1, sim.revision - start.back)
        : sim.revision + 1 + start.ahead;
  const { connection, session, noPut, noDelete, prevKv, progressNotify } = spec;
  sim.create(connection, session, {
    watchId,
    key,
    rangeEnd,
    startRevision,
    progressNotify,
    noPut,
    noDelete,
    prevKv,
    resumed: false,
  });
}

function run(sim: HubSimulation, step: Action, watchId: number): void {
  if (step.do === 'write') sim.write(step.changes);
  else if (step.do === 'publish') sim.publish();
  else if (step.do === 'lose') sim.publish({ lost: true });
  else if (step.do === 'repeat') sim.publish({ repeat: true });
  else if (step.do === 'heartbeat') sim.heartbeat();
  else if (step.do === 'create') createWatcher(sim, step.spec, watchId);
  else if (step.do === 'status') sim.answerStatus();
  else if (step.do === 'statusBehind') sim.answerStatus(step.behind);
  else if (step.do === 'disconnect') sim.disconnect(step.connection);
  else if (step.do === 'failStatus') sim.failStatus();
  else if (step.do === 'read') sim.serveRead(step.size, step.pick);
  else if (step.do === 'failRead') sim.failRead(step.pick);
  else if (step.do === 'turn') sim.takeTurn();
  else if (step.do === 'pause') sim.core.pause(step.connection, step.session);
  else if (step.do === 'resume') sim.core.resume(step.connection, step.session);
  else if (step.do === 'congested') sim.core.congested(step.connection);
  else if (step.do === 'drained') sim.core.drained(step.connection);
  else if (step.do === 'progressDue') sim.core.progressDue(step.connection, step.session);
  else if (step.do === 'requestProgress') sim.core.requestProgress(step.connection, step.session);
  else if (step.do === 'compact') sim.compact(sim.revision - step.back);
  else if (step.do === 'hearWish') sim.hearWish();
  else if (step.do === 'rest') sim.core.rest();
  else if (step.do === 'reconnect') sim.reconnect();
  else if (step.do === 'endSession') sim.endSession(step.connection, step.session);
  else {
    const stream = [...sim.streams.values()][step.index];
    if (stream !== undefined) sim.core.cancel(stream.connection, stream.session, stream.create.watchId);
  }
  sim.pump();
}

function heal(sim: HubSimulation): void {
  for (const connection of [0, 1]) {
    sim.core.drained(connection);
    for (const session of [0, 1, 2]) sim.core.resume(connection, session);
  }
  sim.pump();
  sim.settle();
}

function checkStream(sim: HubSimulation, stream: Stream): void {
  expect(stream.created).toBe(true);
  if (!stream.canceled) {
    expect(stream.events).toEqual(sim.expected(stream, sim.revision));
    return;
  }
  // What came before the cancellation is the start of the right stream, cut at the end of a revision.
  const all = sim.expected(stream, sim.revision);
  expect(stream.events).toEqual(all.slice(0, stream.events.length));
  const last = stream.events.at(-1)?.kv?.modRevision;
  if (last !== undefined) expect(all[stream.events.length]?.kv?.modRevision).not.toBe(last);
  if (stream.compactRevision > 0) expect(stream.compactRevision).toBeLessThanOrEqual(sim.compactRevision);
  ended.add(stream);
}

describe('the watch hub', () => {
  it.each([
    ['without prev_kv in the live feed', false],
    ['with prev_kv in the live feed', true],
  ])(
    'gives every watcher exactly the filtered history, whatever is lost, late, paused or cut off (%s)',
    (_name, livePrevious) => {
      fc.assert(
        fc.property(fc.array(action, { minLength: 10, maxLength: 120 }), (steps) => {
          const sim = new HubSimulation(SMALL, { livePrevious });
          sim.heartbeat();
          steps.forEach((step, i) => run(sim, step, i));
          heal(sim);
          for (const stream of sim.streams.values()) checkStream(sim, stream);
          // After healing the hub still works: one more write reaches all who want it.
          sim.write([0, 1, 2, 3, 4, 5].map((key) => ({ key, remove: false })));
          sim.settle();
          for (const stream of sim.streams.values()) checkStream(sim, stream);
          expect(sim.core.counters.slowWatchers).toBe(waitingForFuture(sim));
        }),
        { numRuns: 1_500 },
      );
    },
  );

  const ofKey0 = {
    connection: 0,
    session: 0,
    key: 0,
    span: 1,
    start: { kind: 'now' as const },
    noPut: false,
    noDelete: false,
    prevKv: false,
    progressNotify: false,
  };

  it('gives what was written between its first creation and the moment storage heard of it', () => {
    const sim = new HubSimulation(DEFAULT_WATCH_LIMITS);
    sim.heartbeat();
    createWatcher(sim, ofKey0, 1);
    sim.answerStatus();
    for (let i = 0; i < 2; i += 1) {
      sim.write([{ key: 0, remove: false }]);
      sim.hearWish();
    }
    sim.publish();
    sim.settle();
    const stream = [...sim.streams.values()][0] as Stream; // one was created
    expect(stream.events).toHaveLength(2);
    checkStream(sim, stream);
  });

  it('would fail that test if storage hid what it had not sent', () => {
    const sim = new HubSimulation(DEFAULT_WATCH_LIMITS, { livePrevious: false, hidesWhatWasNotSent: true });
    sim.heartbeat();
    createWatcher(sim, ofKey0, 1);
    sim.answerStatus();
    sim.write([{ key: 0, remove: false }]);
    sim.hearWish();
    sim.write([{ key: 0, remove: false }]);
    expect(() => sim.publish()).toThrow('2 events promised, 1 sent');
  });

  it('reads nothing and keeps nothing while nobody watches', () => {
    const sim = new HubSimulation(DEFAULT_WATCH_LIMITS);
    sim.heartbeat();
    for (let i = 0; i < 10; i += 1) {
      sim.write([{ key: 0, remove: false }]);
      sim.publish();
      sim.heartbeat();
    }
    expect(sim.trace).toEqual([]);
    expect(sim.core.counters).toMatchObject({ windowBytes: 0, liveRevision: sim.revision });
  });

  it('would fail this test if a single event were dropped', () => {
    const sim = new HubSimulation(DEFAULT_WATCH_LIMITS);
    sim.heartbeat();
    createWatcher(sim, ofKey0, 1);
    sim.settle();
    sim.write([{ key: 0, remove: false }]);
    sim.settle();
    const stream = [...sim.streams.values()][0] as Stream; // one was created
    stream.events.pop();
    expect(() => checkStream(sim, stream)).toThrow();
  });
});

function waitingForFuture(sim: HubSimulation): number {
  return [...sim.streams.values()].filter(
    ({ canceled, create }) => !canceled && create.startRevision > sim.revision + 1,
  ).length;
}
