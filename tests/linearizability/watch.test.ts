import { StoreModel } from './store-model';
import type { Kv } from './types';
import { checkWatch, type WatchEvent, type WatchMessage, type WatchRecord } from './watch';

const kv = (key: string, value: string, mod: number, create = mod, version = 1): Kv => ({
  key,
  value,
  create,
  mod,
  version,
  lease: '',
});

/** Revisions: 2 puts a, 3 puts b, 4 puts a and b in one transaction, 5 deletes a, 6 puts c. */
const A2 = kv('a', '2', 2);
const B3 = kv('b', '3', 3);
const A4 = kv('a', '4', 4, 2, 2);
const B4 = kv('b', '4', 4, 3, 2);
const C6 = kv('c', '6', 6);
const model = new StoreModel({ revision: 1, kvs: [] });
model.apply([{ key: 'a', kv: A2 }]);
model.apply([{ key: 'b', kv: B3 }]);
model.apply([
  { key: 'a', kv: A4 },
  { key: 'b', kv: B4 },
]);
model.apply([{ key: 'a', kv: undefined }]);
model.apply([{ key: 'c', kv: C6 }]);

const put = (one: Kv, prev?: Kv): WatchEvent => ({ kind: 'put', kv: one, ...(prev === undefined ? {} : { prev }) });
const deleted = (key: string, mod: number): WatchEvent => ({ kind: 'delete', kv: kv(key, '', mod, 0, 0) });
const events = (...list: WatchEvent[]): WatchMessage => ({ kind: 'events', revision: 6, events: list });
const created = (revision: number): WatchMessage => ({ kind: 'created', revision });
const progress = (revision: number): WatchMessage => ({ kind: 'progress', revision });

function record(start: number, messages: WatchMessage[], more: Partial<WatchRecord> = {}): WatchRecord {
  return { client: 'w', key: 'a', end: 'z', start, prevKv: false, messages, ...more };
}
const check = (one: WatchRecord, compacted = 0, reached?: number): string =>
  checkWatch(one, { model, compacted, ...(reached === undefined ? {} : { reached }) }) ?? 'good';

const ALL = [events(put(A2)), events(put(B3), put(A4), put(B4)), events(deleted('a', 5)), events(put(C6))];

describe('good', () => {
  test.each<[string, WatchRecord, number?, number?]>([
    ['everything from the first revision on', record(2, [created(1), ...ALL]), 0, 6],
    ['from now on: what comes after the creation', record(0, [created(4), ...ALL.slice(2)]), 0, 6],
    ['a stream that broke early', record(2, [created(1), ...ALL.slice(0, 1)])],
    ['only the keys watched', record(2, [created(1), events(put(C6))], { key: 'c', end: 'd' }), 0, 6],
    [
      'progress after all that it covers',
      record(2, [created(1), ...ALL.slice(0, 2), progress(4), ...ALL.slice(2)]),
      0,
      6,
    ],
    [
      'progress where there was nothing to tell',
      record(2, [created(1), progress(5), events(put(C6))], { key: 'c' }),
      0,
      6,
    ],
    ['previous values', record(4, [created(1), events(put(A4, A2), put(B4, B3))], { prevKv: true })],
    [
      'cancelled, since its start is compacted',
      record(2, [created(6), { kind: 'cancelled', compactRevision: 4 }]),
      4,
      6,
    ],
  ])('%s', (_, ...[one, compacted, reached]) => {
    expect(check(one, compacted, reached)).toBe('good');
  });
});

describe('bad', () => {
  test.each<[string, string, WatchRecord, number?, number?]>([
    ['a revision is lost', 'revision 2 is missing before revision 3', record(2, [created(1), ...ALL.slice(1)])],
    [
      'the last revision is lost',
      'revision 6 is missing before the end',
      record(2, [created(1), ...ALL.slice(0, 3)]),
      0,
      6,
    ],
    [
      'a revision comes again',
      'revision 2 again, or out of order: 2 had been told',
      record(2, [created(1), events(put(A2)), ...ALL]),
    ],
    [
      'revisions change places',
      'revision 2 is missing before revision 3',
      record(2, [created(1), events(put(B3)), events(put(A2))]),
    ],
    [
      'a revision is torn',
      'revision 4 with 1 events in one message, but it had 2',
      record(4, [created(1), events(put(A4)), events(put(B4))]),
    ],
    [
      'progress runs ahead of events',
      'revision 5 is missing before progress 5',
      record(2, [created(1), ...ALL.slice(0, 2), progress(5), ...ALL.slice(2)]),
    ],
    [
      'an event is older than the start',
      'revision 2 again, or out of order: 2 had been told',
      record(3, [created(1), ...ALL]),
    ],
    [
      'from now on, with what was before the creation',
      'revision 3 again, or out of order: 4 had been told',
      record(0, [created(4), events(put(B3), put(A4), put(B4))]),
    ],
    [
      'a value that nobody wrote',
      'revision 6: c is not what was written',
      record(6, [created(1), events(put({ ...C6, value: 'x' }))]),
    ],
    ['a put told as a delete', 'revision 6: delete of c', record(6, [created(1), events(deleted('c', 6))])],
    [
      'another previous value',
      'revision 4: the previous a is another',
      record(4, [created(1), events(put(A4, B3), put(B4, B3))], { prevKv: true }),
    ],
    [
      'a previous value is left out',
      'revision 4: the previous a is another',
      record(4, [created(1), events(put(A4), put(B4))], { prevKv: true }),
    ],
    [
      'a revision that nobody made',
      'revision 7 in a message of revision 6',
      record(6, [created(1), ...ALL.slice(3), events(put(kv('c', '7', 7)))]),
    ],
    [
      'cancelled for a compaction that nobody asked for',
      'cancelled for compaction 4, which nobody asked for',
      record(2, [created(6), { kind: 'cancelled', compactRevision: 4 }]),
    ],
    [
      'cancelled at the compacted revision itself',
      'cancelled for compaction 4, but only revision 4 and later were left to tell',
      record(4, [created(6), { kind: 'cancelled', compactRevision: 4 }]),
      4,
    ],
    ['never created', 'it was never created', record(0, []), 0, 6],
    ['events before it was created', 'events before it was created', record(0, [events(put(C6)), created(4)])],
  ])('%s', (_, ...[problem, one, compacted, reached]) => {
    expect(check(one, compacted, reached)).toContain(problem);
  });
});
