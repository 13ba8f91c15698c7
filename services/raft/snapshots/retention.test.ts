import { createLogger } from '../../../libs/process';
import type { ProgressView, RaftCore } from '../../../libs/raft';
import type { Wal } from '../../../libs/wal';
import { MemberBook } from '../conf-changes';
import type { RaftLimits } from '../config';
import type { MembersFile } from '../members-file';
import { LogRetention } from './retention';

interface Situation {
  readonly durable?: number;
  readonly taken?: number;
  readonly bytesOnDisk?: number;
  readonly isShort?: boolean;
  readonly progress?: readonly Partial<ProgressView>[];
  readonly connected?: readonly bigint[];
  readonly keepFrom?: number;
  readonly bookIndex?: number;
  readonly syncedConfiguration?: number;
}

/** What happens at a tick: the index up to which the WAL may go (undefined: it is not asked), and whether members are saved. */
function tick(situation: Situation): { target: number | undefined; saved: boolean; isFull: boolean } {
  const book = new MemberBook();
  book.index = situation.bookIndex ?? 3;
  let target: number | undefined;
  let saved = false;
  const wal = {
    firstIndex: 1,
    bytesOnDisk: situation.bytesOnDisk ?? 100,
    isShort: situation.isShort ?? false,
    syncedConfiguration: situation.syncedConfiguration ?? 3,
    prepareAgain: () => undefined,
    firstIndexAfterCompaction: (index: number) => index + 1,
    compact: (index: number) => {
      target = index;
    },
  } as unknown as Wal;
  const retention = new LogRetention({
    core: {
      id: 1n,
      progress: () => situation.progress ?? [],
    } as unknown as RaftCore,
    wal,
    book,
    membersFile: { index: 3, save: () => (saved = true) } as unknown as MembersFile,
    limits: { walKeepEntries: 5_000, walKeepBytes: 1_000, walUnappliedBytes: 2_000 } as RaftLimits,
    logger: createLogger('raft', 'fatal', 'm1'),
    durableIndex: () => situation.durable ?? 20_000,
    takenIndex: () => situation.taken ?? 20_000,
    keepFrom: () => situation.keepFrom,
    isConnected: (id) => situation.connected?.includes(id) ?? false,
  });
  retention.tick();
  return { target, saved, isFull: retention.isFull };
}

const follower = { id: 2n, match: 8_000 };

test.each<[string, Situation, number | undefined]>([
  ['5,000 entries behind what the store has on disk are kept', {}, 15_000],
  ['nothing goes before the store has so many', { durable: 5_000 }, undefined],
  ['nothing goes while storage is away', { durable: 0 }, undefined],
  ['what the core has not given out is kept', { taken: 9_000 }, 4_000],
  ['what a connected follower lacks is kept', { progress: [follower], connected: [2n] }, 8_000],
  ['one that is down does not hold the log', { progress: [follower] }, 15_000],
  [
    'nor does one for which too much would be kept',
    { progress: [follower], connected: [2n], bytesOnDisk: 1_001 },
    15_000,
  ],
  ['what follows a copy under way is kept', { keepFrom: 7_001 }, 7_000],
  ['its own progress does not count', { progress: [{ id: 1n, match: 6_000 }], connected: [1n] }, 15_000],
])('%s', (_, situation, target) => {
  expect(tick(situation).target).toBe(target);
});

test('members are saved before the WAL forgets them, and not before its own record of them is on disk', () => {
  expect(tick({})).toMatchObject({ saved: false, target: 15_000 });
  expect(tick({ bookIndex: 9, syncedConfiguration: 9 })).toMatchObject({ saved: true, target: 15_000 });
  expect(tick({ bookIndex: 9, syncedConfiguration: 3 })).toMatchObject({ saved: false, target: undefined });
});

test('no entries are taken while storage is away and much waits for it, or while the disk is full', () => {
  expect(tick({ durable: 0, bytesOnDisk: 2_000 }).isFull).toBe(false);
  expect(tick({ durable: 0, bytesOnDisk: 2_001 }).isFull).toBe(true);
  expect(tick({ bytesOnDisk: 2_001 }).isFull).toBe(false);
  expect(tick({ isShort: true }).isFull).toBe(true);
});
