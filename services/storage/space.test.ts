import type { Logger } from '../../libs/process';
import { limits } from './limits';
import { Space } from './space';

function rig(quotaBytes = 1_000) {
  const warnings: string[] = [];
  const logger = { warn: (_: object, text: string) => warnings.push(text) } as unknown as Logger;
  const now = { counted: 0, overlay: 0, full: false };
  const sizes = () => ({ file: 1e9, inUse: 1e9, counted: now.counted, overlay: now.overlay });
  const space = new Space({ store: { sizes }, quotaBytes, isDiskFull: () => now.full, logger });
  const use = (counted: number, overlay = 0): void => {
    Object.assign(now, { counted, overlay });
    space.applied(limits.quotaCheckBytes);
  };
  return { space, now, use, warnings };
}

test('use is what holds data and waits to be written, not the size of the file', () => {
  const { space, use } = rig();
  use(999);
  expect(space.isUsedUp).toBe(false);
  use(900, 100);
  expect(space.isUsedUp).toBe(true);
});

test('space that was made is noticed at once, and there is room below 85 %', () => {
  const { space, use, now } = rig();
  use(1_000);
  now.counted = 900;
  expect([space.isUsedUp, space.isRoomy]).toEqual([false, false]);
  now.counted = 849;
  expect(space.isRoomy).toBe(true);
});

test('the log warns at 80 and at 90 %, once each, and again only after use has gone down', () => {
  const { use, warnings } = rig();
  for (const bytes of [799, 800, 850, 790, 810, 899, 900, 880, 910, 1_100]) use(bytes);
  expect(warnings).toEqual(['the store uses 80 % of its quota', 'the store uses 90 % of its quota']);
  for (const bytes of [700, 950]) use(bytes);
  expect(warnings.slice(2)).toEqual(['the store uses 90 % of its quota']);
});

test('a full disk is no space whatever the quota, and no quota never is', () => {
  const { space, use, now, warnings } = rig(0);
  use(1e12);
  expect([space.isUsedUp, space.isRoomy, warnings]).toEqual([false, true, []]);
  now.full = true;
  expect([space.isUsedUp, space.isRoomy]).toEqual([true, false]);
});

test('little is measured: only after so many bytes of entries', () => {
  const { space, now } = rig();
  now.counted = 2_000;
  space.applied(limits.quotaCheckBytes - 1);
  expect(space.isUsedUp).toBe(false);
  space.applied(1);
  expect(space.isUsedUp).toBe(true);
});
