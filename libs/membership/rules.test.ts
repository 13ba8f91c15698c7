import { type ChangeKind, type MembersView, refusalOfChange } from '.';

const view: MembersView = {
  members: [
    { id: 1n, peerUrls: ['http://a:1'], isLearner: false },
    { id: 2n, peerUrls: ['http://b:1', 'http://b:2'], isLearner: true },
  ],
  wasRemoved: (id) => id === 9n,
};

test.each<[ChangeKind, bigint, string[], string | undefined]>([
  ['add', 3n, ['http://c:1'], undefined],
  ['add', 1n, ['http://c:1'], 'exists'],
  ['add', 9n, ['http://c:1'], 'removed'],
  ['add', 3n, ['http://c:1', 'http://b:2'], 'url-used'],
  ['remove', 1n, [], 'last-voter'],
  ['remove', 2n, [], undefined],
  ['remove', 3n, [], 'not-found'],
  ['update', 1n, ['http://a:1', 'http://a:2'], undefined],
  ['update', 1n, ['http://b:1'], 'url-used'],
  ['update', 3n, ['http://c:1'], 'not-found'],
  ['promote', 2n, [], undefined],
  ['promote', 1n, [], 'not-learner'],
  ['promote', 3n, [], 'not-found'],
  ['unknown', 1n, [], 'not-found'],
])('%s of member %s with %j: %s', (kind, id, urls, refusal) => {
  expect(refusalOfChange(kind, id, urls, view)).toBe(refusal);
});

test('a voter may go while another one is left', () => {
  const two = { ...view, members: [...view.members, { id: 3n, peerUrls: [], isLearner: false }] };
  expect(refusalOfChange('remove', 1n, [], two)).toBeUndefined();
});
