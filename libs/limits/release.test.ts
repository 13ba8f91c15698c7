import { entryFormatAt, isLowerVersion, newestEntryFormat, RELEASE } from './release';

const NEXT = { version: '3.8.2', formatsSince: ['3.0.0', '3.8.0'] };

test.each([
  ['', 0],
  ['3.0.0', 0],
  ['3.7.0', 0],
  ['3.8.0', 1],
  ['3.10.0', 1],
  ['4.0.0', 1],
])('in a cluster of version "%s" the next release proposes format %d', (version, format) => {
  expect(entryFormatAt(version, NEXT)).toBe(format);
});

test('no release proposes what it does not understand, however high the cluster version', () => {
  for (const release of [RELEASE, NEXT]) expect(entryFormatAt('9.9.0', release)).toBe(newestEntryFormat(release));
});

test('the formats of this release are there from versions that rise', () => {
  const { formatsSince, version } = RELEASE;
  for (const [at, since] of formatsSince.entries()) {
    expect(isLowerVersion(version, since)).toBe(false);
    if (at > 0) expect(isLowerVersion(formatsSince[at - 1] ?? '', since)).toBe(true);
  }
});

test.each([
  ['3.7.1', '3.7.0', false],
  ['3.7.0', '3.8.0', true],
  ['3.9.0', '3.10.0', true],
  ['3.9.0', '4.0.0', true],
  ['4.0.0', '3.9.0', false],
])('%s is lower than %s: %s', (a, b, expected) => {
  expect(isLowerVersion(a, b)).toBe(expected);
});
