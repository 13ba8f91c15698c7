import { RestTimer } from './rest-timer';

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

test('rest comes once, a while after the last watcher has gone, and again after the next', () => {
  const onRest = jest.fn();
  const timer = new RestTimer(1_000, onRest);
  timer.watchers(1);
  jest.advanceTimersByTime(5_000);
  expect(onRest).not.toHaveBeenCalled();
  timer.watchers(0);
  jest.advanceTimersByTime(999);
  timer.watchers(0);
  jest.advanceTimersByTime(1);
  expect(onRest).toHaveBeenCalledTimes(1);
  timer.watchers(0);
  jest.advanceTimersByTime(5_000);
  expect(onRest).toHaveBeenCalledTimes(1);
  timer.watchers(1);
  timer.watchers(0);
  jest.advanceTimersByTime(1_000);
  expect(onRest).toHaveBeenCalledTimes(2);
  timer.stop();
});

test('a watcher that comes in time keeps the hub awake', () => {
  const onRest = jest.fn();
  const timer = new RestTimer(1_000, onRest);
  timer.watchers(0);
  jest.advanceTimersByTime(999);
  timer.watchers(1);
  jest.advanceTimersByTime(5_000);
  expect(onRest).not.toHaveBeenCalled();
});
