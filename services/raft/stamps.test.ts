import { decodeEntryTimings } from '../../libs/attribution';
import { EntryStamps } from './stamps';

const LEADER = 1n;
const FOLLOWER = 2n;

function setUp(self = LEADER, enabled = true) {
  const clock = { now: 1_000_000 };
  const stamps = new EntryStamps(self, () => clock.now, enabled, 100);
  const delivered = (first: number, last: number) => decodeEntryTimings(stamps.forDelivery(first, last));
  return { clock, stamps, delivered };
}

test('the entries of a batch share one record of when they were appended, synced and committed', () => {
  const { clock, stamps, delivered } = setUp();
  stamps.appended(12, 3, 999_900, undefined);
  clock.now += 100;
  stamps.advance(12, 9, 80);
  clock.now += 50;
  stamps.acknowledged(FOLLOWER, 12, 40, 30);
  stamps.advance(12, 12, 80);
  expect(delivered(10, 12)).toEqual([
    {
      first: 10,
      last: 12,
      arrived: 999_900,
      appended: 1_000_000,
      synced: 1_000_100,
      committed: 1_000_150,
      fsync: 80,
      leader: LEADER,
      follower: FOLLOWER,
      roundTrip: 150,
      followerHeld: 40,
      followerFsync: 30,
      forwardNet: 0,
      leaderStall: 0,
      delivered: 1_000_150,
    },
  ]);
  expect(delivered(10, 12)).toEqual([]);
});

test('a quorum that is quicker than the own disk leaves nothing for replication', () => {
  const { clock, stamps, delivered } = setUp();
  stamps.appended(1, 1, 1_000_000, undefined);
  clock.now += 10;
  stamps.advance(0, 1, 0);
  expect(delivered(1, 1)).toEqual([]);
  clock.now += 90;
  stamps.advance(1, 1, 95);
  expect(delivered(1, 1)).toMatchObject([{ synced: 1_000_100, committed: 1_000_100 }]);
});

test('the member that passed a batch on gets its record, and puts times of another clock between its own', () => {
  const leader = setUp();
  const follower = setUp(FOLLOWER);
  follower.clock.now = 50_000;
  leader.stamps.appended(7, 2, 1_000_000, { member: FOLLOWER, arrived: 49_000, sent: 49_500 });
  leader.clock.now += 300;
  leader.stamps.advance(7, 7, 250);
  expect(leader.delivered(6, 7)).toEqual([]);
  const due = leader.stamps.takeFor(FOLLOWER) ?? [];
  expect(leader.stamps.takeFor(FOLLOWER)).toBeUndefined();
  follower.stamps.told(due);
  const [timing] = follower.delivered(6, 7);
  // 500 µs there and back, 300 of them at the leader: 100 each way.
  expect(timing).toMatchObject({ arrived: 49_000, appended: 49_600, synced: 49_900, forwardNet: 200, leader: LEADER });
});

test('a record stays until the last of its entries is delivered', () => {
  const { stamps, delivered } = setUp();
  stamps.appended(4, 4, 1_000_000, undefined);
  stamps.advance(4, 4, 1);
  expect(delivered(1, 2)).toHaveLength(1);
  expect(delivered(3, 4)).toHaveLength(1);
  expect(delivered(5, 5)).toHaveLength(0);
});

test('a leader whose event loop stood still says so', () => {
  const { clock, stamps, delivered } = setUp();
  stamps.tick();
  stamps.appended(1, 1, 1_000_000, undefined);
  clock.now += 400_000;
  stamps.acknowledged(FOLLOWER, 1, 40, 30);
  stamps.advance(1, 1, 400_000);
  expect(delivered(1, 1)).toMatchObject([{ leaderStall: 350_000 }]);
  for (let i = 0; i < 5; i++) {
    clock.now += 100_000;
    stamps.tick();
  }
  stamps.appended(2, 1, clock.now, undefined);
  stamps.advance(2, 2, 10);
  expect(delivered(2, 2)).toMatchObject([{ leaderStall: 0 }]);
});

test('a leader that is one no more forgets what may never be committed', () => {
  const { stamps, delivered } = setUp();
  stamps.appended(1, 1, 1_000_000, undefined);
  stamps.leadershipLost();
  stamps.advance(1, 1, 1);
  expect(delivered(1, 1)).toEqual([]);
});

test('nothing is noted while stamps are off, nor of proposals whose sender does not stamp', () => {
  const off = setUp(LEADER, false);
  off.stamps.appended(1, 1, 1_000_000, undefined);
  off.stamps.advance(1, 1, 1);
  expect(off.delivered(1, 1)).toEqual([]);
  const on = setUp();
  on.stamps.appended(1, 1, 1_000_000, { member: FOLLOWER, arrived: 0, sent: 0 });
  on.stamps.advance(1, 1, 1);
  expect(on.stamps.takeFor(FOLLOWER)).toBeUndefined();
});
