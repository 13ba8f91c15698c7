import { Errors } from '../../libs/errors';
import type { ProgressView, RaftCore } from '../../libs/raft';
import { ConfChangeType, encodeConfChange } from '../../proto/gen/hexad';
import { bootstrapEntries } from '../../libs/bootstrap';
import { MemberBook, readConfChange } from './conf-changes';
import { ConfGuard } from './conf-guard';

interface Cluster {
  readonly voters: number;
  /** Milliseconds since the links to members 2, 3, … came up; undefined: they are down. */
  readonly up: readonly (number | undefined)[];
  readonly isStrict?: boolean;
  readonly progress?: readonly Partial<ProgressView>[];
}

function refusal(cluster: Cluster, type: number, nodeId: bigint, isOwn = true): unknown {
  const book = new MemberBook();
  const members = Array.from({ length: cluster.voters }, (_, at) => ({
    id: BigInt(at + 1),
    name: `m${at}`,
    peerUrls: [`http://h${at}:1`],
  }));
  for (const { index, data } of bootstrapEntries(members)) book.apply(index, readConfChange(data));
  const now = 100_000;
  const guard = new ConfGuard({
    core: { id: 1n, progress: () => cluster.progress ?? [] } as unknown as RaftCore,
    book,
    isStrict: cluster.isStrict ?? true,
    now: () => now,
    connectedSince: (id) => {
      const ago = cluster.up[Number(id) - 2];
      return ago === undefined ? undefined : now - ago;
    },
  });
  return guard.refusalOf(encodeConfChange({ type, nodeId, peerUrls: ['http://new:1'] }), isOwn);
}

const { CONF_ADD_VOTER, CONF_ADD_LEARNER, CONF_REMOVE, CONF_UPDATE, CONF_PROMOTE } = ConfChangeType;

test.each<[string, Cluster, number, bigint, unknown]>([
  ['a sole member takes another one', { voters: 1, up: [] }, CONF_ADD_VOTER, 9n, undefined],
  ['all have been up for five seconds', { voters: 3, up: [5000, 5000] }, CONF_ADD_VOTER, 9n, undefined],
  ['one has not been up for long', { voters: 3, up: [5000, 4999] }, CONF_ADD_VOTER, 9n, Errors.Unhealthy],
  ['one is down', { voters: 3, up: [5000, undefined] }, CONF_ADD_LEARNER, 9n, Errors.Unhealthy],
  ['not strict', { voters: 3, up: [undefined, undefined], isStrict: false }, CONF_ADD_VOTER, 9n, undefined],
  ['one that is down may go', { voters: 3, up: [5000, undefined] }, CONF_REMOVE, 3n, undefined],
  [
    'one that is up may not while another is down',
    { voters: 3, up: [5000, undefined] },
    CONF_REMOVE,
    2n,
    Errors.Unhealthy,
  ],
  ['itself, likewise', { voters: 3, up: [5000, undefined] }, CONF_REMOVE, 1n, Errors.Unhealthy],
  ['one of three that are up', { voters: 3, up: [5000, 5000] }, CONF_REMOVE, 2n, undefined],
  ['one of two that are up', { voters: 2, up: [5000] }, CONF_REMOVE, 2n, undefined],
  ['new peer URLs may always be told', { voters: 3, up: [undefined, undefined] }, CONF_UPDATE, 2n, undefined],
])('%s', (_, cluster, type, id, expected) => {
  expect(refusal(cluster, type, id)).toBe(expected);
});

test('what another member has passed on was looked at there', () => {
  expect(refusal({ voters: 3, up: [undefined, 5000] }, CONF_ADD_VOTER, 9n, false)).toBeUndefined();
});

test.each([
  [90, undefined],
  [89, Errors.LearnerNotReady],
  [0, Errors.LearnerNotReady],
])('a learner that has %d of 100 entries', (match, expected) => {
  const progress = [
    { id: 1n, match: 100, isLearner: false },
    { id: 9n, match, isLearner: true },
  ];
  for (const isStrict of [true, false]) {
    expect(refusal({ voters: 1, up: [], progress, isStrict }, CONF_PROMOTE, 9n, false)).toBe(expected);
  }
  // Only the leader knows; who is no learner is refused elsewhere.
  expect(refusal({ voters: 1, up: [], progress: [] }, CONF_PROMOTE, 9n)).toBeUndefined();
});
