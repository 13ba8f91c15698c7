import { CONNECTIONS_MAX } from '../../libs/limits';
import { connectionsMax, keepaliveOf } from './config';

test.each([
  [
    { minTimeMs: 5000, intervalMs: 7_200_000, timeoutMs: 20_000 },
    { minTimeMs: 5000, intervalMs: 7_200_000 },
  ],
  [
    { minTimeMs: 0, intervalMs: 100, timeoutMs: 200 },
    { minTimeMs: 300_000, intervalMs: 100, timeoutMs: 200 },
  ],
  [
    { minTimeMs: 1, intervalMs: 0, timeoutMs: 200 },
    { minTimeMs: 1, intervalMs: 7_200_000, timeoutMs: 20_000 },
  ],
  [
    { minTimeMs: 1, intervalMs: 100, timeoutMs: 0 },
    { minTimeMs: 1, intervalMs: 7_200_000, timeoutMs: 20_000 },
  ],
])('keep-alive flags %p are read as etcd does, where 0 leaves the default of gRPC', (flags, expected) => {
  expect(keepaliveOf(flags)).toMatchObject(expected);
});

test('a listener takes what the process may open, less what it needs itself', () => {
  expect(connectionsMax(1024)).toBe(874);
  expect(connectionsMax(100)).toBe(1);
  expect(connectionsMax(Number.POSITIVE_INFINITY)).toBe(CONNECTIONS_MAX);
});
