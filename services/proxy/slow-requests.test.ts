import type { Logger } from '../../libs/process';
import { type SlowRequest, SlowRequests } from './slow-requests';

describe('the log of slow requests', () => {
  const request: SlowRequest = {
    trace: new Uint8Array(0),
    body: new Uint8Array(7),
    stats: { path: '/etcdserverpb.KV/Put' },
    call: { connection: { remoteAddress: '127.0.0.1:5' } },
  };
  let lines: [Record<string, unknown>, string][];
  let log: SlowRequests;
  beforeEach(() => {
    lines = [];
    log = new SlowRequests({
      warn: (...line: [Record<string, unknown>, string]) => lines.push(line),
    } as unknown as Logger);
  });

  test('names method, peer, time and size, and nothing of the contents', () => {
    log.note(request, 312.5, undefined, 0);
    const fields = {
      'response type': '/etcdserverpb.KV/Put',
      remote: '127.0.0.1:5',
      'time spent': '312.500ms',
      'request size': 7,
      error: '',
    };
    expect(lines).toEqual([[fields, 'request stats']]);
  });

  test('when everything is slow, counts what it does not name, with the slowest', () => {
    for (let i = 0; i < 5_000; i++) log.note(request, 400 + i, undefined, i / 10);
    expect(lines).toHaveLength(50);
    log.sweep(999);
    expect(lines).toHaveLength(50);
    log.sweep(1_000);
    const summary = 'more requests were slow than are logged one by one';
    expect(lines[50]).toEqual([{ requests: 4_950, slowest: '5399.000ms' }, summary]);
    log.sweep(2_000);
    expect(lines).toHaveLength(51);
  });

  test('names requests again in the next second', () => {
    for (let i = 0; i < 51; i++) log.note(request, 400, undefined, 0);
    log.note(request, 500, undefined, 1_500);
    expect(lines.map(([, text]) => text).slice(50)).toEqual([
      'more requests were slow than are logged one by one',
      'request stats',
    ]);
  });
});
