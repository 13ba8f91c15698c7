import { encodeLeaseGrantRequest } from '../../../proto/gen/etcdserverpb';
import { decodeFeedBatch, encodeFeedRequest, EntryKind, type FeedBatch, FeedTopic } from '../../../proto/gen/hexad';
import { Gate } from '../gate';
import { limits } from '../limits';
import { FakeCall } from '../testing/fake-call';
import { IDENTITY, MachineRig } from '../testing/machine-rig';
import { StateFeed } from './feed';

function begin(leases: number): { rig: MachineRig; feed: StateFeed; gate: Gate } {
  const rig = new MachineRig();
  for (let id = 1; id <= leases; id++) {
    rig.apply(EntryKind.ENTRY_LEASE_GRANT, encodeLeaseGrantRequest({ ID: BigInt(id), TTL: 9 }));
  }
  const gate = new Gate();
  return { rig, feed: new StateFeed(rig.state, IDENTITY, gate), gate };
}

function subscribe(feed: StateFeed, ...topics: number[]): FakeCall {
  const fake = new FakeCall();
  feed.serve(fake.call);
  fake.receive(encodeFeedRequest({ topics }));
  return fake;
}
const batches = (fake: FakeCall): FeedBatch[] => fake.sent.map(decodeFeedBatch);

describe('the feed', () => {
  it('gives nothing before the gate opens, then a full copy in parts of which the last says so', () => {
    const { feed, gate } = begin(limits.feedLeasesPerMessage + 5);
    const fake = subscribe(feed, FeedTopic.FEED_LEASES, FeedTopic.FEED_AUTH);
    expect(fake.sent).toEqual([]);
    gate.open();
    const copy = batches(fake);
    expect(copy.map((batch) => [batch.snapshot, batch.snapshotEnd, batch.leases.length])).toEqual([
      [true, false, limits.feedLeasesPerMessage],
      [true, false, 5],
      [true, true, 0],
    ]);
    expect(copy.at(-1)?.auth).toEqual({ enabled: false, revision: 1 });
  });

  it('sends changes of the topics asked for, in order, once per slice', () => {
    const { feed, gate } = begin(0);
    gate.open();
    const leases = subscribe(feed, FeedTopic.FEED_LEASES);
    const auth = subscribe(feed, FeedTopic.FEED_AUTH);
    feed.leaseChanged({ id: 1n, ttl: 9, remainingTtl: 0, grantedIndex: 4 });
    feed.leaseRevoked(1n);
    feed.leaseChanged({ id: 1n, ttl: 7, remainingTtl: 0, grantedIndex: 6 });
    feed.flush();
    feed.tokensRevoked('alice');
    feed.tokenAssigned({ token: 't', user: 'alice', authRevision: 3 });
    feed.flush();
    feed.flush();
    expect(
      batches(leases)
        .slice(1)
        .map((batch) => batch.leases),
    ).toEqual([
      [
        { id: 1n, ttl: 9, remainingTtl: 0, revoked: false, grantedIndex: 4 },
        { id: 1n, ttl: 0, remainingTtl: 0, revoked: true, grantedIndex: 0 },
        { id: 1n, ttl: 7, remainingTtl: 0, revoked: false, grantedIndex: 6 },
      ],
    ]);
    expect(
      batches(auth)
        .slice(1)
        .map((batch) => batch.tokens),
    ).toEqual([
      [
        { token: '', user: 'alice', authRevision: 0, revokeUser: true, revokeAll: false },
        { token: 't', user: 'alice', authRevision: 3, revokeUser: false, revokeAll: false },
      ],
    ]);
  });

  it('tells everyone that a term has started, even when nothing else changed', () => {
    const { feed, gate } = begin(0);
    gate.open();
    const fake = subscribe(feed, FeedTopic.FEED_CLUSTER);
    feed.termStarted();
    feed.flush();
    expect(batches(fake)).toHaveLength(2);
  });
});
