import { areAllAt, nextClusterVersion } from './cluster-version';

test.each<[string, string, (string | undefined)[], number, string | undefined]>([
  ['is the lowest of all', '', ['3.7.1', '3.6.4', '3.10.0'], 0, '3.6.0'],
  ['waits a little for those that are not known', '', ['3.7.1', undefined], 1_999, undefined],
  ['is the lowest there is while one is not known', '', ['3.7.1', undefined], 2_000, '3.0.0'],
  ['rises once the last member has', '3.6.0', ['3.7.1', '3.7.0'], 0, '3.7.0'],
  ['rises from the lowest there is', '3.0.0', ['3.7.1'], 0, '3.7.0'],
  ['compares numbers', '3.9.0', ['3.10.2'], 0, '3.10.0'],
  ['stays while one is not known', '3.6.0', ['3.7.1', undefined], 60_000, undefined],
  ['stays when all have it', '3.7.0', ['3.7.1', '3.7.9'], 0, undefined],
  ['is not known before there are members', '', [], 0, undefined],
  ['never falls', '3.7.0', ['3.7.1', '3.6.4'], 0, undefined],
  ['takes what is no version for unknown', '3.6.0', ['3.7.1', 'x'], 0, undefined],
])('the cluster version %s', (_, current, versions, ledMs, expected) => {
  const members = versions.map((_version, at) => BigInt(at));
  expect(
    nextClusterVersion({ current, downgradeTarget: '', members, versionOf: (id) => versions[Number(id)], ledMs }),
  ).toBe(expected);
});

test.each<[string, string, string, (string | undefined)[], string | undefined]>([
  ['goes back to the target while all members still have the newer one', '3.7.0', '3.6.0', ['3.7.1', '3.7.1'], '3.6.0'],
  ['stays there when the members follow', '3.6.0', '3.6.0', ['3.7.1', '3.6.4'], undefined],
  ['does not rise until the downgrade is cancelled', '3.6.0', '3.6.0', ['3.7.1', '3.7.1'], undefined],
  ['rises again when it is', '3.6.0', '', ['3.7.1', '3.7.1'], '3.7.0'],
  ['stays while a member is not known', '3.7.0', '3.6.0', ['3.7.1', undefined], undefined],
])('in a downgrade the cluster version %s', (_, current, downgradeTarget, versions, expected) => {
  const members = versions.map((_version, at) => BigInt(at));
  const versionOf = (id: bigint): string | undefined => versions[Number(id)];
  expect(nextClusterVersion({ current, downgradeTarget, members, versionOf, ledMs: 0 })).toBe(expected);
});

test('a downgrade is over when every member is known to have the target', () => {
  const areAt = (...versions: (string | undefined)[]): boolean =>
    areAllAt('3.6.0', { members: versions.map((_, at) => BigInt(at)), versionOf: (id) => versions[Number(id)] });
  expect(areAt('3.6.4', '3.6.0')).toBe(true);
  expect(areAt('3.6.4', '3.7.1')).toBe(false);
  expect(areAt('3.6.4', undefined)).toBe(false);
  expect(areAt()).toBe(false);
});
