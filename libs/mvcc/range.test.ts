import { decodeRangeResponse, encodeRangeResponse, encodeResponseHeader } from '../../proto/gen/etcdserverpb';
import { type QueryText, rangeQuery, StoreFixture, textOf } from './store-fixture';

function fruits(): StoreFixture {
  const fixture = new StoreFixture();
  fixture.put('a', '9'); // 2
  fixture.put('b', '7'); // 3
  fixture.put('c', '8'); // 4
  fixture.put('a', '5', { lease: 3n }); // 5
  fixture.put('d', '6'); // 6
  fixture.delete('b'); // 7
  return fixture;
}

const ALL = { key: '\0', rangeEnd: '\0' };

describe.each([
  ['from the overlay', () => Promise.resolve(fruits())],
  [
    'from the engine',
    async () => {
      const fixture = fruits();
      await fixture.store.flush();
      return fixture;
    },
  ],
  [
    'from both',
    async () => {
      const fixture = new StoreFixture();
      fixture.put('a', '9');
      fixture.put('b', '7');
      await fixture.store.flush();
      fixture.put('c', '8');
      fixture.put('a', '5', { lease: 3n });
      fixture.store.startFlush();
      fixture.put('d', '6');
      fixture.delete('b');
      return fixture;
    },
  ],
])('a range %s', (_where, make) => {
  test.each<[string, QueryText, string]>([
    ['one key', { key: 'c' }, 'c=8 count 1'],
    ['a deleted key', { key: 'b' }, ' count 0'],
    ['all keys', ALL, 'a=5 c=8 d=6 count 3'],
    ['from a key on', { key: 'b', rangeEnd: '\0' }, 'c=8 d=6 count 2'],
    ['an end before the start', { key: 'd', rangeEnd: 'a' }, ' count 0'],
    ['an old revision', { ...ALL, revision: 4 }, 'a=9 b=7 c=8 count 3'],
    ['a limit leaves the count alone', { ...ALL, limit: 2 }, 'a=5 c=8 count 3 more'],
    ['a limit that is just enough', { ...ALL, limit: 3 }, 'a=5 c=8 d=6 count 3'],
    ['a negative limit is none', { ...ALL, limit: -1 }, 'a=5 c=8 d=6 count 3'],
    ['a limit beyond any number', { ...ALL, limit: 2n ** 62n }, 'a=5 c=8 d=6 count 3'],
    ['only the count', { ...ALL, countOnly: true, limit: 1 }, ' count 3'],
    ['only keys', { ...ALL, keysOnly: true }, 'a= c= d= count 3'],
    ['keys descending', { ...ALL, sortOrder: 2 }, 'd=6 c=8 a=5 count 3'],
    ['by value, no order means ascending', { ...ALL, sortTarget: 4 }, 'a=5 d=6 c=8 count 3'],
    ['by value descending, then cut', { ...ALL, sortTarget: 4, sortOrder: 2, limit: 2 }, 'c=8 d=6 count 3 more'],
    ['by version', { ...ALL, sortTarget: 1, sortOrder: 2 }, 'a=5 c=8 d=6 count 3'],
    ['by create revision', { ...ALL, sortTarget: 2, sortOrder: 2 }, 'd=6 c=8 a=5 count 3'],
    ['by mod revision', { ...ALL, sortTarget: 3, sortOrder: 1 }, 'c=8 a=5 d=6 count 3'],
    ['by value at an old revision', { ...ALL, sortTarget: 4, sortOrder: 1, revision: 4 }, 'b=7 c=8 a=9 count 3'],
    ['filters leave the count alone', { ...ALL, minModRevision: 5 }, 'a=5 d=6 count 3'],
    [
      'all four filters',
      { ...ALL, minModRevision: 4n, maxModRevision: 5, minCreateRevision: 3, maxCreateRevision: 9n },
      'c=8 count 3',
    ],
    ['a filter and a limit', { ...ALL, maxModRevision: 5, limit: 1 }, 'a=5 count 3 more'],
    ['keys only, sorted by value', { ...ALL, keysOnly: true, sortTarget: 4, sortOrder: 1 }, 'a= d= c= count 3'],
  ])('%s', async (_name, text, expected) => {
    const { store } = await make();
    const query = rangeQuery(text);
    const outcome = store.range(query);
    if (!outcome.ok) throw new Error(outcome.error);
    const { kvs, count, more } = outcome.value;
    expect(
      `${kvs.map((kv) => `${textOf(kv.key)}=${textOf(kv.value)}`).join(' ')} count ${count}${more ? ' more' : ''}`,
    ).toBe(expected);
    // The encoded form is byte for byte what the generated codec makes of the objects.
    const header = { clusterId: 1n, memberId: 2n, revision: 7, raftTerm: 3 };
    const encoded = store.rangeEncoded(query, encodeResponseHeader(header));
    expect(encoded.ok && decodeRangeResponse(encoded.value).count).toBe(count);
    expect(encoded.ok && Buffer.from(encoded.value).toString('hex')).toBe(
      Buffer.from(encodeRangeResponse({ header, kvs, more, count })).toString('hex'),
    );
  });

  test('a revision of the future, one that is compacted, an unknown sort order', async () => {
    const { store } = await make();
    expect(store.range(rangeQuery({ key: 'a', revision: 8 }))).toEqual({ ok: false, error: 'future-revision' });
    expect(store.range(rangeQuery({ key: 'a', revision: 2n ** 60n }))).toEqual({ ok: false, error: 'future-revision' });
    store.compact(4);
    expect(store.range(rangeQuery({ key: 'a', revision: 3 }))).toEqual({ ok: false, error: 'compacted' });
    expect(store.range(rangeQuery({ key: 'a', revision: 4 }))).toMatchObject({
      ok: true,
      value: { header: { revision: 7 } },
    });
    expect(store.range(rangeQuery({ key: 'a', sortTarget: 5 }))).toEqual({ ok: false, error: 'invalid-sort-option' });
  });
});

test('a look-up of one of 5,000 versions of a key reads few others', async () => {
  const fixture = new StoreFixture();
  for (let i = 0; i < 5000; i++) fixture.put('a', String(i));
  await fixture.store.flush();
  for (const revision of [2, 3, 17, 18, 257, 258, 1000, 4097, 5000]) {
    const before = fixture.disk.counters.scans;
    expect(fixture.at(revision)).toBe(`a=${revision - 2}`);
    // 4 levels with at most 16 steps each; usually half of it.
    expect(fixture.disk.counters.scans - before).toBeLessThanOrEqual(66);
  }
});

describe('a range of many keys in slices', () => {
  function many(): StoreFixture {
    const fixture = new StoreFixture();
    for (let i = 0; i < 3500; i++) fixture.put(`k${String(i).padStart(5, '0')}`, String(i));
    return fixture;
  }
  const header = encodeResponseHeader({ revision: 3501 });

  test('is the state at the call, whatever is written meanwhile', async () => {
    const expected = many().store.rangeEncoded(rangeQuery(ALL), header);
    const disturbed = many();
    let pauses = 0;
    const answer = await disturbed.store.rangeSliced(rangeQuery(ALL), header, async () => {
      pauses++;
      disturbed.put('k00000', 'changed');
      disturbed.put('k03499', 'changed');
      disturbed.put(`k02${pauses}`, 'new');
      disturbed.delete('k03000', 'k03100');
      await disturbed.store.flush();
    });
    expect(pauses).toBe(3);
    expect(answer).toEqual(expected);
  });

  test('fails when a compaction passes it, not when one stops at it', async () => {
    const at = async (distance: number): Promise<unknown> => {
      const fixture = many();
      let isFirst = true;
      const outcome = await fixture.store.rangeSliced(rangeQuery({ ...ALL, countOnly: true }), header, () => {
        if (isFirst) {
          fixture.put('z', '');
          fixture.compact(3501 + distance);
        }
        isFirst = false;
        return Promise.resolve();
      });
      return outcome.ok ? decodeRangeResponse(outcome.value).count : outcome.error;
    };
    expect([await at(0), await at(1)]).toEqual([3500, 'compacted']);
  });

  test('of few keys is answered without waiting', () => {
    const outcome = fruits().store.rangeSliced(rangeQuery(ALL), header, () => Promise.reject(new Error('not called')));
    expect(outcome).toMatchObject({ ok: true });
  });
});
