import { Errors } from '../../../libs/errors';
import type { ConnectionInfo } from '../../../libs/rpc';
import { decodeFeedBatch, encodeFeedBatch, type FeedBatchInput } from '../../../proto/gen/hexad';
import { NOBODY } from '../identity';
import { MemberView } from '../member-view';
import { Authenticator, type Resolution } from './authenticator';
import { readMetadata } from './call-metadata';

const TTL_MS = 300_000;

function connection(clientCommonName?: string): ConnectionInfo {
  return {
    id: 1,
    remoteAddress: 'x',
    encrypted: false,
    clientCommonName,
    onClose: () => undefined,
    reportRequest: () => undefined,
  };
}

function setUp() {
  const clock = { time: 0 };
  const now = (): number => clock.time;
  const view: MemberView = new MemberView(
    { clusterId: 1n, memberId: 2n },
    {
      onLeader: () => undefined,
      onTokens: (tokens, all) => authenticator.applyTokens(tokens, all),
      onAuth: (enabled) => {
        if (!enabled) authenticator.authDisabled();
      },
    },
    now,
  );
  const authenticator: Authenticator = new Authenticator({
    view,
    tokenTtlMs: TTL_MS,
    jwt: undefined,
    timeoutMs: 7_000,
    now,
    wallClock: now,
  });
  const feed = (batch: FeedBatchInput): void => view.onFeed(decodeFeedBatch(encodeFeedBatch(batch)));
  const resolve = (token?: string, name?: string): Resolution | undefined =>
    authenticator.resolve(readMetadata(token === undefined ? [] : [['token', token]]), connection(name));
  const enable = (): void => feed({ auth: { enabled: true, revision: 5 }, appliedIndex: 10 });
  return { clock, view, authenticator, feed, resolve, enable };
}

test('nobody is anybody while auth is off', () => {
  const { resolve } = setUp();
  expect(resolve()).toBe(NOBODY);
  expect(resolve('stale.0')).toBe(NOBODY);
});

test('with auth on a call needs a token or a certificate', () => {
  const { resolve, enable } = setUp();
  enable();
  expect(resolve()).toBe(Errors.UserEmpty);
  expect(resolve('nonsense')).toBe(Errors.InvalidAuthToken);
  expect(resolve(undefined, 'carol')).toMatchObject({ user: 'carol', authRevision: 5 });
});

test('a token names its user, at the auth revision of the moment', () => {
  const { resolve, feed, enable } = setUp();
  enable();
  feed({ tokens: [{ token: 'abc.11', user: 'ann', authRevision: 5 }], appliedIndex: 11 });
  expect(resolve('abc.11', 'carol')).toMatchObject({ user: 'ann', authRevision: 5 });
  feed({ auth: { enabled: true, revision: 6 }, appliedIndex: 12 });
  expect(resolve('abc.11')).toMatchObject({ user: 'ann', authRevision: 6 });
});

test('each use renews a token; one that is not used ends', () => {
  const { clock, resolve, feed, enable } = setUp();
  enable();
  feed({ tokens: [{ token: 'abc.11', user: 'ann' }], appliedIndex: 11 });
  clock.time += TTL_MS - 1;
  expect(resolve('abc.11')).toMatchObject({ user: 'ann' });
  clock.time += TTL_MS - 1;
  expect(resolve('abc.11')).toMatchObject({ user: 'ann' });
  clock.time += TTL_MS;
  expect(resolve('abc.11')).toBe(Errors.InvalidAuthToken);
});

test('tokens end with their user, with a snapshot that lacks them, and when auth goes off', () => {
  const { resolve, feed, enable } = setUp();
  enable();
  const tokens = ['a.11', 'b.11', 'c.11'].map((token) => ({ token, user: token.slice(0, 1) }));
  feed({ tokens, appliedIndex: 11 });
  feed({ tokens: [{ user: 'a', revokeUser: true }], appliedIndex: 12 });
  expect(resolve('a.11')).toBe(Errors.InvalidAuthToken);
  expect(resolve('b.11')).toMatchObject({ user: 'b' });
  const [, , c] = tokens;
  feed({
    snapshot: true,
    snapshotEnd: true,
    tokens: c ? [c] : [],
    auth: { enabled: true, revision: 5 },
    appliedIndex: 13,
  });
  expect(resolve('b.11')).toBe(Errors.InvalidAuthToken);
  expect(resolve('c.11')).toMatchObject({ user: 'c' });
  feed({ auth: { enabled: false, revision: 6 }, appliedIndex: 14 });
  feed({ auth: { enabled: true, revision: 7 }, appliedIndex: 15 });
  expect(resolve('c.11')).toBe(Errors.InvalidAuthToken);
});

test('a token from an entry not applied here yet is waited for, even while auth seems off', () => {
  const { authenticator, resolve, feed } = setUp();
  expect(resolve('new.20')).toBeUndefined();
  const seen: Resolution[] = [];
  authenticator.wait(readMetadata([['token', 'new.20']]), connection(), (resolution) => seen.push(resolution));
  feed({ auth: { enabled: true, revision: 5 }, appliedIndex: 19 });
  expect(seen).toEqual([]);
  feed({ tokens: [{ token: 'new.20', user: 'ann' }], appliedIndex: 20 });
  expect(seen).toMatchObject([{ user: 'ann', authRevision: 5 }]);
});

test('a token from the future that never comes is refused in the end', () => {
  const { clock, view, authenticator, enable } = setUp();
  enable();
  const seen: Resolution[] = [];
  authenticator.wait(readMetadata([['token', 'no.99']]), connection(), (resolution) => seen.push(resolution));
  clock.time += 6_999;
  view.sweep(clock.time);
  expect(seen).toEqual([]);
  clock.time += 1;
  view.sweep(clock.time);
  expect(seen).toEqual([Errors.InvalidAuthToken]);
});

test('`token` counts before `authorization`, and Bearer is passed over', () => {
  expect(readMetadata([['authorization', 'Bearer b']]).token).toBe('b');
  expect(
    readMetadata([
      ['authorization', 'b'],
      ['token', 'a'],
    ]).token,
  ).toBe('a');
  expect(readMetadata([['hasleader', 'true']])).toMatchObject({ hasLeader: true, token: undefined });
  expect(readMetadata([['client-api-version', '\u0001x']]).clientApiVersion).toBe('');
});
