import fc from 'fast-check';
import { LeaseTimer, type LeaseTimingOptions, TimeHeap } from '.';

const options: LeaseTimingOptions = {
  revokeRate: 1000,
  revokeBurst: 500,
  promotionExtensionMs: 1000,
  checkpointIntervalMs: 0,
  checkpointsMax: 1000,
};
const lease = (id: number, ttl: number, remainingTtl = 0, grantedIndex = 1) => ({
  id: BigInt(id),
  ttl,
  remainingTtl,
  grantedIndex,
});

const sorted = (ids: readonly bigint[]): bigint[] => [...ids].sort((a, b) => Number(a - b));

function primary(overrides: Partial<LeaseTimingOptions> = {}): LeaseTimer {
  const timer = new LeaseTimer({ ...options, ...overrides });
  timer.promote(1, 0);
  return timer;
}

describe('lease timing', () => {
  it('hands out the same expiries as a plain list that is scanned, whatever happens between', () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('grant' as const), id: fc.nat(9), ttl: fc.integer({ min: 1, max: 20 }) }),
      fc.record({ do: fc.constant('revoke' as const), id: fc.nat(9) }),
      fc.record({ do: fc.constant('renew' as const), id: fc.nat(9) }),
      fc.record({ do: fc.constant('refuse' as const), id: fc.nat(9) }),
      fc.record({ do: fc.constant('wait' as const), ms: fc.nat(8_000) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const timer = primary();
        const list = new Map<number, { ttl: number; expiresAt: number; revoking: boolean }>();
        let now = 0;
        steps.forEach((action, index) => {
          if (action.do === 'grant' && !list.has(action.id)) {
            timer.granted(lease(action.id, action.ttl, 0, index + 1), now);
            list.set(action.id, { ttl: action.ttl, expiresAt: now + action.ttl * 1000, revoking: false });
          } else if (action.do === 'revoke') {
            timer.revoked(BigInt(action.id));
            list.delete(action.id);
          } else if (action.do === 'renew') {
            const known = list.get(action.id);
            const renewal = timer.renew(BigInt(action.id), now);
            if (known === undefined) expect(renewal).toEqual({ kind: 'missing' });
            else if (known.revoking || known.expiresAt <= now) expect(renewal).toEqual({ kind: 'expired' });
            else {
              expect(renewal).toEqual({ kind: 'renewed', ttl: known.ttl });
              known.expiresAt = now + known.ttl * 1000;
            }
          } else if (action.do === 'refuse') {
            timer.revokeRefused(BigInt(action.id));
            const known = list.get(action.id);
            if (known !== undefined) known.revoking = false;
          } else if (action.do === 'wait') now += action.ms;
          const due = [...list].filter(([, item]) => !item.revoking && item.expiresAt <= now);
          if (due.length > 0) expect(timer.nextDue(now)).toBeLessThanOrEqual(now);
          for (const [, item] of due) item.revoking = true;
          expect(sorted(timer.takeExpired(now))).toEqual(sorted(due.map(([id]) => BigInt(id))));
        });
      }),
      { numRuns: 500 },
    );
  });

  it('gives every lease its full TTL and the extension when leadership begins', () => {
    const timer = new LeaseTimer(options);
    timer.granted(lease(1, 10), 0);
    timer.granted(lease(2, 60, 20), 0);
    expect(timer.takeExpired(1e9)).toEqual([]);
    timer.promote(5, 100_000);
    expect(timer.term).toBe(5);
    expect(timer.takeExpired(110_999)).toEqual([]);
    expect(timer.takeExpired(111_000)).toEqual([1n]);
    expect(timer.remaining(2n, 100_000)).toEqual({ ttl: 21, grantedTtl: 60 });
    timer.demote();
    expect(timer.nextDue(1e9)).toBe(Number.POSITIVE_INFINITY);
  });

  it('asks for the reset of a checkpoint before it renews', () => {
    const timer = new LeaseTimer(options);
    timer.granted(lease(1, 600, 100), 0);
    timer.promote(1, 0);
    expect(timer.renew(1n, 50_000)).toEqual({ kind: 'needs-reset' });
    timer.checkpointReset(1n);
    expect(timer.renew(1n, 50_000)).toEqual({ kind: 'renewed', ttl: 600 });
    expect(timer.remaining(1n, 50_000)).toEqual({ ttl: 600, grantedTtl: 600 });
  });

  it('revokes no faster than its rate', () => {
    const timer = primary({ revokeRate: 100, revokeBurst: 10 });
    for (let id = 0; id < 50; id += 1) timer.granted(lease(id, 1), 0);
    expect(timer.takeExpired(2_000)).toHaveLength(10);
    expect(timer.takeExpired(2_000)).toHaveLength(0);
    expect(timer.nextDue(2_000)).toBeCloseTo(2_010);
    expect(timer.takeExpired(2_100)).toHaveLength(10);
  });

  it('spreads the expiries of many leases over time when leadership begins', () => {
    const timer = new LeaseTimer({ ...options, revokeRate: 100 });
    for (let id = 0; id < 301; id += 1) timer.granted(lease(id, 2), 0);
    timer.promote(1, 0);
    const expired = (from: number): number => timer.takeExpired(from).length;
    expect(expired(3_000)).toBe(1);
    expect(Math.abs(expired(4_000) - 75)).toBeLessThanOrEqual(1);
    expect(Math.abs(expired(5_000) - 75)).toBeLessThanOrEqual(1);
  });

  it('does not keep what was revoked long before its time', () => {
    const timer = primary();
    for (let id = 1; id <= 10_000; id += 1) {
      timer.granted(lease(id, 1_000_000), 0);
      if (id > 10) timer.revoked(BigInt(id));
    }
    expect(timer.size).toBe(10);
    const { expiries } = timer as unknown as { expiries: TimeHeap<unknown> };
    expect(expiries.size).toBeLessThanOrEqual(1_024);
  });

  it('checkpoints long leases once per interval until they are renewed', () => {
    const timer = primary({ checkpointIntervalMs: 300_000 });
    timer.granted(lease(1, 1_000), 0);
    timer.granted(lease(2, 200), 0);
    expect(timer.takeCheckpoints(299_999)).toEqual([]);
    expect(timer.takeCheckpoints(300_000)).toEqual([{ id: 1n, remainingTtl: 700 }]);
    expect(timer.takeCheckpoints(300_001)).toEqual([]);
    expect(timer.nextDue(300_001)).toBe(200_000);
    expect(timer.takeCheckpoints(600_000)).toEqual([{ id: 1n, remainingTtl: 400 }]);
  });

  it('keeps the time of known leases when the whole list is read again', () => {
    const timer = primary();
    timer.granted(lease(1, 10), 0);
    timer.granted(lease(2, 10), 0);
    timer.replaceAll([lease(1, 10), lease(3, 10), lease(2, 10, 0, 9)], 5_000);
    expect(timer.takeExpired(10_000)).toEqual([1n]);
    expect(sorted(timer.takeExpired(15_000))).toEqual([2n, 3n]);
    timer.replaceAll([], 15_000);
    expect(timer.size).toBe(0);
  });
});

describe('the heap', () => {
  it('gives items back in order of time', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(1000)), (times) => {
        const heap = new TimeHeap<number>();
        for (const time of times) heap.push(time, time);
        const popped: number[] = [];
        for (let item = heap.popDue(1000); item !== undefined; item = heap.popDue(1000)) popped.push(item);
        expect(popped).toEqual([...times].sort((a, b) => a - b));
      }),
    );
  });
});
