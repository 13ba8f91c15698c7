import { nextClusterVersion } from './cluster-version';

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
  expect(nextClusterVersion({ current, members, versionOf: (id) => versions[Number(id)], ledMs })).toBe(expected);
});
