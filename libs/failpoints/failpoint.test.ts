import { Failpoint, type FailpointHost, installFailpointHost } from './failpoint';
import { checkTerms, parseFailpointSettings } from './settings';

class Panic extends Error {}

function hosted(): { readonly log: string[]; readonly timers: (() => void)[] } {
  const log: string[] = [];
  const timers: (() => void)[] = [];
  const host: FailpointHost = {
    panic: (message) => {
      throw new Panic(message);
    },
    sleep: (ms) => log.push(`held ${ms}`),
    later: (ms, then) => {
      log.push(`later ${ms}`);
      timers.push(then);
    },
    print: (message) => log.push(message),
    breakpoint: () => log.push('break'),
    random: () => 0.5,
  };
  installFailpointHost(host);
  return { log, timers };
}

test('a point at which nothing is set does nothing, at once', () => {
  const { log } = hosted();
  const point = new Failpoint('walBeforeSync');
  expect(point.reach()).toBeUndefined();
  point.reachThen(() => log.push('next'));
  expect(log).toEqual(['next']);
  expect(point.isSet).toBe(false);
});

test('sleep holds the thread, or the step alone where the code can wait', () => {
  const { log, timers } = hosted();
  const point = new Failpoint('walBeforeSync');
  point.set('sleep("2s")');
  point.reach();
  point.reachThen(() => log.push('next'));
  expect(log).toEqual(['held 2000', 'later 2000']);
  timers[0]?.();
  expect(log.at(-1)).toBe('next');
});

test('panic names the point, or says what it was given', () => {
  hosted();
  const point = new Failpoint('walBeforeSync');
  point.set('panic');
  expect(() => point.reach()).toThrow(new Panic('failpoint panic: walBeforeSync'));
  expect(() => point.reachThen(() => undefined)).toThrow(Panic);
  point.set('panic("on purpose")');
  expect(() => point.reach()).toThrow(new Panic('failpoint panic: on purpose'));
});

test('return gives its value, true without one; print and break give none', () => {
  const { log } = hosted();
  const point = new Failpoint('raftDropHeartbeat');
  point.set('1*return("x")->1*return->1*print->break');
  expect([point.reach(), point.reach(), point.reach(), point.reach()]).toEqual(['x', true, undefined, undefined]);
  expect(log).toEqual(['failpoint print: raftDropHeartbeat', 'break']);
});

test('terms that make no sense leave what was set', () => {
  hosted();
  const point = new Failpoint('walBeforeSync');
  point.set('1*off');
  expect(() => point.set('nonsense')).toThrow(SyntaxError);
  expect(point.setting).toMatchObject({ text: '1*off', count: 0 });
  point.clear();
  expect(point.setting).toBeUndefined();
});

test('several settings are read as GOFAIL_FAILPOINTS has them', () => {
  expect(parseFailpointSettings('a=panic;b=1*sleep(10)->off;')).toEqual({ a: 'panic', b: '1*sleep(10)->off' });
  expect(parseFailpointSettings('')).toEqual({});
});

test.each(['a', 'a=b=panic', '=panic', 'a=nonsense', 'a=panic;b'])('the settings %j are refused', (text) => {
  expect(() => parseFailpointSettings(text)).toThrow(SyntaxError);
});

test('terms can be checked alone', () => {
  expect(() => checkTerms('panic')).not.toThrow();
  expect(() => checkTerms('panik')).toThrow(SyntaxError);
});
