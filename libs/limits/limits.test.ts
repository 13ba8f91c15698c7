import * as limits from '.';

test('every relation between the limits holds', () => {
  expect(limits.limitRelations().filter((relation) => !relation.holds)).toEqual([]);
});

test('a request larger than an internal message is noticed', () => {
  const broken = limits.limitRelations({ ...limits, REQUEST_BYTES_MAX: limits.INTERNAL_MESSAGE_BYTES_MAX });
  expect(broken.some((relation) => !relation.holds)).toBe(true);
});

test("etcd's defaults are kept", () => {
  expect(limits.requestTimeoutMs(1000)).toBe(7000);
  expect(limits.leaseTtlSecondsMin(1000)).toBe(2);
  expect(limits.clientMessageBytesMax(limits.REQUEST_BYTES_MAX)).toBe(2_097_152);
});
