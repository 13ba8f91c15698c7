import { MessageType, type RaftCore } from '../../../libs/raft';
import { insides } from '../checkers/insides';
import type { Canary } from './canary';

/** What any loss of committed entries may break first. */
const LOST_ENTRIES = [
  'leader completeness',
  'state machine safety',
  'state machine equality',
  'acknowledged writes',
  'linearizable reads',
  'monotonic revisions',
  'log matching',
  'process',
];

const storm = { minutes: 5, faultEveryMs: 2_500 };

type Work = NonNullable<ReturnType<RaftCore['ready']>>;

/** Changes every Ready on its way to the host. */
function changeReady(core: RaftCore, change: (ready: Work) => Work): void {
  const ready = core.ready.bind(core);
  core.ready = () => {
    const work = ready();
    return work === undefined ? undefined : change(work);
  };
}

export const RAFT_CANARIES: Readonly<Record<string, Canary>> = {
  'acknowledges before the sync': {
    defect: {
      raft: (core) =>
        changeReady(core, (ready) => ({
          ...ready,
          messages: [...ready.messages, ...ready.messagesAfterPersist],
          messagesAfterPersist: [],
        })),
    },
    caughtBy: [...LOST_ENTRIES, 'election safety'],
    seedsMax: 20,
    members: 3,
    minutes: 5,
    faultEveryMs: 3_000,
    walMs: 30,
    faults: ['power cut of all members', 'power cut at an I/O point', 'power cut'],
  },
  'a vote that is not synced': {
    defect: {
      raft: (core) =>
        changeReady(core, (ready) => {
          const grants = ready.messagesAfterPersist.some(
            ({ type, reject }) => type === MessageType.VoteReply && !reject,
          );
          return grants && ready.hardState !== undefined
            ? { ...ready, hardState: { ...ready.hardState, vote: 0n } }
            : ready;
        }),
    },
    caughtBy: ['election safety', ...LOST_ENTRIES],
    seedsMax: 60,
    members: 3,
    minutes: 5,
    faultEveryMs: 1_500,
    faults: ['power cut at an I/O point', 'power cut', 'partition', 'leadership transferred', 'slow network'],
  },
  'a lost fsync': {
    defect: { lostSync: true },
    caughtBy: LOST_ENTRIES,
    seedsMax: 5,
    members: 3,
    ...storm,
  },
  'a member alone acknowledges before it is durable': {
    defect: { lostSync: true },
    caughtBy: LOST_ENTRIES,
    seedsMax: 5,
    members: 1,
    ...storm,
  },
  'reads without asking a quorum': {
    defect: { raft: (core) => void (insides(core).members.roundByQuorum = () => Infinity) },
    caughtBy: ['linearizable reads'],
    seedsMax: 60,
    members: 3,
    ...storm,
  },
  'votes for logs that lack entries': {
    defect: { raft: (core) => void (insides(core).log.isUpToDate = () => true) },
    caughtBy: LOST_ENTRIES,
    seedsMax: 10,
    members: 3,
    ...storm,
  },
  'wins an election with one vote': {
    defect: { raft: (core) => void (insides(core).members.vote = () => 'won') },
    caughtBy: ['election safety', ...LOST_ENTRIES],
    seedsMax: 10,
    members: 3,
    ...storm,
  },
  'appends behind entries it does not have': {
    defect: { raft: (core) => void (insides(core).log.matches = () => true) },
    caughtBy: ['log matching', ...LOST_ENTRIES],
    seedsMax: 20,
    members: 3,
    ...storm,
  },
  'never campaigns': {
    defect: { raft: (core) => void Object.defineProperty(insides(core), 'promotable', { value: false }) },
    caughtBy: ['liveness'],
    seedsMax: 1,
    members: 3,
    minutes: 1,
  },
};
