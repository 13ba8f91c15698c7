import { EMPTY_CONF } from './configuration';
import { createRaft } from './raft';
import { MemoryLog } from './testing/memory-log';
import { quietSettings } from './testing/quiet-settings';
import { createMessage } from './messages';
import { type LogEntry, type Message, MessageType, type RaftCore, type SnapshotMetadata } from './types';

const conf = { ...EMPTY_CONF, voters: [1n, 2n, 3n] };
const entry = (index: number, term: number): LogEntry => ({ index, term, type: 0, data: new Uint8Array(0) });
const snapshot = (index: number, term: number): SnapshotMetadata => ({ ...EMPTY_CONF, voters: [1n, 2n], index, term });

/** A follower in term 2 with entries 1 to 5 of term 1, of which 3 are committed. */
function follower(): { core: RaftCore; log: MemoryLog } {
  const log = new MemoryLog(
    0,
    0,
    [1, 2, 3, 4, 5].map((index) => entry(index, 1)),
  );
  const core = createRaft({
    ...quietSettings,
    id: 3n,
    confState: conf,
    confIndex: 3,
    hardState: { term: 2, vote: 0n, commit: 3 },
    storage: log,
    applied: 3,
  });
  return { core, log };
}

function heartbeat(core: RaftCore, term: number): void {
  const message: Message = { ...createMessage(MessageType.Heartbeat, 3n), from: 1n, term };
  core.step(message);
  drain(core);
}

function drain(core: RaftCore): Message[] {
  const messages: Message[] = [];
  for (let ready = core.ready(); ready !== undefined; ready = core.ready()) {
    messages.push(...ready.messages, ...ready.messagesAfterPersist);
  }
  return messages;
}

test('a store that came from elsewhere replaces a log that lacks its entry, and the leader of the moment is told', () => {
  const { core } = follower();
  heartbeat(core, 2);
  expect(core.installSnapshot(snapshot(9, 1))).toBe(true);
  expect([core.commit, core.lastIndex, core.persistedIndex]).toEqual([9, 9, 0]);
  expect(core.confState.voters).toEqual([1n, 2n]);
  const ready = core.ready();
  expect(ready).toMatchObject({ mustSync: true, snapshot: { index: 9, term: 1 } });
  expect(ready?.messages.filter(({ type }) => type === MessageType.AppendReply)).toEqual([]);
  expect(ready?.messagesAfterPersist).toMatchObject([{ type: MessageType.AppendReply, to: 1n, index: 9 }]);
  core.persisted(ready?.number ?? 0);
  expect(core.persistedIndex).toBe(9);
});

test('a log that holds the entry stays as it is, since what is behind may be acknowledged', () => {
  const { core } = follower();
  heartbeat(core, 2);
  expect(core.installSnapshot(snapshot(4, 1))).toBe(false);
  expect([core.commit, core.lastIndex]).toEqual([4, 5]);
  expect(core.confState.voters).toEqual(conf.voters);
});

test('what is committed already changes nothing', () => {
  const { core } = follower();
  expect(core.installSnapshot(snapshot(2, 1))).toBe(false);
  expect([core.commit, core.lastIndex]).toEqual([3, 5]);
});

test('it counts although nobody leads, and a later term of it is taken over', () => {
  const { core } = follower();
  expect(core.installSnapshot(snapshot(9, 7))).toBe(true);
  expect([core.term, core.role, core.leader, core.commit]).toEqual([7, 'follower', 0n, 9]);
  expect(drain(core).filter(({ type }) => type === MessageType.AppendReply)).toEqual([]);
});

test('a campaign under way ends: its log is not what it asked votes with', () => {
  const { core } = follower();
  core.campaign();
  drain(core);
  expect(core.role).toBe('pre-candidate');
  core.installSnapshot(snapshot(9, 2));
  expect([core.role, core.lastIndex]).toEqual(['follower', 9]);
});
