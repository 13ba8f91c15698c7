import { LoginThrottle } from './login-throttle';

describe('the login throttle', () => {
  it('allows some failures at once, then one per half second', () => {
    const throttle = new LoginThrottle();
    const fail = (now: number): boolean => {
      const allowed = throttle.begin('alice', now);
      if (allowed) throttle.finish('alice', false);
      return allowed;
    };
    const first = Array.from({ length: 30 }, () => fail(0));
    expect(first.filter(Boolean)).toHaveLength(20);
    expect(fail(499)).toBe(false);
    expect(fail(500)).toBe(true);
    expect(fail(501)).toBe(false);
  });

  it('forgets failures after a right password', () => {
    const throttle = new LoginThrottle();
    for (let i = 0; i < 100; i += 1) {
      expect(throttle.begin('alice', 0)).toBe(true);
      throttle.finish('alice', i % 10 === 9);
    }
  });

  it('bounds the comparisons that run for one user', () => {
    const throttle = new LoginThrottle();
    let running = 0;
    while (throttle.begin('alice', running * 10_000)) running += 1;
    expect(running).toBe(32);
    expect(throttle.begin('bob', 0)).toBe(true);
  });
});
