import { Errors, type RpcError } from '../../../libs/errors';
import {
  decodeCampaignResponse,
  decodeLeaderResponse,
  ELECTION_PATHS,
  encodeCampaignRequest,
  encodeLeaderRequest,
  encodeProclaimRequest,
  encodeResignRequest,
  type LeaderKey,
} from '../../../proto/gen/v3electionpb';
import { decodeLockResponse, encodeLockRequest, encodeUnlockRequest, LOCK_PATHS } from '../../../proto/gen/v3lockpb';
import { NOBODY } from '../identity';
import type { StreamRequest, UnaryRequest } from '../requests';
import type { Router, Routes } from '../router';
import { text } from '../testing/recorder';
import { TinyStore } from '../testing/tiny-store';
import { electionRoutes } from './election';
import { lockRoutes } from './lock';

const router = { identify: (_m: unknown, _c: unknown, callback: (who: unknown) => void) => callback(NOBODY) };

class FakeCall {
  cancelled = false;
  outcome: Uint8Array | RpcError | undefined;
  private cancelCallback: (() => void) | undefined;
  private wake: (() => void) | undefined;

  constructor(
    routes: Routes,
    path: string,
    readonly body: Uint8Array,
  ) {
    const onCancel = (callback: () => void): void => void (this.cancelCallback = callback);
    const request = Object.assign(this, { onCancel, identity: NOBODY });
    routes.unary?.[path]?.handle(request as unknown as UnaryRequest);
  }

  reply(response: Uint8Array): void {
    this.outcome = response;
    this.wake?.();
  }

  fail(error: RpcError): void {
    this.outcome = error;
    this.wake?.();
  }

  cancel(): void {
    this.cancelled = true;
    this.cancelCallback?.();
  }

  async done(): Promise<Uint8Array | RpcError> {
    while (this.outcome === undefined) await new Promise<void>((resolve) => (this.wake = resolve));
    return this.outcome;
  }
}

function setUp() {
  const store = new TinyStore();
  const locks = lockRoutes(store);
  const elections = electionRoutes(store, router as unknown as Router);
  const lock = (lease: bigint): FakeCall =>
    new FakeCall(locks, LOCK_PATHS.Lock, encodeLockRequest({ name: text('l'), lease }));
  const campaign = (lease: bigint, value: string): FakeCall =>
    new FakeCall(
      elections,
      ELECTION_PATHS.Campaign,
      encodeCampaignRequest({ name: text('e'), lease, value: text(value) }),
    );
  return { store, locks, elections, lock, campaign };
}

const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
};
const bytes = (outcome: Uint8Array | RpcError): Uint8Array => {
  if (outcome instanceof Uint8Array) return outcome;
  throw new Error(outcome.message);
};

test('a lock goes to those who wait in the order they came', async () => {
  const { store, locks, lock } = setUp();
  const first = lock(0x1fn);
  expect(Buffer.from(decodeLockResponse(bytes(await first.done())).key).toString()).toBe('l/1f');
  const [second, third] = [lock(2n), lock(3n)];
  await settle();
  expect([second.outcome, third.outcome, store.names]).toEqual([undefined, undefined, ['l/1f', 'l/2', 'l/3']]);
  await new FakeCall(locks, LOCK_PATHS.Unlock, encodeUnlockRequest({ key: text('l/1f') })).done();
  await second.done();
  await settle();
  expect(third.outcome).toBeUndefined();
  store.delete('l/2');
  await third.done();
});

test('who holds the lock gets it again at once, and who brings no lease gets one', async () => {
  const { store, lock } = setUp();
  await lock(7n).done();
  await lock(7n).done();
  store.delete('l/7');
  await lock(0n).done();
  expect(store.names).toEqual(['l/abc']);
});

test('one who gives up leaves the queue; one whose session is over is told so', async () => {
  const { store, lock } = setUp();
  await lock(1n).done();
  const [second, third] = [lock(2n), lock(3n)];
  await settle();
  second.cancel();
  await second.done();
  expect(store.names).toEqual(['l/1', 'l/3']);
  store.delete('l/3');
  store.delete('l/1');
  expect(await third.done()).toMatchObject({ message: Errors.SessionExpired.message });
});

test('one who gives up while it is being queued leaves no waiter behind', async () => {
  const { store, lock } = setUp();
  await lock(1n).done();
  const second = lock(2n);
  second.cancel();
  await second.done();
  await settle();
  expect(store.names).toEqual(['l/1']);
});

test('leaders follow one another; proclaiming and resigning are for the leader alone', async () => {
  const { elections, campaign, store } = setUp();
  const call = (path: string, body: Uint8Array): Promise<Uint8Array | RpcError> =>
    new FakeCall(elections, path, body).done();
  const leaderOf = async (): Promise<string> =>
    Buffer.from(
      decodeLeaderResponse(bytes(await call(ELECTION_PATHS.Leader, encodeLeaderRequest({ name: text('e') })))).kv
        ?.value ?? '',
    ).toString();
  expect(await call(ELECTION_PATHS.Leader, encodeLeaderRequest({ name: text('e') }))).toMatchObject({
    message: Errors.ElectionNoLeader.message,
  });
  expect(await call(ELECTION_PATHS.Proclaim, encodeProclaimRequest({}))).toMatchObject({
    message: Errors.ElectionNoLeaderKey.message,
  });
  const first = decodeCampaignResponse(bytes(await campaign(1n, 'one').done())).leader as LeaderKey;
  const second = campaign(2n, 'two');
  await settle();
  expect([await leaderOf(), second.outcome]).toEqual(['one', undefined]);
  await call(ELECTION_PATHS.Proclaim, encodeProclaimRequest({ leader: first, value: text('uno') }));
  expect(await leaderOf()).toBe('uno');
  await call(ELECTION_PATHS.Resign, encodeResignRequest({ leader: first }));
  await second.done();
  expect([await leaderOf(), store.names]).toEqual(['two', ['e/2']]);
  expect(await call(ELECTION_PATHS.Proclaim, encodeProclaimRequest({ leader: first, value: text('x') }))).toEqual({
    code: 2,
    message: Errors.ElectionNotLeader.message,
  });
});

test('an observer is told every leader and every proclamation', async () => {
  const { elections, campaign, store } = setUp();
  const seen: string[] = [];
  let ask: (message: Uint8Array) => void = () => undefined;
  let close = (): void => undefined;
  const stream = {
    closed: false,
    call: { metadata: [], connection: {} },
    onMessage: (callback: typeof ask) => (ask = callback),
    onClose: (callback: () => void) => {
      close = callback;
    },
    send: (message: Uint8Array) => seen.push(Buffer.from(decodeLeaderResponse(message).kv?.value ?? '').toString()),
    end: (error?: RpcError) => seen.push(`end ${error?.message}`),
  };
  elections.stream?.[ELECTION_PATHS.Observe]?.handle(stream as unknown as StreamRequest, {
    token: undefined,
    hasLeader: false,
    clientApiVersion: '',
    wantsTiming: false,
    traceparent: undefined,
  });
  ask(encodeLeaderRequest({ name: text('e') }));
  await settle();
  const leader = decodeCampaignResponse(bytes(await campaign(1n, 'one').done())).leader as LeaderKey;
  await settle();
  await new FakeCall(elections, ELECTION_PATHS.Proclaim, encodeProclaimRequest({ leader, value: text('uno') })).done();
  await settle();
  store.delete('e/1');
  await campaign(2n, 'two').done();
  await settle();
  expect(seen).toEqual(['one', 'uno', 'two']);
  stream.closed = true;
  close();
  await settle();
  expect(seen.at(-1)).toBe('end context canceled');
});
